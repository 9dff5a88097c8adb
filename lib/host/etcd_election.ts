/** Drives a `HostElection`: its requests go to etcd, its news to whoever hosts or joins the job. */

import { Prng } from "../core/prng.ts";
import type { ElectionEffect, ElectionEvent, ElectionSettings } from "../etcd/election_event.ts";
import { HostElection } from "../etcd/host_election.ts";
import { attemptMs } from "../etcd/host_timing.ts";
import { EtcdUnreachableError } from "./etcd_cluster.ts";
import type { EtcdV3 } from "./etcd_v3.ts";
import { Loop } from "./loop.ts";

/** What concerns the owner; the rest is between the election and etcd. */
export type ElectionNews = Exclude<ElectionEffect, { readonly kind: "request" | "watch" }>;

/** What the owner may ask for. */
export type ElectionWish = Exclude<
  ElectionEvent,
  { readonly kind: "answered" | "unanswered" | "changed" | "watch-broken" | "wakeup" }
>;

export class EtcdElection {
  readonly #client: EtcdV3;
  readonly #attemptMs: number;
  readonly #loop: Loop<ElectionEvent, ElectionEffect>;
  readonly #tell: (news: ElectionNews) => void;
  #endWatch: (() => void) | null = null;

  /** `tell` is called from within `ask` too. */
  constructor(client: EtcdV3, settings: ElectionSettings, tell: (news: ElectionNews) => void) {
    this.#client = client;
    this.#attemptMs = attemptMs(settings.ttlMs);
    this.#tell = tell;
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    this.#loop = new Loop<ElectionEvent, ElectionEffect>(
      new HostElection(settings, new Prng(seed)),
      { kind: "wakeup" },
      (effect) => this.#perform(effect),
    );
  }

  ask(wish: ElectionWish): void {
    this.#loop.post(wish);
  }

  close(): void {
    this.#loop.close();
    this.#endWatch?.();
    this.#endWatch = null;
  }

  #perform(effect: ElectionEffect): void {
    switch (effect.kind) {
      case "request":
        this.#client.ask(effect.request, effect.attemptMs).then(
          (answer) => this.#loop.post({ kind: "answered", id: effect.id, answer }),
          (error) =>
            this.#loop.post({
              kind: "unanswered",
              id: effect.id,
              text: error instanceof Error ? error.message : String(error),
              refused: !(error instanceof EtcdUnreachableError),
            }),
        );
        return;
      case "watch":
        this.#endWatch?.();
        this.#endWatch = this.#client.watch(
          effect.key,
          effect.fromRevision,
          this.#attemptMs,
          (news) =>
            this.#loop.post(news.kind === "broken" ? { kind: "watch-broken" } : { ...news, kind: "changed" }),
        );
        return;
      case "left":
        this.#tell(effect);
        return this.close();
      default:
        return this.#tell(effect);
    }
  }
}
