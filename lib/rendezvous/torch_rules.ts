/**
 * torchrun's rules for its shared record (`dynamic_rendezvous.py` of 2.15; torchrun.md 4.1), as two functions without
 * side effects: `decide` says what a node does next, `apply` makes the record that follows. A participant's rank is its
 * place in the order of (address, pid, local id), with one exception of ours: see `complete`.
 *
 * Who is dead is not decided here: torchrun compares other machines' clocks with its own, we watch whether a heartbeat
 * changes (`heartbeat_watch.ts`).
 */

import { unreachable } from "../core/assert.ts";
import {
  compareTorchNodes,
  nodeName,
  type TorchNode,
  type TorchRecord,
  type WallUs,
} from "./torch_record.ts";

/** What every node of a job has to be given alike. */
export interface TorchRules {
  readonly nodesMin: number;
  readonly nodesMax: number;
  /** How long an incomplete round stays open once it has `nodesMin`. */
  readonly lastCallMs: number;
}

/** What a node is after. */
export type TorchWish =
  /** A seat in the next complete round, its own seat in an earlier one given up. */
  | "join"
  /** To go, from wherever it is. */
  | "leave"
  /** To go, and to have the others begin another round: they do once somebody waits for it. */
  | "hand-over"
  /** The end of the job for everybody, who know that it comes. */
  | "close"
  /** The end for everybody, now: torchrun's agents look for it only when somebody waits for a round. */
  | "break-up"
  /** Nothing but to be known as alive. */
  | "stay";

export type TorchAction =
  | { readonly kind: "keep-alive" }
  | { readonly kind: "add-participant" }
  | { readonly kind: "add-waiting" }
  | { readonly kind: "add-spare" }
  | { readonly kind: "remove" }
  /** `host`: who serves the workers' store from earlier rounds, and so should have rank 0 again. */
  | { readonly kind: "complete"; readonly host: string | null }
  /** `isAlarm`: the node puts itself on the wait list, so that the others look. */
  | { readonly kind: "close"; readonly isAlarm: boolean };

export type WaitCause = "nodes" | "last-call" | "next-round" | "free-seat";

export type TorchDecision =
  | TorchAction
  /** Nothing to do before the record changes or a time comes. */
  | { readonly kind: "wait"; readonly for: WaitCause }
  /** The wish has come true. */
  | { readonly kind: "done" }
  | { readonly kind: "closed" };

export interface TorchView {
  readonly me: TorchNode;
  readonly wish: TorchWish;
  /** The round in which this node had its last seat; null: it had none. A seat in it is not one to join with. */
  readonly lastRound: number | null;
  /** This node's heartbeat is older than the keep-alive interval, by its own clock. */
  readonly isHeartbeatDue: boolean;
  readonly host: string | null;
}

/** What the node does next about a record from which the dead have been taken. */
export function decide(record: TorchRecord, rules: TorchRules, view: TorchView, wall: WallUs): TorchDecision {
  const me = nodeName(view.me);
  const isIn = record.participants.has(me);
  const isKnown = isIn || record.waiting.has(me) || record.spares.has(me);
  switch (view.wish) {
    case "stay":
      return isKnown && view.isHeartbeatDue ? { kind: "keep-alive" } : { kind: "done" };
    case "close":
    case "break-up":
      return record.isClosed ? { kind: "done" } : { kind: "close", isAlarm: view.wish === "break-up" };
    case "leave":
      return isKnown ? { kind: "remove" } : { kind: "done" };
    case "hand-over":
      if (isIn) return { kind: "remove" };
      if (!record.isComplete || record.round !== view.lastRound || record.waiting.has(me)) {
        return { kind: "done" };
      }
      return { kind: "add-waiting" };
    case "join":
      return decideJoin(record, rules, view, wall);
    default:
      return unreachable(view.wish);
  }
}

function decideJoin(record: TorchRecord, rules: TorchRules, view: TorchView, wall: WallUs): TorchDecision {
  const me = nodeName(view.me);
  const { participants } = record;
  const keepAliveOr = (wait: TorchDecision): TorchDecision =>
    view.isHeartbeatDue && record.heartbeats.has(me) ? { kind: "keep-alive" } : wait;
  if (record.isClosed) return { kind: "closed" };
  if (participants.has(me)) {
    // A seat of the round that is over must be given up first, or the next round never begins.
    // One that somebody has left already will not begin.
    const isOver = record.round === view.lastRound || !hasAllRanks(record) ||
      participants.size < rules.nodesMin;
    if (record.isComplete) return isOver ? { kind: "remove" } : { kind: "done" };
    if (participants.size < rules.nodesMin || record.deadline === null) {
      return keepAliveOr({ kind: "wait", for: "nodes" });
    }
    if (participants.size >= rules.nodesMax || record.deadline < wall) {
      return { kind: "complete", host: view.host };
    }
    return keepAliveOr({ kind: "wait", for: "last-call" });
  }
  const isFull = participants.size >= rules.nodesMax;
  if (record.spares.has(me)) {
    return isFull ? keepAliveOr({ kind: "wait", for: "free-seat" }) : { kind: "remove" };
  }
  if (!record.isComplete) return { kind: "add-participant" };
  // torchrun's agents stay on the wait list of a round that is full, and make the others begin again and again.
  if (record.waiting.has(me) && !(isFull && record.form.hasSpares)) {
    return keepAliveOr({ kind: "wait", for: "next-round" });
  }
  if (!isFull) return { kind: "add-waiting" };
  return record.form.hasSpares ? { kind: "add-spare" } : { kind: "wait", for: "free-seat" };
}

/** The record after the node's action. */
export function apply(
  record: TorchRecord,
  action: TorchAction,
  rules: TorchRules,
  { me, host, wall }: { readonly me: TorchNode; readonly host: string | null; readonly wall: WallUs },
): TorchRecord {
  const name = nodeName(me);
  const alive = {
    nodes: new Map(record.nodes).set(name, me),
    heartbeats: new Map(record.heartbeats).set(name, wall),
  };
  switch (action.kind) {
    case "keep-alive":
      return { ...record, ...alive };
    case "add-participant": {
      const participants = new Map(record.participants).set(name, 0);
      const joined: TorchRecord = {
        ...record,
        ...alive,
        participants,
        waiting: without(record.waiting, name),
        deadline: participants.size === rules.nodesMin ? wall + 1000 * rules.lastCallMs : record.deadline,
      };
      return participants.size === rules.nodesMax ? complete(joined, host) : joined;
    }
    case "add-waiting": {
      const waiting = new Set(record.waiting).add(name);
      return { ...record, ...alive, waiting, spares: without(record.spares, name) };
    }
    case "add-spare":
      return {
        ...record,
        ...alive,
        waiting: without(record.waiting, name),
        spares: new Set(record.spares).add(name),
      };
    case "remove":
      return removeNodes(record, [name], rules);
    case "complete":
      return complete(record, action.host);
    case "close":
      if (!action.isAlarm) return { ...record, isClosed: true };
      return { ...record, ...alive, waiting: new Set(record.waiting).add(name), isClosed: true };
    default:
      return unreachable(action);
  }
}

/**
 * The record without these nodes. A complete round that nobody is left in makes way for the next; an incomplete one
 * with too few waits for more.
 */
export function removeNodes(record: TorchRecord, names: Iterable<string>, rules: TorchRules): TorchRecord {
  const gone = new Set(names);
  const stays = (name: string) => !gone.has(name);
  const participants = new Map([...record.participants].filter(([name]) => stays(name)));
  const isSmaller = participants.size < record.participants.size;
  const isOver = isSmaller && record.isComplete && participants.size === 0;
  const lacks = isSmaller && !record.isComplete && participants.size < rules.nodesMin;
  return {
    ...record,
    round: isOver ? record.round + 1 : record.round,
    isComplete: record.isComplete && !isOver,
    deadline: lacks ? null : record.deadline,
    participants,
    waiting: new Set([...record.waiting].filter(stays)),
    spares: new Set([...record.spares].filter(stays)),
    heartbeats: new Map([...record.heartbeats].filter(([name]) => stays(name))),
    nodes: new Map([...record.nodes].filter(([name]) => stays(name))),
  };
}

/**
 * Closes the round and gives out the ranks. torchrun's agents go by the ranks that they find, and remember the store of
 * the first round for ever: whoever served it gets rank 0 again, and all others follow in torchrun's order.
 */
function complete(record: TorchRecord, host: string | null): TorchRecord {
  const names = [...record.participants.keys()];
  const rank = (name: string) => name === host ? 0 : 1;
  names.sort((a, b) => rank(a) - rank(b) || compareTorchNodes(record.nodes.get(a)!, record.nodes.get(b)!));
  return {
    ...record,
    isComplete: true,
    deadline: null,
    participants: new Map(names.map((name, index) => [name, index])),
  };
}

function hasAllRanks({ participants }: TorchRecord): boolean {
  return [...participants.values()].every((rank) => rank < participants.size);
}

function without(names: ReadonlySet<string>, name: string): ReadonlySet<string> {
  return new Set([...names].filter((other) => other !== name));
}
