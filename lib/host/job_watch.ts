/**
 * Everything that looks at a job from outside: events, metrics, the status socket, the closing line.
 *
 * Rules: it never takes part. A job that asks for nothing pays for a list until it has run for a moment; only then what
 * makes its state visible is loaded, off the start path.
 */

import type { AgentEffect, SayLevel } from "../agent/effect.ts";
import type { AgentEvent } from "../agent/event.ts";
import type { InstantMs } from "../core/time.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import type { NodesEffect, NodesEvent } from "../agent/fleet_recorder.ts";
import type { JobViewers } from "./job_viewers.ts";
import type { JobStatus, StatusRequest } from "../view/status.ts";
import type { Meeting } from "./meeting.ts";
import type { AttemptOutput } from "./output.ts";
import type { WorkerStore } from "./worker_store.ts";

export interface JobWatchSettings {
  readonly plan: LaunchPlan;
  readonly hostName: string;
  readonly say: (level: SayLevel, text: string) => void;
  /** Shows whole lines on stderr as they are. */
  readonly show: (lines: string) => void;
}

/** Where counters are; both are undefined while there is none. */
export interface JobSources {
  readonly store: () => WorkerStore | undefined;
  readonly output: () => AttemptOutput | undefined;
  readonly meeting: () => Meeting | undefined;
}

export class JobWatch {
  readonly #settings: JobWatchSettings;
  /** What happened before anybody looked. */
  #waiting: ((viewers: JobViewers) => void)[] = [];
  #rounds = 0;
  #sources: JobSources | undefined;
  #viewers: JobViewers | undefined;
  #loading: Promise<void> | undefined;

  constructor(settings: JobWatchSettings) {
    this.#settings = settings;
  }

  readonly observe = (event: AgentEvent, effects: readonly AgentEffect[], now: InstantMs): void => {
    if (effects.some(({ kind }) => kind === "prepare-attempt")) this.#rounds++;
    this.#tell((viewers) => viewers.observe(event, effects, now));
  };

  readonly observeFleet = (event: NodesEvent, effects: readonly NodesEffect[], now: InstantMs): void => {
    this.#tell((viewers) => viewers.observeFleet(event, effects, now));
  };

  /** Called before the first event. */
  readonly connect = (sources: JobSources): void => {
    this.#sources = sources;
  };

  /** How this node's part stands; null while nobody could have asked. */
  ownStatus(request: StatusRequest): JobStatus | null {
    return this.#viewers?.ownStatus(request) ?? null;
  }

  /** Before the start: what was asked for must not miss anything, and says at once what is in its way. */
  async prepare(): Promise<void> {
    const { eventsPath, torchEvents, metrics, metricsPath, healthPort } = this.#settings.plan.watch;
    const isAsked = eventsPath !== null || torchEvents || metrics !== null || metricsPath !== null ||
      healthPort !== null;
    if (isAsked) await this.#load();
  }

  /** The job has run for a moment: from now on it can be asked how it stands. */
  preload(): void {
    void this.#load();
  }

  /** After the last event. */
  async close(): Promise<void> {
    // A closing line is owed.
    if (this.#rounds > 1) await this.#load();
    await this.#loading;
    await this.#viewers?.close();
  }

  #tell(tell: (viewers: JobViewers) => void): void {
    if (this.#viewers === undefined) this.#waiting.push(tell);
    else tell(this.#viewers);
  }

  #load(): Promise<void> {
    return this.#loading ??= (async () => {
      const { JobViewers } = await import("./job_viewers.ts");
      const viewers = new JobViewers(this.#settings, () => this.#sources);
      await viewers.open();
      for (const tell of this.#waiting.splice(0)) tell(viewers);
      this.#viewers = viewers;
    })();
  }
}
