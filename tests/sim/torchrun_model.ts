/**
 * A torchrun agent of 2.15 for the simulation: `DynamicRendezvousHandler` and `SimpleElasticAgent` line by line where it
 * matters (torchrun.md 3 and 4), its remembered store included. It is a generator: it yields what it asks of the store
 * or how long it sleeps, and is resumed with the answer.
 */

import type { StoreAnswer, StoreOperation } from "../../lib/rendezvous/torch_operations.ts";
import {
  emptyRecord,
  FORM_OF_2_6,
  nodeName,
  type TorchNode,
  type TorchRecord,
} from "../../lib/rendezvous/torch_record.ts";
import { decodeTorchRecord } from "../../lib/rendezvous/torch_record_decode.ts";
import { encodeTorchRecord } from "../../lib/rendezvous/torch_record_encode.ts";
import { apply, removeNodes, type TorchAction, type TorchRules } from "../../lib/rendezvous/torch_rules.ts";

export type Step = { readonly sleepMs: number } | { readonly ask: StoreOperation };
export type Agent = Generator<Step, number, StoreAnswer | null>;
type Part<T> = Generator<Step, T, StoreAnswer | null>;

/** What the world does for it. */
export interface TorchrunHost {
  readonly me: TorchNode;
  readonly rules: TorchRules;
  readonly maxRestarts: number;
  readonly now: () => number;
  readonly wall: () => number;
  readonly newPort: () => number;
  startWorkers(seat: { round: number; size: number; groupRank: number; place: string }): void;
  stopWorkers(): void;
  workers(): "running" | "succeeded" | "failed";
}

type Decision = TorchAction["kind"] | "sync" | "finish" | "closed" | "spare-closed" | "timeout";

const JOB = "torch.rendezvous.job";
const BEAT_MS = 5000;
const JOIN_MS = 600_000;

class AgentError extends Error {}

export function* torchrunAgent(host: TorchrunHost): Agent {
  const me = nodeName(host.me);
  let state: TorchRecord = emptyRecord(FORM_OF_2_6);
  let token: string | null = null, isDirty = false, lastSync = -Infinity, lastBeatLook = 0;
  let cached: string | null = null, isServer = false, restarts = 0;
  let tickets = 0;
  let prefix = "";

  function* sync(): Part<void> {
    if (!isDirty && host.now() - lastSync < 1000) return;
    const ask: StoreOperation = isDirty
      ? { kind: "write-record", ticket: ++tickets, bytes: encodeTorchRecord(state), token }
      : { kind: "read-record", ticket: ++tickets, token: null, afterMs: 0 };
    const answer = (yield { ask }) as StoreAnswer & { kind: "record" };
    state = answer.state === null ? emptyRecord(FORM_OF_2_6) : decodeTorchRecord(answer.state.bytes);
    token = answer.state?.token ?? null;
    isDirty = false;
    lastSync = host.now();
    const dead = [...state.heartbeats].filter(([, at]) => at < host.wall() - 15e6).map(([name]) => name);
    if (dead.length > 0) state = removeNodes(state, dead, host.rules);
  }

  function* run(op: () => Decision): Part<void> {
    while (true) {
      yield* sync();
      const decision = op();
      switch (decision) {
        case "finish":
          return;
        case "closed":
        case "timeout":
          throw new AgentError(decision);
        case "spare-closed":
          throw new AgentError("AttributeError");
        case "sync":
          yield { sleepMs: 1000 };
          break;
        default: {
          const action = (decision === "complete"
            ? { kind: decision, host: null }
            : decision === "close"
            ? { kind: decision, isAlarm: false }
            : { kind: decision }) as TorchAction;
          state = apply(state, action, host.rules, { me: host.me, host: null, wall: host.wall() });
          isDirty = true;
        }
      }
    }
  }

  const beat = (): boolean => (state.heartbeats.get(me) ?? Infinity) <= host.wall() - 1000 * BEAT_MS;
  const exitOp = (): Decision => state.participants.has(me) ? "remove" : "finish";
  const keepAliveOp = (): Decision => beat() ? "keep-alive" : "finish";
  const closeOp = (): Decision => state.isClosed ? "finish" : "close";
  const joinOp = (deadline: { at: number }) => (): Decision => {
    const { nodesMin, nodesMax } = host.rules;
    const size = state.participants.size;
    if (state.isClosed) return state.spares.has(me) ? "spare-closed" : "closed";
    if (state.spares.has(me)) {
      if (size === nodesMax) return beat() ? "keep-alive" : "sync";
      deadline.at = host.now() + JOIN_MS;
      return "remove";
    }
    const isIn = state.participants.has(me);
    if (state.isComplete && isIn) return "finish";
    if (host.now() > deadline.at) {
      const canRollBack = host.now() <= deadline.at + 5000 && (isIn || state.waiting.has(me));
      return canRollBack ? "remove" : "timeout";
    }
    if (state.isComplete) {
      if (size < nodesMax) {
        if (!state.waiting.has(me)) return "add-waiting";
      } else if (!state.waiting.has(me)) return "add-spare";
    } else if (isIn) {
      const isOver = size >= nodesMin && size <= nodesMax && state.deadline !== null &&
        state.deadline < host.wall();
      if (isOver) return "complete";
    } else return "add-participant";
    return beat() ? "keep-alive" : "sync";
  };

  /** The heartbeat thread, as far as it is needed: called from everything that waits. */
  function* heartbeat(): Part<void> {
    if (host.now() - lastBeatLook < BEAT_MS) return;
    lastBeatLook = host.now();
    yield* run(keepAliveOp);
  }

  function* await_(keys: readonly string[], limitMs: number): Part<string[]> {
    for (const until = host.now() + limitMs; host.now() < until;) {
      const answer = (yield { ask: { kind: "look-keys", ticket: ++tickets, keys } }) as StoreAnswer & {
        kind: "values";
      };
      const values = answer.values!.map((value) => value && new TextDecoder().decode(value));
      if (!values.includes(null)) return values as string[];
      yield* heartbeat();
      yield { sleepMs: 100 };
    }
    throw new AgentError("DistStoreError");
  }

  function* set(...entries: [string, string][]): Part<void> {
    yield { ask: { kind: "set-keys", entries } };
  }

  function* rendezvous(): Part<void> {
    if (state.round === 0) yield { sleepMs: host.newPort() % 300 };
    const deadline = { at: host.now() + JOIN_MS };
    yield* run(exitOp);
    yield* run(joinOp(deadline));
    lastBeatLook = host.now();
    const groupRank = state.participants.get(me)!, size = state.participants.size, round = state.round;
    prefix = `${JOB}.${round}/`;
    if (cached === null || (groupRank === 0 && !isServer)) {
      if (groupRank === 0) {
        isServer = true;
        yield* set([`${prefix}MASTER_ADDR`, host.me.address], [
          `${prefix}MASTER_PORT`,
          String(host.newPort()),
        ]);
      }
      cached = (yield* await_([`${prefix}MASTER_ADDR`, `${prefix}MASTER_PORT`], 60_000)).join(":");
    }
    yield* set([
      `${prefix}torchelastic/role_info/${groupRank}`,
      JSON.stringify({ role: "default", rank: groupRank, local_world_size: 1 }),
    ]);
    if (groupRank === 0) {
      const ranks = Array.from({ length: size }, (_, rank) => rank);
      yield* await_(ranks.map((rank) => `${prefix}torchelastic/role_info/${rank}`), 60_000);
      for (const rank of ranks) {
        yield* set([
          `${prefix}torchelastic/assigned_ranks/${rank}`,
          JSON.stringify([rank, size, rank, size]),
        ]);
      }
    }
    const [ranks] = yield* await_([`${prefix}torchelastic/assigned_ranks/${groupRank}`], 60_000);
    host.startWorkers({ round, size: JSON.parse(ranks!)[1], groupRank, place: cached });
  }

  function* exitBarrier(): Part<void> {
    const base = `${prefix}torchelastic/agent/terminal_state`;
    const ask: StoreOperation = { kind: "add-key", ticket: ++tickets, key: `${base}/num_members`, amount: 1 };
    const { sum } = (yield { ask }) as StoreAnswer & { kind: "sum" };
    if (sum === state.participants.size) yield* set([`${base}/last_member`, "<val_ignored>"]);
    try {
      yield* await_([`${base}/last_member`], 300_000);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
    }
  }

  function* main(): Part<number> {
    yield* rendezvous();
    while (true) {
      yield { sleepMs: 100 };
      yield* heartbeat();
      switch (host.workers()) {
        case "succeeded":
          yield* exitBarrier();
          return 0;
        case "failed":
          if (restarts >= host.maxRestarts) return 1;
          restarts++;
          host.stopWorkers();
          yield* rendezvous();
          break;
        case "running":
          yield* sync();
          if (state.waiting.size > 0) {
            host.stopWorkers();
            yield* rendezvous();
          }
      }
    }
  }

  let code = 1;
  try {
    code = yield* main();
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
  }
  host.stopWorkers();
  yield* run(closeOp);
  return code;
}
