/**
 * Derives what happened among the nodes of a job from what this node's rendezvous was told and asked for. The host sees
 * nodes come and go, the others see their host.
 */

import type { ElectedEffect, ElectedEvent } from "../rendezvous/elected_events.ts";
import type { FleetEffect, FleetEvent } from "../rendezvous/fleet_events.ts";
import type { JobEventBody } from "./job_event.ts";

/** Whoever elects the host. */
export type NodesEvent = FleetEvent | ElectedEvent;
export type NodesEffect = FleetEffect | ElectedEffect;

export class FleetRecorder {
  /** Nodes that said that they leave, or were sent away: their end is no loss. */
  readonly #leaving = new Set<string>();
  #epoch = 0;

  /** What `event`, which was answered with `effects`, means for the job, in order. */
  observe(event: NodesEvent, effects: readonly NodesEffect[]): JobEventBody[] {
    const told = this.#onEvent(event);
    for (const effect of effects) {
      if (effect.kind === "dismiss") this.#leaving.add(effect.nodeId);
    }
    const serves = effects.find((effect) => effect.kind === "serve");
    if (serves === undefined) return told;
    this.#epoch = serves.epoch;
    return [...told, { event: "host-known", node: "", epoch: serves.epoch, isSelf: true }];
  }

  #onEvent(event: NodesEvent): JobEventBody[] {
    switch (event.kind) {
      case "arrived":
        this.#leaving.delete(event.nodeId);
        return [{ event: "node-joined", node: event.nodeId, address: event.address }];
      case "said":
        if (event.message.kind === "leave") this.#leaving.add(event.nodeId);
        return [];
      case "gone": {
        const { nodeId: node, text: cause, quietMs: silentMs } = event;
        if (this.#leaving.delete(node)) return [{ event: "node-left", node }];
        return [{ event: "node-lost", node, cause, silentMs }];
      }
      case "linked":
        if (event.epoch === this.#epoch) return [];
        this.#epoch = event.epoch;
        return [{ event: "host-known", node: event.hostId, epoch: event.epoch, isSelf: false }];
      case "link-ended":
        if (event.end.kind !== "lost" && event.end.kind !== "dead") return [];
        return [{ event: "host-lost", cause: event.end.text }];
      default:
        return [];
    }
  }
}
