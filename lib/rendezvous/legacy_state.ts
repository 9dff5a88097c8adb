/**
 * The state that torchrun's legacy etcd rendezvous keeps in one key (`etcd_rendezvous.py` of 2.15; torchrun.md 4.5), and
 * what each step makes of it: `setup` -> `joinable` -> `frozen` -> `final`, or `closed`. Ranks are the order of joining.
 *
 * Whoever writes compares with the text that it read, so texts of ours carry a number of their own: two nodes that take
 * the same step at once never write the same text, and a write whose answer was lost is known again. torchrun's agents
 * keep what they don't know.
 */

import { unreachable } from "../core/assert.ts";

/** Seconds that a state lives unless somebody goes on with it. */
export const STATE_TTL_SECONDS = { setup: 5, joinable: 10, frozen: 10 } as const;

export interface LegacyState {
  readonly status: "setup" | "joinable" | "frozen" | "final" | "closed";
  /** Names the round's folder; empty while it is being set up. */
  readonly version: string;
  readonly participants: readonly number[];
  /** Paths of keys that their nodes keep alive. */
  readonly keepAlives: readonly string[];
  readonly waiting: number;
  /** All fields as read. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Bounds a hostile state. */
const PARTICIPANTS_MAX = 100_000;

/** Null: no agent of torchrun's writes that. */
export function parseState(text: string): LegacyState | null {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return null;
  const {
    status,
    version = "",
    participants = [],
    keep_alives: keepAlives = [],
    num_workers_waiting: waiting = 0,
  } = fields as Record<string, unknown>;
  if (typeof status !== "string" || !["setup", "joinable", "frozen", "final", "closed"].includes(status)) {
    return null;
  }
  if (typeof version !== "string" || !/^[\w-]{0,40}$/.test(version)) return null;
  if (version === "" && status !== "setup" && status !== "closed") return null;
  if (!Array.isArray(participants) || participants.length > PARTICIPANTS_MAX) return null;
  if (!Array.isArray(keepAlives) || !keepAlives.every((path) => typeof path === "string")) return null;
  if (typeof waiting !== "number") return null;
  return {
    status: status as LegacyState["status"],
    version,
    participants: participants as number[],
    keepAlives,
    waiting,
    fields: fields as Record<string, unknown>,
  };
}

export interface LegacySize {
  readonly nodesMin: number;
  readonly nodesMax: number;
}

/** One node's step. */
export type LegacyStep =
  | { readonly kind: "publish"; readonly version: string }
  | { readonly kind: "join" }
  | { readonly kind: "freeze" }
  /** The same once more, so that it lives on. */
  | { readonly kind: "hold" }
  | { readonly kind: "confirm"; readonly keepAlive: string }
  | { readonly kind: "announce" }
  | { readonly kind: "close" };

export interface NextState {
  readonly text: string;
  /** Null: for ever, or as long as the job's folder. */
  readonly ttlSeconds: number | null;
}

export function setupState(mark: number): NextState {
  return { text: stateText({ status: "setup" }, mark), ttlSeconds: STATE_TTL_SECONDS.setup };
}

/** What `step` makes of `state`, which must allow it. */
export function nextState(state: LegacyState, step: LegacyStep, size: LegacySize, mark: number): NextState {
  const next = (fields: Record<string, unknown>, ttlSeconds: number | null): NextState => ({
    text: stateText({ ...state.fields, ...fields }, mark),
    ttlSeconds,
  });
  switch (step.kind) {
    case "publish":
      return next({ status: "joinable", version: step.version, participants: [] }, null);
    case "join": {
      const participants = [...state.participants, state.participants.length];
      if (participants.length >= size.nodesMax) {
        return next({ status: "frozen", participants, keep_alives: [] }, STATE_TTL_SECONDS.frozen);
      }
      return next({ participants }, participants.length >= size.nodesMin ? STATE_TTL_SECONDS.joinable : null);
    }
    case "freeze":
      return next({ status: "frozen", keep_alives: [] }, STATE_TTL_SECONDS.frozen);
    case "hold":
      return next({}, STATE_TTL_SECONDS.joinable);
    case "confirm": {
      const keepAlives = [...state.keepAlives, step.keepAlive];
      return keepAlives.length >= state.participants.length
        ? next({ status: "final", keep_alives: keepAlives, num_workers_waiting: 0 }, null)
        : next({ keep_alives: keepAlives }, STATE_TTL_SECONDS.frozen);
    }
    case "announce":
      return next({ num_workers_waiting: state.waiting + 1 }, null);
    case "close":
      return next({ status: "closed" }, null);
    default:
      return unreachable(step);
  }
}

function stateText(fields: Readonly<Record<string, unknown>>, mark: number): string {
  return JSON.stringify({ ...fields, muster: mark });
}
