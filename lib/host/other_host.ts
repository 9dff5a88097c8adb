/**
 * Whether another node hosts the job at its endpoint. A node that was told to host it (`is_host=1`, node rank 0) does so
 * wherever the endpoint is, since it may be a service's address; where two were told so, each would have a world of its own.
 */

import type { HeartbeatSettings } from "../store/control_heartbeat.ts";
import type { ControlIdentity } from "../store/control_identity.ts";
import type { ControlSecret } from "../store/control_secret.ts";
import { ControlLink, type ControlLinkEvent } from "./control_link.ts";
import { splitAddress } from "./fleet_setup.ts";

export interface OtherHostOptions {
  /** The endpoint, HOST:PORT. */
  readonly address: string;
  /** This node, as a guest would name itself. */
  readonly self: ControlIdentity;
  readonly secret: ControlSecret | null;
  readonly heartbeat: HeartbeatSettings;
  /** How long to look for it. */
  readonly limitMs: number;
  /** Another node answers there as this job's host. */
  readonly onFound: (nodeId: string) => void;
}

/** Looks until somebody answers, this node itself or another. Returns the way to end that. */
export function watchForOtherHost(options: OtherHostOptions): () => void {
  const { address, self, secret, heartbeat, limitMs, onFound } = options;
  const link: ControlLink = new ControlLink({
    ...splitAddress(address),
    ...{ secret, heartbeat, connectMs: limitMs },
    self: { ...self, nodeId: `${self.nodeId} (check)` },
    onEvent: (event: ControlLinkEvent) => {
      if (event.kind !== "joined") return;
      link.close();
      if (event.host.nodeId !== self.nodeId) onFound(event.host.nodeId);
    },
  });
  return () => link.close();
}
