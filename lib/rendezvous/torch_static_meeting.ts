/**
 * An agent's part in a static job (`--node-rank`, `--master-addr`) in which torchrun's agents take part (torchrun.md 4.6):
 * group ranks are given, the store of node 0 is everybody's, and nothing is agreed on but the workers' ranks, once, by
 * keys under the job's id. Restarts are each node's own: nobody else hears of them.
 *
 * Which release the others are of shows in the keys that they use (`torch_roles.ts`): this node writes both kinds and
 * goes by the one that is complete.
 */

import { assertDefined } from "../core/assert.ts";
import { durationText, type InstantMs } from "../core/time.ts";
import { KeyTalk } from "./key_talk.ts";
import type { JobOutcome, LocalFailure, MeetingNews, StorePlace } from "./meeting.ts";
import { reportExit } from "./torch_exit.ts";
import type { TorchMeetingEffect, TorchMeetingEvent } from "./torch_meeting_events.ts";
import type { StoreOperation } from "./torch_operations.ts";
import { failed, failedFor, stoppedBy, succeeded } from "./torch_outcomes.ts";
import {
  type AssignedRanks,
  assignRanks,
  decodeRanks,
  decodeRoleInfo,
  encodeRanks,
  encodeRoleInfo,
  ROLE_KEYS,
  type RoleInfo,
} from "./torch_roles.ts";

export interface TorchStaticOptions {
  readonly jobId: string;
  /** `--nnodes`: MAX, which is also the size. */
  readonly nodes: number;
  readonly groupRank: number;
  /** The endpoint, where the agents and the workers of all nodes meet. */
  readonly place: StorePlace;
  readonly role: string;
  readonly workerCount: number;
  readonly maxRestarts: number;
  /** How long the nodes wait for each other (rdzv-conf `timeout`). */
  readonly joinMs: number;
  readonly exitBarrierMs: number;
  readonly isIdentical: boolean;
}

type Exchange = "assigned" | "gathered";
type Phase = "idle" | "joining" | "running" | "ending" | "finishing" | "over";

export class TorchStaticMeeting {
  readonly #options: TorchStaticOptions;
  readonly #prefix: string;
  readonly #talk: KeyTalk;
  #phase: Phase = "idle";
  #exchange: Exchange = "assigned";
  #ranks: AssignedRanks | null = null;
  #round = -1;
  #restarts = 0;
  #failure: LocalFailure | null = null;
  #stop: JobOutcome | null = null;
  #unanswered = 0;
  #tickets = 0;
  #effects: TorchMeetingEffect[] = [];

  constructor(options: TorchStaticOptions) {
    this.#options = options;
    this.#prefix = `${options.jobId}/`;
    const emit = (operation: StoreOperation) => void this.#effects.push({ kind: "ask", operation });
    this.#talk = new KeyTalk(emit, () => ++this.#tickets);
  }

  /** Every wait is the store's. */
  nextWakeup(): InstantMs | undefined {
    return undefined;
  }

  step(event: TorchMeetingEvent, _now: InstantMs): TorchMeetingEffect[] {
    this.#effects = [];
    if (this.#phase === "over") return [];
    switch (event.kind) {
      case "join":
        this.#onJoin();
        break;
      case "failed":
        if (this.#phase !== "running") break;
        this.#failure = event.failure;
        this.#phase = "ending";
        break;
      case "succeeded":
        if (this.#phase === "running") this.#finish();
        break;
      case "cleared":
        this.#onCleared();
        break;
      case "leave":
        this.#onLeave(stoppedBy(event.signal));
        break;
      case "values":
      case "sum":
        this.#talk.settle(event);
        break;
      case "store-lost":
        this.#onStoreLost(event.text);
    }
    return this.#effects;
  }

  #onJoin(): void {
    if (this.#phase !== "idle") return;
    this.#phase = "joining";
    if (this.#ranks !== null) return this.#takeSeat(this.#ranks);
    const { nodes, groupRank, role, workerCount, isIdentical, place } = this.#options;
    if (groupRank === 0) {
      // Up to 2.3 the others do not go by their own command lines.
      const names = ["MASTER_ADDR", "MASTER_PORT"].map((name) => this.#key(name));
      this.#talk.set([names[0]!, place.address], [names[1]!, String(place.port)]);
    }
    if (isIdentical) {
      const all = assignRanks(Array.from({ length: nodes }, () => ({ role, workerCount })));
      return this.#takeSeat(all[groupRank]!);
    }
    const info = encodeRoleInfo({ role, rank: groupRank, workerCount });
    this.#talk.set([this.#key(ROLE_KEYS.assignedInfo(groupRank)), info], [
      this.#key(ROLE_KEYS.gatheredInfo(groupRank)),
      info,
    ]);
    this.#wait();
    this.#unanswered = 2;
    this.#gather("gathered");
    if (groupRank === 0) return this.#gather("assigned");
    this.#talk.get([this.#key(ROLE_KEYS.assignedRanks(groupRank))], this.#options.joinMs, (values) => {
      this.#settle("assigned", values === null ? null : decodeRanks(values[0]!, workerCount));
    });
  }

  #wait(): void {
    const { nodes, joinMs } = this.#options;
    const waiting = { text: "for the other nodes", present: 1, min: nodes, max: nodes, leftMs: joinMs };
    this.#tell({ kind: "waiting", waiting });
  }

  #gather(exchange: Exchange): void {
    const { nodes, groupRank, joinMs } = this.#options;
    const infoKey = exchange === "assigned" ? ROLE_KEYS.assignedInfo : ROLE_KEYS.gatheredInfo;
    const keys = Array.from({ length: nodes }, (_, rank) => this.#key(infoKey(rank)));
    this.#talk.get(keys, joinMs, (values) => {
      const infos = values?.map(decodeRoleInfo) ?? [null];
      if (infos.some((info, rank) => info === null || info.rank !== rank)) {
        return this.#settle(exchange, null);
      }
      const all = assignRanks(infos as RoleInfo[]);
      if (exchange === "gathered") this.#talk.set([this.#key(ROLE_KEYS.gatheredEnd(groupRank)), "FIN"]);
      else {
        all.forEach((ranks, rank) =>
          this.#talk.set([this.#key(ROLE_KEYS.assignedRanks(rank)), encodeRanks(ranks)])
        );
      }
      this.#settle(exchange, all[groupRank]!);
    });
  }

  /** One of the two kinds of exchange has come to its end; null: in vain. */
  #settle(exchange: Exchange, ranks: AssignedRanks | null): void {
    if (this.#phase !== "joining") return;
    this.#unanswered--;
    if (ranks !== null) {
      this.#exchange = exchange;
      return this.#takeSeat(ranks);
    }
    if (this.#unanswered > 0) return;
    this.#end(failed(`Waited ${durationText(this.#options.joinMs)} for the other nodes, in vain`));
  }

  #takeSeat(ranks: AssignedRanks): void {
    const { groupRank, nodes: groupWorldSize, place: store } = this.#options;
    if (this.#ranks === null) this.#tell({ kind: "waiting", waiting: null });
    this.#ranks = ranks;
    this.#phase = "running";
    this.#round++;
    const seat = { round: this.#round, restartCount: this.#restarts, groupRank, groupWorldSize };
    this.#tell({ kind: "round", seat: { ...seat, ...ranks, store } });
  }

  #onCleared(): void {
    if (this.#phase !== "ending") return;
    const failure = this.#failure;
    const isFinal = failure !== null &&
      (failure.kind !== "worker" || this.#restarts >= this.#options.maxRestarts);
    if (isFinal) return this.#end(failedFor(failure));
    if (this.#stop !== null) return this.#end(this.#stop);
    this.#restarts++;
    this.#failure = null;
    this.#phase = "idle";
    this.#tell({ kind: "go-on", text: null, verdict: null });
  }

  #onLeave(outcome: JobOutcome): void {
    this.#stop = outcome;
    if (this.#phase === "running") this.#phase = "ending";
    else if (this.#phase !== "ending") this.#end(outcome);
  }

  #finish(): void {
    const { groupRank, nodes: groupWorldSize, exitBarrierMs } = this.#options;
    this.#phase = "finishing";
    const exit = { prefix: this.#prefix, exchange: this.#exchange, groupRank, groupWorldSize };
    reportExit(exit, this.#talk, exitBarrierMs, (areAllDone) => {
      const text = `Others are still running after ${durationText(exitBarrierMs)}; leaving`;
      this.#end(succeeded(this.#restarts, areAllDone ? null : text));
    });
  }

  #onStoreLost(text: string): void {
    if (this.#phase !== "finishing") return this.#end(failed(text));
    this.#end(succeeded(this.#restarts, "The store's host left first; this node's workers had succeeded"));
  }

  #end(outcome: JobOutcome): void {
    this.#phase = "over";
    this.#talk.forget();
    this.#tell({ kind: "job-over", outcome: assertDefined(outcome) });
  }

  #key(name: string): string {
    return this.#prefix + name;
  }

  #tell(news: MeetingNews): void {
    this.#effects.push({ kind: "news", news });
  }
}
