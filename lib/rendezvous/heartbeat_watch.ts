/**
 * Who is alive, told by whether its heartbeat in the record changes. Each heartbeat is a time by its node's own clock;
 * nothing is concluded from the time itself, so a clock that is wrong makes nobody dead.
 */

import type { InstantMs } from "../core/time.ts";
import type { TorchRecord, WallUs } from "./torch_record.ts";

interface Heartbeat {
  readonly stamp: WallUs;
  readonly since: InstantMs;
}

export class HeartbeatWatch {
  readonly #limitMs: number;
  #heartbeats = new Map<string, Heartbeat>();

  /** `limitMs`: a heartbeat that stays the same for longer belongs to a dead node. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Nodes of the record that are dead by now. */
  dead(record: TorchRecord, now: InstantMs): readonly string[] {
    const heartbeats = new Map<string, Heartbeat>();
    const dead: string[] = [];
    for (const [name, stamp] of record.heartbeats) {
      const known = this.#heartbeats.get(name);
      const heartbeat = known?.stamp === stamp ? known : { stamp, since: now };
      heartbeats.set(name, heartbeat);
      if (now - heartbeat.since > this.#limitMs) dead.push(name);
    }
    this.#heartbeats = heartbeats;
    return dead;
  }
}
