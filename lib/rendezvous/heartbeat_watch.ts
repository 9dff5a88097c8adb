/**
 * Who is alive, told by whether its heartbeat in the record changes. Each heartbeat is a time by its node's own clock;
 * nothing is concluded from the time itself, so a clock that is wrong makes nobody dead.
 *
 * torchrun up to 2.6 beats every five seconds, whatever rdzv-conf says, and its record does not tell it from later ones. So
 * a node is given the time that torchrun gives there, until it has shown that it is quicker: by a beat during a round,
 * since in between it also says that it leaves and joins.
 */

import type { InstantMs } from "../core/time.ts";
import type { TorchRecord, WallUs } from "./torch_record.ts";

/** Where rdzv-conf does not count: the interval, and how long a node is given. */
export const FIXED_INTERVAL_MS = 5_000;
const FIXED_LIMIT_MS = 15_000;

interface Heartbeat {
  readonly stamp: WallUs;
  readonly since: InstantMs;
  /** The complete round of which the node is; null: of none. */
  readonly round: number | null;
  readonly isQuick: boolean;
}

export class HeartbeatWatch {
  readonly #limitMs: number;
  #heartbeats = new Map<string, Heartbeat>();

  /** `limitMs`: a heartbeat that stays the same for longer belongs to a dead node, if it has shown that it is quick. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Nodes of the record that are dead by now. */
  dead(record: TorchRecord, now: InstantMs): readonly string[] {
    const heartbeats = new Map<string, Heartbeat>();
    const dead: string[] = [];
    for (const [name, stamp] of record.heartbeats) {
      const round = record.isComplete && record.participants.has(name) ? record.round : null;
      const heartbeat = next(this.#heartbeats.get(name), { stamp, since: now, round });
      heartbeats.set(name, heartbeat);
      const limitMs = heartbeat.isQuick ? this.#limitMs : Math.max(this.#limitMs, FIXED_LIMIT_MS);
      if (now - heartbeat.since > limitMs) dead.push(name);
    }
    this.#heartbeats = heartbeats;
    return dead;
  }
}

function next(known: Heartbeat | undefined, seen: Omit<Heartbeat, "isQuick">): Heartbeat {
  const { stamp, since, round } = seen;
  if (known === undefined) return { ...seen, isQuick: false };
  if (known.stamp === stamp) return { ...known, round };
  const isBeat = round !== null && round === known.round;
  const isQuick = isBeat && Math.abs(stamp - known.stamp) < 1000 * FIXED_INTERVAL_MS;
  return { stamp, since, round, isQuick: known.isQuick || isQuick };
}
