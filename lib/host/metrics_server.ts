/**
 * `--metrics-port`, `--metrics-file` and TORCHELASTIC_HEALTH_CHECK_PORT. What can't be opened or written costs a warning:
 * a job goes on without being watched.
 *
 * /healthz says that the launcher is alive, which it is as long as it answers: while workers run, while it waits for
 * other nodes to finish, while it restarts. (torchrun's own server is a stub; others' turn red at the exit barrier.)
 */

import type { WatchSettings } from "../options/launch_plan.ts";
import { jobMetrics } from "../view/metrics.ts";
import type { JobStatus } from "../view/status.ts";
import { wallNow } from "./clock.ts";
import { systemReason } from "./log_directory.ts";
import { METRICS_CONTENT_TYPE, metricsText } from "./metrics.ts";

export interface MetricsHooks {
  readonly status: () => JobStatus;
  readonly warn: (text: string) => void;
  readonly note: (text: string) => void;
}

/** A node exporter reads its files when it is scraped, mostly each 15 s to a minute. */
const FILE_INTERVAL_MS = 15_000;

const ALL_ADDRESSES = "::";

export class MetricsServer {
  readonly #settings: WatchSettings;
  readonly #hooks: MetricsHooks;
  readonly #servers: Deno.HttpServer[] = [];
  #fileTimer: ReturnType<typeof setInterval> | undefined;
  #isWriting: Promise<void> = Promise.resolve();
  #hasWarned = false;

  constructor(settings: WatchSettings, hooks: MetricsHooks) {
    this.#settings = settings;
    this.#hooks = hooks;
  }

  open(): void {
    const { metrics, healthPort, metricsPath } = this.#settings;
    if (metrics !== null) {
      this.#serve(metrics, (path) => this.#answer(path), "metrics are served", "--metrics-port");
    }
    // One port for both is one server.
    if (healthPort !== null && (healthPort !== metrics?.port || healthPort === 0)) {
      const address = { host: ALL_ADDRESSES, port: healthPort };
      this.#serve(address, () => this.#health(), "health check is served", "TORCHELASTIC_HEALTH_CHECK_PORT");
    }
    if (metricsPath === null) return;
    this.#writeFile(metricsPath);
    this.#fileTimer = setInterval(() => this.#writeFile(metricsPath), FILE_INTERVAL_MS);
  }

  /** The job has ended: the file keeps how. */
  async close(): Promise<void> {
    clearInterval(this.#fileTimer);
    const { metricsPath } = this.#settings;
    if (metricsPath !== null) this.#writeFile(metricsPath);
    await this.#isWriting;
    for (const server of this.#servers) void server.shutdown();
  }

  #serve(
    { host, port }: { readonly host: string; readonly port: number },
    answer: (path: string) => Response | Promise<Response>,
    what: string,
    option: string,
  ): void {
    try {
      const server = Deno.serve({
        hostname: host,
        port,
        onListen: () => {},
        handler: (request) => answer(new URL(request.url).pathname),
      });
      this.#servers.push(server);
      const bound = server.addr as Deno.NetAddr;
      if (port === 0) this.#hooks.note(`${option}: port ${bound.port}`);
    } catch (error) {
      this.#hooks.warn(`No ${what}: cannot listen on port ${port} (${option}): ${systemReason(error)}`);
    }
  }

  #answer(path: string): Response | Promise<Response> {
    if (path === "/healthz") return this.#health();
    if (path === "/metrics" || path === "/") return this.#metrics();
    return new Response("There are /metrics and /healthz here.\n", { status: 404 });
  }

  #health(): Response {
    const { phase, nodes } = this.#hooks.status();
    const workers = nodes.flatMap((node) => node.workers);
    const up = workers.filter(({ state }) => state === "running").length;
    return new Response(`ok: ${phase}, ${up} of ${workers.length} workers up\n`);
  }

  async #metrics(): Promise<Response> {
    return new Response(await this.#text(), { headers: { "content-type": METRICS_CONTENT_TYPE } });
  }

  #text(): Promise<string> {
    return metricsText(jobMetrics(this.#hooks.status(), wallNow() / 1000));
  }

  /** Replaced as a whole, as the exporter's documentation asks for. */
  #writeFile(path: string): void {
    this.#isWriting = this.#isWriting.then(async () => {
      const unfinished = `${path}.${Deno.pid}`;
      try {
        await Deno.writeTextFile(unfinished, await this.#text());
        await Deno.rename(unfinished, path);
      } catch (error) {
        if (!this.#hasWarned) {
          this.#hooks.warn(`Cannot write metrics to "${path}" (--metrics-file): ${systemReason(error)}`);
        }
        this.#hasWarned = true;
      }
    });
  }
}
