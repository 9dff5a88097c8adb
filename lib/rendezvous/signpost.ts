/**
 * What is left of a host that has yielded: whoever comes to its port (a newcomer knows no other place) is told where the job
 * goes on. Where the job was begun it is noted first.
 */

import type { InstantMs } from "../core/time.ts";
import type { Census, KnownNode } from "./census.ts";
import type { FleetEffect } from "./fleet_events.ts";

type Effect = Extract<FleetEffect, { kind: "redirect" | "census" }>;

/** How long one who comes is kept: it may have lost the host it would be sent to, and would be back at once. */
const KEPT_MS = 200;

export class Signpost {
  readonly #census: Census | null;
  readonly #strays = new Set<string>();
  #showAt: InstantMs | undefined;

  /** `census`: null where the job was begun elsewhere. */
  constructor(census: Census | null) {
    this.#census = census;
  }

  nextWakeup(): InstantMs | undefined {
    return this.#showAt;
  }

  /** A node has come (`FleetEvent`, "strayed"). */
  arrive(node: KnownNode, isFresh: boolean, now: InstantMs): Effect[] {
    this.#strays.add(node.nodeId);
    this.#showAt ??= now + KEPT_MS;
    const changes = this.#census?.add(node, isFresh) ?? [];
    return changes.map((change) => ({ kind: "census", change }));
  }

  /** Sends them on, if it is time; `address`: the host's, null: it is not known. */
  wake(address: string | null, now: InstantMs): Effect[] {
    if (this.#showAt === undefined || now < this.#showAt) return [];
    this.#showAt = undefined;
    const redirects = [...this.#strays].map((nodeId): Effect => ({ kind: "redirect", nodeId, address }));
    this.#strays.clear();
    return redirects;
  }
}
