/**
 * The port at which a node hosted the job, once another does: whoever comes there (a newcomer knows no other place) is
 * told where the job goes on.
 */

import type { InstantMs } from "../core/time.ts";
import type { FleetEffect } from "./fleet_events.ts";

type Redirect = Extract<FleetEffect, { kind: "redirect" }>;

/** How long one who comes is kept: it may have lost the host it would be sent to, and would be back at once. */
const KEPT_MS = 200;

export class Signpost {
  readonly #strays = new Set<string>();
  #showAt: InstantMs | undefined;

  nextWakeup(): InstantMs | undefined {
    return this.#showAt;
  }

  arrive(nodeId: string, now: InstantMs): void {
    this.#strays.add(nodeId);
    this.#showAt ??= now + KEPT_MS;
  }

  /** Sends them on, if it is time; `address`: the host's, null: it is not known. */
  wake(address: string | null, now: InstantMs): Redirect[] {
    if (this.#showAt === undefined || now < this.#showAt) return [];
    this.#showAt = undefined;
    const redirects = [...this.#strays].map((nodeId): Redirect => ({ kind: "redirect", nodeId, address }));
    this.#strays.clear();
    return redirects;
  }
}
