/**
 * Tells whoever hosts the job at its old address that it goes on elsewhere: an agent that was started there anew would
 * otherwise begin a second world. It also finds the host that has gone on with the job while this node was cut off. Each
 * address is tried again and again for as long as this node hosts the job, three times a second: whoever is started there
 * may have enough nodes at once, and must have been told by then.
 */

import type { HeartbeatSettings } from "../store/control_heartbeat.ts";
import type { ControlIdentity } from "../store/control_identity.ts";
import type { ControlSecret } from "../store/control_secret.ts";
import { ControlLink, type ControlLinkEvent } from "./control_link.ts";
import { splitAddress } from "./fleet_setup.ts";

export interface HeraldOptions {
  /** HOST:PORT each. */
  readonly addresses: readonly string[];
  /** This node as the host that it is now, with its address. */
  readonly self: () => ControlIdentity;
  readonly secret: ControlSecret | null;
  readonly heartbeat: HeartbeatSettings;
  /** Somebody there knows a later host than this one. */
  readonly onOutranked: (epoch: number, hostAddress: string) => void;
}

/** How long one call tries, ever more slowly, and how long it is until the next. */
export const HERALD_CALL_MS = 5_000;
export const HERALD_PAUSE_MS = 1_000;

export class Herald {
  readonly #options: HeraldOptions;
  readonly #links = new Set<ControlLink>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  constructor(options: HeraldOptions) {
    this.#options = options;
    for (const address of options.addresses) this.#call(address);
  }

  close(): void {
    for (const link of this.#links) link.close();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#links.clear();
    this.#timers.clear();
  }

  #call(address: string): void {
    const { self, secret, heartbeat } = this.#options;
    const link: ControlLink = new ControlLink({
      self: self(),
      secret,
      heartbeat,
      ...splitAddress(address),
      connectMs: HERALD_CALL_MS,
      onEvent: (event) => this.#onEvent(event, { link, address }),
    });
    this.#links.add(link);
  }

  #onEvent(
    event: ControlLinkEvent,
    { link, address }: { link: ControlLink; address: string },
  ): void {
    if (event.kind !== "joined" && event.kind !== "ended") return;
    if (event.kind === "ended" && event.end.kind === "refused" && event.end.refusal.reason === "epochIsOld") {
      const { epoch, hostAddress } = event.end.refusal;
      this.#options.onOutranked(epoch, hostAddress === "" ? address : hostAddress);
    }
    if (!this.#links.delete(link)) return;
    link.close();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#call(address);
    }, HERALD_PAUSE_MS);
    this.#timers.add(timer);
  }
}
