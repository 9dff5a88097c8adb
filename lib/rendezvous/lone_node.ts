/** The meeting of a job with one node: the same coordinator as for many, with nobody to meet and nothing to wait for. */

import type { InstantMs } from "../core/time.ts";
import { Coordinator } from "./coordinator.ts";
import type { CoordinatorEffect } from "./coordinator_events.ts";
import type { MeetingNews, MeetingRequest } from "./meeting.ts";
import type { NodeInfo } from "./ranks.ts";

const NODE_ID = "this node";
const PAST = { memory: null, isFresh: true, others: null, begun: 0 };

export interface LoneJob {
  readonly jobId: string;
  readonly maxRestarts: number;
  readonly workerCount: number;
  readonly role: string;
}

export class LoneNode {
  readonly #coordinator: Coordinator;
  readonly #info: NodeInfo;

  constructor({ jobId, maxRestarts, workerCount, role }: LoneJob) {
    this.#info = {
      nodeId: NODE_ID,
      hostName: NODE_ID,
      address: null,
      workerCount,
      role,
      nodeRank: null,
      schedulerRank: null,
      topologyKey: null,
      standbyPort: null,
      interfaces: [],
    };
    this.#coordinator = new Coordinator({
      settings: {
        jobId,
        nodesMin: 1,
        nodesMax: 1,
        nodesStep: 1,
        maxRestarts,
        joinMs: Infinity,
        lastCallMs: 0,
        exitBarrierMs: Infinity,
        onNodeLoss: "wait",
        failover: false,
      },
      selfId: NODE_ID,
      selfAddress: null,
      fallbackAddress: "127.0.0.1",
      epoch: 1,
      begun: 0,
      elsewhere: null,
      chain: [],
      deadHost: null,
      wasHostLost: false,
      silenceMs: 0,
      stopMs: 0,
    });
    this.#coordinator.step({ kind: "start" }, 0);
  }

  /** What the agent is told when it says `request`. */
  request(request: MeetingRequest, now: InstantMs): MeetingNews[] {
    const message = request.kind === "join" ? { ...request, info: this.#info, ...PAST } : request;
    return this.#newsOf(this.#coordinator.step({ kind: "said", nodeId: NODE_ID, message }, now), now);
  }

  #newsOf(effects: readonly CoordinatorEffect[], now: InstantMs): MeetingNews[] {
    return effects.flatMap((effect) => {
      if (effect.kind === "tell") return [effect.message as MeetingNews];
      if (effect.kind !== "judge-job") return [];
      // The agent has judged already, and it is the only one.
      return this.#newsOf(this.#coordinator.step({ kind: "judged-job", verdict: null }, now), now);
    });
  }
}
