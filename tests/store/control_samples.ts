/** Agents and options for tests of the control channel. */

import { assert } from "../../lib/core/assert.ts";
import type { ControlIdentity } from "../../lib/store/control_identity.ts";
import type { HeartbeatSettings } from "../../lib/store/control_heartbeat.ts";
import type { ControlMessage } from "../../lib/store/control_session.ts";

export const HOST: ControlIdentity = {
  version: "0.1.0",
  jobId: "llama",
  nodeId: "node-0",
  epoch: 1,
  hostAddress: "10.0.0.1:29400",
  settingsHash: "\x01\x02\x03\xff",
  settingsText: "--nnodes 2:4",
};

export const NODE: ControlIdentity = { ...HOST, nodeId: "node-1", epoch: 0, hostAddress: "" };

export const HEARTBEAT: HeartbeatSettings = { intervalMs: 1000, silenceMs: 3000 };

/** `length` bytes that count up from `first`: chance without chance. */
export function counting(length: number, first = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => first + index);
}

/** A message that says `text`. */
export function saying(text: string, type = 1): ControlMessage {
  return { type, payload: new TextEncoder().encode(text) };
}

export function textOf(message: ControlMessage): string {
  return new TextDecoder().decode(message.payload);
}

/** The only effect of a kind. */
export function only<Effect extends { kind: string }, Kind extends Effect["kind"]>(
  effects: readonly Effect[],
  kind: Kind,
): Effect & { kind: Kind } {
  const found = effects.filter((effect) => effect.kind === kind);
  assert(found.length === 1, `${found.length} effects are ${kind}: ${JSON.stringify(effects)}`);
  return found[0] as Effect & { kind: Kind };
}
