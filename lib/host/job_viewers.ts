/** Those who look at a job, each loaded when it is wanted; all of them see the same recorder's events. */

import type { AgentEffect } from "../agent/effect.ts";
import type { AgentEvent } from "../agent/event.ts";
import type { JobEvent } from "../agent/job_event.ts";
import { JobRecorder } from "../agent/job_recorder.ts";
import { jobSummary } from "../agent/job_summary.ts";
import type { TorchEvents } from "../agent/torch_events.ts";
import type { InstantMs } from "../core/time.ts";
import type { NodesEffect, NodesEvent } from "../agent/fleet_recorder.ts";
import { monotonicNow, wallNow } from "./clock.ts";
import type { EventFile } from "./event_file.ts";
import type { JobSources, JobWatchSettings } from "./job_watch.ts";
import type { MetricsServer } from "./metrics_server.ts";
import { statusOf } from "./status_source.ts";
import type { StatusSocket } from "./status_socket.ts";
import type { JobStatus, StatusRequest } from "../view/status.ts";

export class JobViewers {
  readonly #settings: JobWatchSettings;
  readonly #sources: () => JobSources | undefined;
  readonly #recorder: JobRecorder;
  #eventFile: EventFile | undefined;
  #metrics: MetricsServer | undefined;
  #socket: StatusSocket | null = null;
  #torchEvents: TorchEvents | undefined;
  #end: (JobEvent & { event: "job-ended" }) | undefined;

  constructor(settings: JobWatchSettings, sources: () => JobSources | undefined) {
    this.#settings = settings;
    this.#sources = sources;
    const { plan, hostName } = settings;
    this.#recorder = new JobRecorder({ plan, hostName, wallAtZero: wallNow() - monotonicNow() });
  }

  async open(): Promise<void> {
    const { plan, hostName, say } = this.#settings;
    if (plan.watch.eventsPath !== null) {
      const { openEventFile } = await import("./event_file.ts");
      this.#eventFile = openEventFile(plan.watch.eventsPath, (text) => say("warning", text));
    }
    const { metrics, metricsPath, healthPort } = plan.watch;
    if (metrics !== null || metricsPath !== null || healthPort !== null) {
      const { MetricsServer } = await import("./metrics_server.ts");
      this.#metrics = new MetricsServer(plan.watch, {
        status: () => this.ownStatus({ lastLines: [], output: null }),
        warn: (text) => say("warning", text),
        note: (text) => say("notice", text),
      });
      this.#metrics.open();
    }
    const { openStatusSocket } = await import("./status_socket.ts");
    this.#socket = openStatusSocket((request) => this.#wholeStatus(request));
    if (plan.watch.torchEvents) {
      const { TorchEvents } = await import("../agent/torch_events.ts");
      this.#torchEvents = new TorchEvents(plan, hostName);
    }
  }

  observe(event: AgentEvent, effects: readonly AgentEffect[], now: InstantMs): void {
    const found = this.#recorder.observe(event, effects, now);
    this.#eventFile?.write(found);
    const lines = this.#torchEvents?.observe(event, found, now) ?? [];
    if (lines.length > 0) this.#settings.show(lines.join(""));
    for (const happened of found) if (happened.event === "job-ended") this.#end = happened;
  }

  observeFleet(event: NodesEvent, effects: readonly NodesEffect[], now: InstantMs): void {
    this.#eventFile?.write(this.#recorder.observeFleet(event, effects, now));
  }

  /** How this node's part stands. */
  ownStatus(request: StatusRequest): JobStatus {
    const { plan, hostName } = this.#settings;
    const parts = { plan, hostName, progress: this.#recorder.progress, sources: this.#sources() };
    return statusOf(parts, request);
  }

  async #wholeStatus(request: StatusRequest): Promise<JobStatus> {
    return await this.#sources()?.meeting()?.status?.(request) ?? this.ownStatus(request);
  }

  /** After the last event. */
  async close(): Promise<void> {
    const summary = this.#end === undefined ? null : jobSummary(this.#end);
    if (summary !== null) this.#settings.say(this.#end!.attempts > 1 ? "notice" : "info", summary);
    this.#socket?.close();
    await Promise.all([this.#eventFile?.close(), this.#metrics?.close()]);
  }
}
