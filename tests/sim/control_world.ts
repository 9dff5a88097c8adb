/**
 * A host and its nodes on a simulated network with seeded faults. The bytes travel, so that the codec is under test
 * with the machines. What must hold is checked as it happens, with `fail`; the rest by `check` when the time is over.
 */

import { assert } from "../../lib/core/assert.ts";
import { utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import {
  ACCEPTOR_RANDOM_BYTES,
  type AcceptorEffect,
  type AcceptorEvent,
  ControlAcceptor,
} from "../../lib/store/control_acceptor.ts";
import type { ClockEstimate, HeartbeatSettings } from "../../lib/store/control_heartbeat.ts";
import {
  ControlInitiator,
  type InitiatorEffect,
  type InitiatorEvent,
} from "../../lib/store/control_initiator.ts";
import { DEFAULT_CONTROL_LIMITS } from "../../lib/store/control_limits.ts";
import { ControlSecret } from "../../lib/store/control_secret.ts";
import { ID_BYTES, NONCE_BYTES } from "../../lib/store/control_wire.ts";
import { HOST, NODE, saying, textOf } from "../store/control_samples.ts";
import { Agenda, Connection, type End, Mailbox, type Network } from "./control_network.ts";

export interface Faults {
  readonly nodeCount: number;
  /** The last node has the name of the first. */
  readonly hasTwin: boolean;
  readonly hasSecret: boolean;
  readonly delayMs: number;
  readonly heartbeat: HeartbeatSettings;
  readonly sendsPerSecond: number;
  /** Mean time between two of each; Infinity: never. */
  readonly cutEveryMs: number;
  readonly halfCutEveryMs: number;
  readonly stallEveryMs: number;
  readonly dialFaultEveryMs: number;
  readonly freezeEveryMs: number;
  readonly endEveryMs: number;
  /** At the end the network does not heal, but breaks for good. */
  readonly endsInDarkness: boolean;
}

/** The faults of a seed: each kind is there or not. */
export function faultsOf(seed: number): Faults {
  const prng = new Prng(seed);
  const sometimes = (meanMs: number) => (prng.chance(1, 3) ? meanMs : Infinity);
  const intervalMs = prng.pick([400, 1000]);
  const nodeCount = 1 + prng.below(4);
  return {
    nodeCount,
    hasTwin: nodeCount > 1 && prng.chance(1, 4),
    hasSecret: prng.chance(1, 4),
    delayMs: prng.pick([0, 2, 20]),
    heartbeat: { intervalMs, silenceMs: intervalMs * prng.pick([2, 3]) },
    sendsPerSecond: prng.pick([2, 20, 100]),
    cutEveryMs: prng.chance(2, 3) ? prng.pick([300, 1500]) : Infinity,
    halfCutEveryMs: sometimes(2000),
    stallEveryMs: sometimes(1000),
    dialFaultEveryMs: sometimes(1000),
    freezeEveryMs: sometimes(3000),
    endEveryMs: sometimes(3000),
    endsInDarkness: prng.chance(1, 4),
  };
}

/** Nothing happens that a session may not survive: cuts are noticed by both sides, and the next attempt succeeds. */
export function isMild(faults: Faults): boolean {
  return [faults.halfCutEveryMs, faults.stallEveryMs, faults.dialFaultEveryMs, faults.freezeEveryMs]
    .every((meanMs) => meanMs === Infinity);
}

/** One session as its host sees it. */
interface HostSession {
  readonly ordinal: number;
  /** Of whom its messages come. */
  instance: string | null;
  heard: number;
  sent: number;
  isEnding: boolean;
}

/** One initiator of a node, from its start to its end. */
interface Life {
  initiator: ControlInitiator;
  mailbox: Mailbox<InitiatorEvent>;
  connections: Map<number, Connection | null>;
  isJoined: boolean;
  isEnding: boolean;
  isOver: boolean;
  /** Of the host's session from which its messages come. */
  ordinal: number | null;
  heard: number;
  sent: number;
  wakeAt: number;
}

interface Node extends Life {
  readonly index: number;
  readonly nodeId: string;
  readonly clockOffsetMs: number;
  /** Counts its lives. */
  generation: number;
}

const FAULTS_END_MS = 12_000;
const QUIET_MS = 8_000;
const CONNECT_MS = 60_000;
/** An attempt to connect that hangs must not outlast the quiet time. */
const LIMITS = { ...DEFAULT_CONTROL_LIMITS, greetingMs: 2000 };
const DIAL_MS = 5;
const HOST_CLOCK_OFFSET_MS = 1_000_000;

export interface Tally {
  joined: number;
  resumed: number;
  messages: number;
  /** Ends by kind, on both sides. */
  readonly ends: Map<string, number>;
}

export class ControlWorld {
  readonly #faults: Faults;
  readonly #agenda = new Agenda();
  readonly #network: Network;
  readonly #wire: Prng;
  readonly #chance: Prng;
  readonly #acceptor: ControlAcceptor;
  readonly #host = new Mailbox<AcceptorEvent>(this.#agenda, (event) => this.#stepHost(event));
  readonly #hostConnections = new Map<number, Connection>();
  readonly #sessions = new Map<string, HostSession>();
  readonly #nodes: Node[] = [];
  readonly #secret: ControlSecret | null;
  readonly tally: Tally = { joined: 0, resumed: 0, messages: 0, ends: new Map() };
  #connectionCount = 0;
  #sessionCount = 0;
  #hostWakeAt = Infinity;
  #areFaultsOver = false;

  constructor(seed: number, faults: Faults) {
    const prng = new Prng(seed ^ 0x5eed);
    this.#faults = faults;
    this.#network = { delayMs: faults.delayMs, isDark: false };
    this.#wire = prng.split();
    this.#chance = prng.split();
    this.#secret = faults.hasSecret ? new ControlSecret(utf8("secret")) : null;
    this.#acceptor = new ControlAcceptor({ ...this.#common(), self: { ...HOST, nodeId: "host" } });
    for (let index = 0; index < faults.nodeCount; index++) {
      const isTwin = faults.hasTwin && index === faults.nodeCount - 1;
      const node: Node = {
        ...{ index, nodeId: `node-${isTwin ? 0 : index}`, clockOffsetMs: this.#chance.below(1_000_000) },
        ...this.#newLife(`node-${isTwin ? 0 : index}`, () => node),
        generation: 0,
      };
      this.#nodes.push(node);
      const { mailbox } = node;
      this.#agenda.at(this.#chance.below(100), () => mailbox.post({ kind: "start" }));
    }
  }

  run(): void {
    const { cutEveryMs, halfCutEveryMs, stallEveryMs, freezeEveryMs, endEveryMs } = this.#faults;
    this.#every(1000 / this.#faults.sendsPerSecond, () => this.#sendSomething());
    this.#every(cutEveryMs, () => {
      const connection = this.#anyConnection();
      if (this.#chance.chance(1, 3)) connection?.cutWithTail(this.#chance.below(100));
      else connection?.cut([this.#soon(), this.#soon()]);
    });
    this.#every(halfCutEveryMs, () => {
      const late = this.#chance.pick([100, 1000, Infinity]);
      this.#anyConnection()?.cut(this.#chance.chance(1, 2) ? [late, this.#soon()] : [this.#soon(), late]);
    });
    this.#every(stallEveryMs, () => {
      const until = this.#agenda.now + this.#chance.pick([50, 250, 1000, 5000]);
      const connection = this.#anyConnection();
      connection?.stall(0, until);
      if (this.#chance.chance(1, 2)) connection?.stall(1, until);
    });
    this.#every(freezeEveryMs, () => this.#freeze(this.#chance.pick([...this.#nodes, null])));
    this.#every(endEveryMs, () => this.#end(this.#chance.pick(this.#nodes), this.#chance.chance(1, 2)));
    this.#agenda.runUntil(FAULTS_END_MS);
    this.#areFaultsOver = true;
    if (this.#faults.endsInDarkness) {
      this.#network.isDark = true;
      // What a frozen machine does not do in time is not its fault.
      this.#agenda.runUntil(FAULTS_END_MS + this.#lastDelay() + this.#silenceBound());
    } else {
      this.#agenda.runUntil(FAULTS_END_MS + QUIET_MS);
    }
    this.#check();
  }

  #check(): void {
    if (this.#network.isDark) {
      assert(this.#sessions.size === 0, "the host still has sessions in the dark");
      const still = this.#nodes.filter(({ isJoined, isOver }) => isJoined && !isOver);
      assert(still.length === 0, "a node still has a session in the dark");
      return;
    }
    for (const node of this.#nodes) {
      const session = this.#sessions.get(node.nodeId);
      assert(!node.isOver, `${name(node)} was not started again`);
      if (!node.isJoined) {
        assert(this.#faults.hasTwin, `${name(node)} never came back`);
        continue;
      }
      assert(session !== undefined, `${name(node)} has a session that the host does not know`);
      assert(node.heard === session.sent, `${name(node)} heard ${node.heard} of ${session.sent}`);
      assert(session.heard === node.sent, `the host heard ${session.heard} of ${node.sent} of ${name(node)}`);
      const offset = HOST_CLOCK_OFFSET_MS - node.clockOffsetMs;
      checkClock(node.initiator.clock, offset);
      checkClock(this.#acceptor.clockOf(node.nodeId), -offset);
    }
  }

  // The host.

  #stepHost(event: AcceptorEvent): void {
    const { now } = this.#agenda;
    for (const effect of this.#acceptor.step(event, now + HOST_CLOCK_OFFSET_MS)) this.#carryOutHost(effect);
    const wakeAt = (this.#acceptor.nextWakeup() ?? Infinity) - HOST_CLOCK_OFFSET_MS;
    if (wakeAt === this.#hostWakeAt || wakeAt === Infinity) return;
    this.#hostWakeAt = wakeAt;
    this.#agenda.at(wakeAt, () => {
      if (this.#hostWakeAt !== wakeAt) return;
      this.#hostWakeAt = Infinity;
      this.#host.post({ kind: "wakeup" });
    });
  }

  #carryOutHost(effect: AcceptorEffect): void {
    switch (effect.kind) {
      case "write":
        this.#hostConnections.get(effect.connection)?.send(1, effect.bytes);
        break;
      case "close":
        this.#hostConnections.get(effect.connection)?.close(1);
        this.#hostConnections.delete(effect.connection);
        break;
      case "joined": {
        const { nodeId } = effect.peer;
        assert(!this.#sessions.has(nodeId), `two sessions for ${nodeId}`);
        this.#sessions.set(nodeId, {
          ordinal: ++this.#sessionCount,
          instance: null,
          heard: 0,
          sent: 0,
          isEnding: false,
        });
        break;
      }
      case "message": {
        const session = this.#sessions.get(effect.nodeId);
        assert(session !== undefined, `a message of ${effect.nodeId}, which has no session`);
        const [instance, number] = textOf(effect.message).split("#");
        session.instance ??= instance!;
        assert(
          session.instance === instance,
          `messages of ${instance} and ${session.instance} in one session`,
        );
        assert(++session.heard === Number(number), `message ${number} came as number ${session.heard}`);
        this.tally.messages++;
        break;
      }
      case "ended": {
        const session = this.#sessions.get(effect.nodeId);
        assert(session !== undefined, `the end of no session of ${effect.nodeId}`);
        this.#sessions.delete(effect.nodeId);
        // A node that ends before it hears its welcome just goes.
        this.#noteEnd(
          effect.end,
          session.isEnding || (session.heard === 0 && this.#faults.endEveryMs < Infinity),
        );
        break;
      }
      case "refused":
      case "resumed":
        break;
      case "outranked":
        throw new Error("outranked by nobody");
    }
  }

  // The nodes.

  #newLife(nodeId: string, node: () => Node): Life {
    const initiator = new ControlInitiator({
      ...this.#common(),
      self: { ...NODE, nodeId },
      connectMs: CONNECT_MS,
      instance: String.fromCharCode(...this.#randomBytes(ID_BYTES)),
      prng: this.#chance.split(),
    });
    const mailbox: Mailbox<InitiatorEvent> = new Mailbox(this.#agenda, (event) => {
      if (node().mailbox === mailbox) this.#stepNode(node(), event);
    });
    return {
      ...{ initiator, mailbox, connections: new Map(), isJoined: false, isEnding: false, isOver: false },
      ...{ ordinal: null, heard: 0, sent: 0, wakeAt: Infinity },
    };
  }

  #stepNode(node: Node, event: InitiatorEvent): void {
    const { now } = this.#agenda;
    for (const effect of node.initiator.step(event, now + node.clockOffsetMs)) {
      this.#carryOutNode(node, effect);
    }
    const wakeAt = (node.initiator.nextWakeup() ?? Infinity) - node.clockOffsetMs;
    if (wakeAt === node.wakeAt || wakeAt === Infinity) return;
    node.wakeAt = wakeAt;
    this.#agenda.at(wakeAt, () => {
      if (node.wakeAt !== wakeAt) return;
      node.wakeAt = Infinity;
      node.mailbox.post({ kind: "wakeup" });
    });
  }

  #carryOutNode(node: Node, effect: InitiatorEffect): void {
    switch (effect.kind) {
      case "connect":
        node.connections.set(effect.connection, null);
        this.#dial(node, effect.connection);
        break;
      case "write":
        node.connections.get(effect.connection)?.send(0, effect.bytes);
        break;
      case "close":
        node.connections.get(effect.connection)?.close(0);
        node.connections.delete(effect.connection);
        break;
      case "joined":
        node.isJoined = true;
        this.tally.joined++;
        break;
      case "resumed":
        this.tally.resumed++;
        break;
      case "message": {
        const [ordinal, number] = textOf(effect.message).split("#").map(Number);
        node.ordinal ??= ordinal!;
        assert(node.ordinal === ordinal, `${name(node)} hears two sessions, ${node.ordinal} and ${ordinal}`);
        assert(++node.heard === number, `${name(node)} hears message ${number} as number ${node.heard}`);
        this.tally.messages++;
        break;
      }
      case "ended":
        node.isOver = true;
        this.#noteEnd(effect.end, node.isEnding);
        if (!this.#network.isDark) this.#agenda.after(this.#chance.below(500), () => this.#startAgain(node));
        break;
      case "attemptFailed":
        break;
    }
  }

  #startAgain(node: Node): void {
    const { frozenUntil } = node.mailbox;
    Object.assign(node, this.#newLife(node.nodeId, () => node));
    node.generation++;
    node.mailbox.freeze(frozenUntil);
    node.mailbox.post({ kind: "start" });
  }

  #dial(node: Node, connection: number): void {
    const { mailbox, connections } = node;
    const fails = !this.#areFaultsOver && this.#faults.dialFaultEveryMs !== Infinity &&
      this.#wire.chance(1, 4);
    if (this.#network.isDark || (fails && this.#wire.chance(1, 3))) return;
    const delay = this.#wire.below(DIAL_MS);
    if (fails) {
      const wasRefused = this.#wire.chance(1, 6);
      const problem = "can't be reached";
      this.#agenda.after(
        delay,
        () => mailbox.post({ kind: "connectFailed", connection, wasRefused, problem }),
      );
      return;
    }
    this.#agenda.after(delay, () => {
      // Given up meanwhile, or the network is gone.
      if (this.#network.isDark || !connections.has(connection)) return;
      const id = ++this.#connectionCount;
      const ends: [End, End] = [
        {
          onBytes: (bytes) => mailbox.post({ kind: "received", connection, bytes }),
          onEnd: () => mailbox.post({ kind: "closed", connection }),
        },
        {
          onBytes: (bytes) => this.#host.post({ kind: "received", connection: id, bytes }),
          onEnd: () => this.#host.post({ kind: "closed", connection: id }),
        },
      ];
      const made = new Connection(this.#agenda, ends, { prng: this.#wire, network: this.#network });
      connections.set(connection, made);
      this.#hostConnections.set(id, made);
      this.#host.post({
        kind: "connected",
        connection: id,
        random: this.#randomBytes(ACCEPTOR_RANDOM_BYTES),
      });
      mailbox.post({ kind: "connected", connection, nonce: this.#randomBytes(NONCE_BYTES) });
    });
  }

  // What happens to them.

  #sendSomething(): void {
    const node = this.#chance.pick(this.#nodes);
    const filler = "x".repeat(this.#chance.below(this.#chance.chance(1, 20) ? 9000 : 20));
    if (this.#chance.chance(1, 2)) {
      const session = this.#sessions.get(node.nodeId);
      if (session === undefined || this.#host.isFrozen) return;
      session.sent++;
      const message = saying(`${session.ordinal}#${session.sent}#${filler}`);
      this.#host.post({ kind: "send", nodeId: node.nodeId, message });
    } else if (!node.isOver && !node.isEnding && !node.mailbox.isFrozen) {
      node.sent++;
      const message = saying(`${node.index}.${node.generation}#${node.sent}#${filler}`);
      node.mailbox.post({ kind: "send", message });
    }
  }

  #freeze(node: Node | null): void {
    const until = this.#agenda.now + this.#chance.pick([100, 500, 4000]);
    (node === null ? this.#host : node.mailbox).freeze(until);
  }

  #end(node: Node, isByHost: boolean): void {
    if (isByHost) {
      const session = this.#sessions.get(node.nodeId);
      if (session !== undefined) session.isEnding = true;
      this.#host.post({ kind: "end", nodeId: node.nodeId });
    } else {
      node.isEnding = true;
      node.mailbox.post({ kind: "end" });
    }
  }

  #anyConnection(): Connection | undefined {
    const open = [...this.#hostConnections.values()].filter(({ isOver }) => !isOver);
    return open.length === 0 ? undefined : this.#chance.pick(open);
  }

  /** Repeats `run` until the faults end, in intervals that vary around `meanMs`. */
  #every(meanMs: number, run: () => void): void {
    if (meanMs === Infinity) return;
    const again = () => {
      if (this.#areFaultsOver) return;
      run();
      this.#agenda.after(1 + this.#chance.below(2 * Math.ceil(meanMs)), again);
    };
    this.#agenda.after(this.#chance.below(2 * Math.ceil(meanMs)), again);
  }

  #noteEnd(end: { readonly kind: string }, wasEnding: boolean): void {
    const { kind } = end;
    this.tally.ends.set(kind, (this.tally.ends.get(kind) ?? 0) + 1);
    assert(
      kind !== "broken" && kind !== "backlogged",
      `a session is ${JSON.stringify(end)} though all keep to the rules`,
    );
    if (!isMild(this.#faults) || this.#network.isDark) return;
    // Who ends a session may lose the answer in a cut, and the other side has no reason to come back.
    const isExplained = kind === "finished" || kind === "goodbye" || (kind === "notResumed" && wasEnding);
    assert(isExplained, `a session is ${kind} though nothing happened to it`);
  }

  #common() {
    const { heartbeat } = this.#faults;
    return { secret: this.#secret, heartbeat, limits: LIMITS };
  }

  #randomBytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#chance.below(256));
  }

  #soon(): number {
    return this.#chance.below(20);
  }

  /** Until what was frozen or under way when the faults ended has come to rest. */
  #lastDelay(): number {
    const frozenUntil = Math.max(
      this.#host.frozenUntil,
      ...this.#nodes.map(({ mailbox }) => mailbox.frozenUntil),
    );
    return Math.max(0, frozenUntil - FAULTS_END_MS) + this.#faults.delayMs;
  }

  /** How long after the last sign of life a session may be there, at most. */
  #silenceBound(): number {
    const { heartbeat: { silenceMs, intervalMs } } = this.#faults;
    const { resumeMs } = LIMITS;
    // A machine that was frozen waits one interval more; a session that was resumed last has its full time.
    return silenceMs + (this.#faults.freezeEveryMs === Infinity ? 0 : intervalMs) + resumeMs * 2;
  }
}

function name(node: Node): string {
  return `node ${node.index} (${node.nodeId})`;
}

function checkClock(clock: ClockEstimate | null, offsetMs: number): void {
  assert(clock !== null, "there is no measurement of a clock");
  const errorMs = Math.abs(clock.offsetMs - offsetMs);
  // A pong carries microseconds.
  assert(errorMs <= clock.errorMs + 0.001, `a clock is ${errorMs} ms off, at most ${clock.errorMs} was said`);
}
