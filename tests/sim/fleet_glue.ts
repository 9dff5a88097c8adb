/**
 * What `lib/host/fleet.ts`, `control_link.ts` and `herald.ts` do, on the simulated network: the same effects go the same
 * ways, with the real machines at both ends and their bytes between them.
 */

import { unreachable } from "../../lib/core/assert.ts";
import type { Prng } from "../../lib/core/prng.ts";
import { endText } from "../../lib/host/fleet_setup.ts";
import { HERALD_CALL_MS, HERALD_PAUSE_MS } from "../../lib/host/herald.ts";
import type { Begun, CensusChange } from "../../lib/rendezvous/census.ts";
import type { FleetEffect, FleetEvent } from "../../lib/rendezvous/fleet_events.ts";
import { FleetNode } from "../../lib/rendezvous/fleet_node.ts";
import type { MeetingNews, MeetingRequest } from "../../lib/rendezvous/meeting.ts";
import {
  decodeHostMessage,
  decodeNodeMessage,
  encodeHostMessage,
  encodeNodeMessage,
  type HostMessage,
} from "../../lib/rendezvous/message_codec.ts";
import type { NodeInfo } from "../../lib/rendezvous/ranks.ts";
import { type JobSettings, settingsText } from "../../lib/rendezvous/settings.ts";
import { addressText } from "../../lib/rendezvous/standby.ts";
import {
  ACCEPTOR_RANDOM_BYTES,
  type AcceptorEffect,
  type AcceptorEvent,
  ControlAcceptor,
} from "../../lib/store/control_acceptor.ts";
import type { HeartbeatSettings } from "../../lib/store/control_heartbeat.ts";
import type { ControlIdentity } from "../../lib/store/control_identity.ts";
import {
  ControlInitiator,
  type InitiatorEffect,
  type InitiatorEvent,
} from "../../lib/store/control_initiator.ts";
import { DEFAULT_CONTROL_LIMITS } from "../../lib/store/control_limits.ts";
import { ID_BYTES, NONCE_BYTES } from "../../lib/store/control_wire.ts";
import { assert } from "../../lib/core/assert.ts";
import type { FleetNetwork, Pipe, Port } from "./fleet_network.ts";
import { SimLoop, type SimProcess } from "./fleet_process.ts";

/** What a process is as a host; a new one for each time that it begins to host. */
export interface Hosting {
  readonly id: number;
  readonly process: SimProcess;
  /** As it is now: it changes when a round is formed. */
  readonly epoch: number;
  /** A job's hosts, each of which took over from another of them, have one; who begins anew has another. */
  readonly lineage: number;
  readonly isTakeover: boolean;
  /** Node ids of those who have a session with it. */
  readonly guests: ReadonlySet<string>;
}

export interface GlueParts {
  readonly process: SimProcess;
  readonly network: FleetNetwork;
  readonly prng: Prng;
  readonly settings: JobSettings;
  readonly info: NodeInfo;
  readonly endpoints: readonly string[];
  readonly heartbeat: HeartbeatSettings;
  /** So long a node takes at most to end its workers. */
  readonly stopMs: number;
  readonly port: Port | null;
  /** What is on the disk of the endpoint's machine. */
  readonly begun: Begun;
  readonly onCensus: (change: CensusChange) => void;
  readonly openPort: () => Port;
  readonly hostings: Hosting[];
  readonly onNews: (news: MeetingNews, hosting: Hosting | null) => void;
  readonly onSay: (text: string) => void;
  /** What a host hears, before its node does. */
  readonly onHostEvent: (hosting: Hosting, event: FleetEvent) => void;
  readonly onHostEffect: (hosting: Hosting, effect: FleetEffect) => void;
}

export class SimFleet {
  readonly #parts: GlueParts;
  readonly #node: FleetNode;
  readonly #loop: SimLoop<FleetEvent, FleetEffect>;
  #server: Server | null = null;
  readonly #signposts: Server[] = [];
  readonly #strays = new Map<string, string>();
  #link: Link | null = null;
  #herald: { readonly links: Set<Link>; isClosed: boolean } | null = null;
  #hosting: Hosting | null = null;
  #role: "host" | "guest" = "guest";
  #port: Port | null;
  readonly #guests = new Set<string>();
  /** Of the host that this node is or was a guest of. */
  #lastHosting: Hosting | null = null;
  #isLinked = false;

  constructor(parts: GlueParts) {
    const { settings, info, endpoints, process } = parts;
    this.#parts = parts;
    this.#port = parts.port;
    this.#node = new FleetNode({
      settings,
      silenceMs: parts.heartbeat.silenceMs,
      stopMs: parts.stopMs,
      info,
      candidates: endpoints,
      selfAddress: null,
      fallbackAddress: process.machine,
      begun: parts.begun,
    });
    this.#loop = new SimLoop(process, this.#node, (effect) => this.#carryOut(effect), (event) => {
      if (this.#hosting !== null) parts.onHostEvent(this.#hosting, event);
    });
  }

  start(role: "host" | "guest"): void {
    this.#role = role;
    this.#loop.post({ kind: "start", role });
  }

  request(request: MeetingRequest): void {
    this.#loop.post({ kind: "request", request });
  }

  get hosting(): Hosting | null {
    return this.#hosting;
  }

  /** The host that it is, or has a session with. */
  get meets(): Hosting | null {
    return this.#hosting ?? (this.#isLinked ? this.#lastHosting : null);
  }

  /** It is or was a host, or a guest of one. */
  get hasMet(): boolean {
    return this.#hosting !== null || this.#lastHosting !== null;
  }

  close(): void {
    this.#loop.close();
    this.#closeHerald();
    this.#link?.close();
    this.#server?.close();
    for (const signpost of this.#signposts) signpost.close();
    if (this.#port !== null) this.#parts.network.unlisten(this.#port);
  }

  #carryOut(effect: FleetEffect): void {
    if (this.#hosting !== null) this.#parts.onHostEffect(this.#hosting, effect);
    switch (effect.kind) {
      case "news":
        return this.#parts.onNews(effect.news, this.#hosting ?? this.#lastHosting);
      case "say":
        return this.#parts.onSay(effect.text);
      case "tell":
        this.#server?.loop.post({
          kind: "send",
          nodeId: effect.nodeId,
          message: encodeHostMessage(effect.message),
        });
        return;
      case "dismiss":
        this.#server?.loop.post({ kind: "end", nodeId: effect.nodeId });
        return;
      case "judge-job": {
        const verdict = this.#parts.prng.chance(1, 5) ? null : new Uint8Array([1]);
        return this.#parts.process.after(
          this.#parts.prng.below(30),
          () => this.#loop.post({ kind: "judged-job", verdict }),
        );
      }
      case "serve":
        return this.#serve(effect.epoch);
      case "step-down":
        return this.#stepDown();
      case "redirect": {
        const { nodeId, address } = effect;
        const standbys = address === null ? [] : [{ nodeId: "", address }];
        const message: HostMessage = { kind: "standbys", standbys };
        for (const { loop } of this.#signposts) {
          loop.post({ kind: "send", nodeId, message: encodeHostMessage(message) });
          loop.post({ kind: "end", nodeId });
        }
        return;
      }
      case "census":
        return this.#parts.onCensus(effect.change);
      case "open-port": {
        const port = this.#port = this.#parts.openPort();
        return this.#loop.post({ kind: "port-opened", port: Number(port.address.split(":")[1]) });
      }
      case "herald":
        this.#herald = { links: new Set(), isClosed: false };
        for (const address of effect.addresses) {
          if (address !== effect.ownAddress) this.#call(address, effect.ownAddress);
        }
        return;
      case "connect":
        return this.#connect(effect.address, effect.connectMs);
      case "send":
        this.#link?.loop.post({ kind: "send", message: encodeNodeMessage(effect.message) });
        return;
      case "hang-up":
        this.#link?.loop.post({ kind: "end" });
        return;
      case "probe": {
        const { network, process } = this.#parts;
        return network.dial(process, effect.address, (answer) => {
          if (answer === "refused") {
            process.post(() => this.#loop.post({ kind: "proved-dead", nodeId: effect.nodeId }));
          } else answer.close(0);
          return false;
        });
      }
      case "drop-link":
        this.#link?.close();
        this.#link = null;
        return;
      default:
        return unreachable(effect);
    }
  }

  #identity(epoch: number, hostAddress: string): ControlIdentity {
    const { settings, info } = this.#parts;
    const text = settingsText(settings);
    return {
      ...{ version: "1", jobId: settings.jobId, nodeId: info.nodeId, epoch, hostAddress },
      ...{ settingsHash: text, settingsText: text },
    };
  }

  // As the host.

  #serve(epoch: number): void {
    const { process, hostings } = this.#parts;
    const port = this.#port;
    assert(port !== null && !port.isTaken, "a node hosts without a port, or a second time at the same");
    port.isTaken = true;
    const node = this.#node;
    const lineage = this.#role === "host" ? hostings.length : this.#lastHosting!.lineage;
    this.#role = "guest";
    this.#hosting = {
      ...{ id: hostings.length, process, lineage, isTakeover: lineage !== hostings.length },
      guests: this.#guests,
      get epoch() {
        return node.epoch;
      },
    };
    hostings.push(this.#hosting);
    const isHost = () => this.#server === server;
    const self = {
      ...this.#identity(epoch, ""),
      get epoch() {
        return isHost() ? node.epoch : 0;
      },
    };
    const server: Server = this.#server = new Server(this.#parts, self, port, (event, pipe) => {
      if (isHost() || event.kind === "outranked") this.#onServerEvent(event, pipe);
      else this.#onStray(event, pipe);
    });
    port.serve((pipe) => server.adopt(pipe));
  }

  #onStray(event: AcceptorEffect, pipe: Pipe | undefined): void {
    if (event.kind === "joined") {
      const { nodeId } = event.peer;
      this.#strays.set(nodeId, pipe!.sides[0].process.machine);
      return this.#loop.post({ kind: "strayed", nodeId, address: null, isFresh: false });
    }
    if (event.kind !== "message") return;
    const { nodeId, message } = event;
    const machine = this.#strays.get(nodeId), said = decodeNodeMessage(message);
    // Others had a session with the host that this node was until now.
    if (machine === undefined || said?.kind !== "join" || said.info.standbyPort === null) return;
    const { info: { standbyPort }, isFresh } = said;
    this.#loop.post({ kind: "strayed", nodeId, address: addressText(machine, standbyPort), isFresh });
  }

  #stepDown(): void {
    this.#closeHerald();
    const server = this.#server!;
    this.#signposts.push(server);
    this.#server = null;
    this.#hosting = null;
    this.#guests.clear();
    this.#port = null;
  }

  #onServerEvent(event: AcceptorEffect, pipe: Pipe | undefined): void {
    switch (event.kind) {
      case "joined": {
        const { nodeId } = event.peer;
        if (nodeId === this.#parts.info.nodeId) return this.#server?.loop.post({ kind: "end", nodeId });
        this.#guests.add(nodeId);
        const [from, to] = pipe!.sides;
        return this.#loop.post({
          ...{ kind: "arrived", nodeId },
          ...{ address: from.process.machine, hostAddress: to.process.machine },
        });
      }
      case "message": {
        const message = decodeNodeMessage(event.message);
        if (message !== null) this.#loop.post({ kind: "said", nodeId: event.nodeId, message });
        return;
      }
      case "ended":
        this.#guests.delete(event.nodeId);
        return this.#loop.post({
          kind: "gone",
          nodeId: event.nodeId,
          inOrder: event.end.kind === "finished" || event.end.kind === "goodbye",
          text: endText(event.end),
          quietMs: 300,
        });
      case "outranked":
        return this.#loop.post(event);
    }
  }

  #closeHerald(): void {
    if (this.#herald === null) return;
    this.#herald.isClosed = true;
    for (const link of this.#herald.links) link.close();
    this.#herald = null;
  }

  #call(address: string, ownAddress: string): void {
    const herald = this.#herald;
    if (herald === null || herald.isClosed) return;
    const { process } = this.#parts;
    const identity = this.#identity(this.#node.epoch, ownAddress);
    const self = { ...identity, nodeId: `${identity.nodeId} (herald)` };
    const link: Link = new Link(this.#parts, { self, address, connectMs: HERALD_CALL_MS }, (event) => {
      if (event.kind !== "joined" && event.kind !== "ended") return;
      if (event.kind === "ended" && event.end.kind === "refused") {
        const { reason, epoch, hostAddress } = event.end.refusal;
        if (reason === "epochIsOld") {
          this.#loop.post({
            kind: "outranked",
            epoch,
            hostAddress: hostAddress === "" ? address : hostAddress,
          });
        }
      }
      if (!herald.links.delete(link)) return;
      link.close();
      process.after(HERALD_PAUSE_MS, () => this.#call(address, ownAddress), "wakeup");
    });
    herald.links.add(link);
    link.loop.post({ kind: "start" });
  }

  // As a guest.

  #connect(address: string, connectMs: number): void {
    this.#link?.close();
    this.#isLinked = false;
    const link: Link = new Link(
      this.#parts,
      { self: this.#identity(0, ""), address, connectMs },
      (event) => {
        if (link === this.#link) this.#onLinkEvent(link, event);
      },
    );
    this.#link = link;
    link.loop.post({ kind: "start" });
  }

  #onLinkEvent(link: Link, event: InitiatorEffect): void {
    switch (event.kind) {
      case "attemptFailed":
        return this.#loop.post({ kind: "link-failed", problem: event.problem });
      case "joined": {
        this.#isLinked = true;
        const { epoch, nodeId } = event.host;
        this.#lastHosting = this.#parts.hostings.findLast((hosting) => hosting.process === link.peer)!;
        return this.#loop.post({ kind: "linked", epoch, hostId: nodeId });
      }
      case "message": {
        const message = decodeHostMessage(event.message);
        if (message !== null && message.kind !== "share") this.#loop.post({ kind: "heard", message });
        return;
      }
      case "ended": {
        this.#isLinked = false;
        const { end } = event;
        const kind = end.kind === "hostIsGone"
          ? "dead"
          : end.kind === "refused" || end.kind === "unreachable"
          ? end.kind
          : "lost";
        return this.#loop.post({ kind: "link-ended", end: { kind, text: endText(end) } });
      }
    }
  }
}

/** As `ControlServer`. */
class Server {
  readonly loop: SimLoop<AcceptorEvent, AcceptorEffect>;
  readonly #parts: GlueParts;
  readonly #port: Port;
  readonly #pipes = new Map<number, Pipe>();
  #count = 0;

  constructor(
    parts: GlueParts,
    self: ControlIdentity,
    port: Port,
    onEvent: (event: AcceptorEffect, pipe: Pipe | undefined) => void,
  ) {
    this.#parts = parts;
    this.#port = port;
    const { heartbeat, process } = parts;
    const acceptor = new ControlAcceptor({ self, secret: null, heartbeat, limits: DEFAULT_CONTROL_LIMITS });
    this.loop = new SimLoop(process, acceptor, (effect) => {
      if (effect.kind === "write") this.#pipes.get(effect.connection)?.send(1, effect.bytes);
      else if (effect.kind === "close") {
        this.#pipes.get(effect.connection)?.close(1);
        this.#pipes.delete(effect.connection);
      } else onEvent(effect, effect.kind === "joined" ? this.#pipes.get(effect.connection) : undefined);
    });
  }

  adopt(pipe: Pipe): void {
    const { process, prng } = this.#parts;
    const connection = ++this.#count;
    const side = pipe.sides[1];
    this.#pipes.set(connection, pipe);
    side.onBytes = (bytes) => process.post(() => this.loop.post({ kind: "received", connection, bytes }));
    side.onEnd = () => process.post(() => this.loop.post({ kind: "closed", connection }));
    const random = randomBytes(prng, ACCEPTOR_RANDOM_BYTES);
    process.post(() => this.loop.post({ kind: "connected", connection, random }));
  }

  close(): void {
    this.loop.close();
    this.#parts.network.unlisten(this.#port);
    for (const pipe of this.#pipes.values()) pipe.close(1);
  }
}

/** As `ControlLink`. */
class Link {
  readonly loop: SimLoop<InitiatorEvent, InitiatorEffect>;
  readonly #parts: GlueParts;
  readonly #pipes = new Map<number, Pipe | null>();
  /** Who answered last. */
  peer: SimProcess | null = null;

  constructor(
    parts: GlueParts,
    { self, address, connectMs }: { self: ControlIdentity; address: string; connectMs: number },
    onEvent: (event: InitiatorEffect) => void,
  ) {
    this.#parts = parts;
    const { heartbeat, process, prng } = parts;
    const initiator = new ControlInitiator({
      ...{ self, secret: null, heartbeat, limits: DEFAULT_CONTROL_LIMITS, connectMs },
      instance: String.fromCharCode(...randomBytes(prng, ID_BYTES)),
      prng: prng.split(),
    });
    this.loop = new SimLoop(process, initiator, (effect) => {
      if (effect.kind === "connect") this.#dial(effect.connection, address);
      else if (effect.kind === "write") this.#pipes.get(effect.connection)?.send(0, effect.bytes);
      else if (effect.kind === "close") {
        this.#pipes.get(effect.connection)?.close(0);
        this.#pipes.delete(effect.connection);
      } else onEvent(effect);
    });
  }

  close(): void {
    this.loop.close();
    for (const pipe of this.#pipes.values()) pipe?.close(0);
    this.#pipes.clear();
  }

  #dial(connection: number, address: string): void {
    const { network, process, prng } = this.#parts;
    this.#pipes.set(connection, null);
    network.dial(process, address, (answer) => {
      if (!this.#pipes.has(connection)) return false;
      if (answer === "refused") {
        const problem = "can't be reached: connection refused";
        process.post(() => this.loop.post({ kind: "connectFailed", connection, wasRefused: true, problem }));
        return false;
      }
      this.#pipes.set(connection, answer);
      this.peer = answer.sides[1].process;
      const side = answer.sides[0];
      side.onBytes = (bytes) => process.post(() => this.loop.post({ kind: "received", connection, bytes }));
      side.onEnd = () => process.post(() => this.loop.post({ kind: "closed", connection }));
      const nonce = randomBytes(prng, NONCE_BYTES);
      process.post(() => this.loop.post({ kind: "connected", connection, nonce }));
      return true;
    });
  }
}

function randomBytes(prng: Prng, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => prng.below(256));
}
