/**
 * The meeting of a job's nodes on sockets: carries out what `rendezvous/fleet_node.ts` decides. As the host it listens
 * at the endpoint, for our own agents' sessions and for store clients; as a guest it has a session with the host, and a
 * port of its own at which it could take over.
 */

import { assertDefined, unreachable } from "../core/assert.ts";
import { SystemError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import type { MeetingPlan } from "../options/launch_plan.ts";
import { NEVER_BEGUN } from "../rendezvous/census.ts";
import type { ElectedEffect, ElectedEvent } from "../rendezvous/elected_events.ts";
import { ElectedNode } from "../rendezvous/elected_node.ts";
import { FleetNode } from "../rendezvous/fleet_node.ts";
import type { FleetEffect, FleetEvent } from "../rendezvous/fleet_events.ts";
import { MessageError } from "../core/json_fields.ts";
import {
  decodeHostMessage,
  decodeNodeMessage,
  encodeHostMessage,
  encodeNodeMessage,
} from "../rendezvous/message_codec.ts";
import type { NodeInfo } from "../rendezvous/ranks.ts";
import { type JobSettings, settingsText } from "../rendezvous/settings.ts";
import { type ControlIdentity, isViewer } from "../store/control_identity.ts";
import { addressText } from "../rendezvous/standby.ts";
import { DEFAULT_CONTROL_LIMITS } from "../store/control_limits.ts";
import type { ControlSecret } from "../store/control_secret.ts";
import type { CensusFile } from "./census_file.ts";
import {
  ControlLink,
  type ControlLinkEvent,
  type ControlServer,
  type ControlServerEvent,
} from "./control_link.ts";
import type { FleetHooks } from "./fleet_hooks.ts";
import type { FleetElection } from "./fleet_election.ts";
import { FleetPort, isClosed } from "./fleet_port.ts";
import { Herald } from "./herald.ts";
import { endText, heartbeatOf, jobSettings, linkEnd, patience, splitAddress } from "./fleet_setup.ts";
import { HostServer } from "./host_server.ts";
import { fallbackAddress, isLoopback } from "./local_addresses.ts";
import { Loop, type Machine } from "./loop.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";
import { StatusRelay } from "./status_relay.ts";
import { sharedWorkerStore, type WorkerStore } from "./worker_store.ts";

/** A node that has yielded so often stands by no more: its every port stays open, since that shows that it lives. */
const HOSTINGS_MAX = 16;

type AnyEvent = FleetEvent | ElectedEvent;
type AnyEffect = FleetEffect | ElectedEffect;

export interface FleetParts extends MeetingParts {
  readonly meeting: MeetingPlan;
  readonly secret: ControlSecret | null;
  readonly port: FleetPort | null;
  readonly isLocal: boolean;
  /** Null: torchrun's agents can't take part. */
  readonly hooks: FleetHooks | null;
  /** Null: the job can't be begun here, or is for one node. */
  readonly census: CensusFile | null;
}

export class Fleet implements Meeting {
  readonly #parts: FleetParts;
  readonly #settings: JobSettings;
  #loop!: Loop<AnyEvent, AnyEffect>;
  #node: FleetNode | null = null;
  #election: FleetElection | null = null;
  #info!: NodeInfo;
  /** Where this node hosts or could; null: it can't. */
  #port: FleetPort | null;
  #host: HostServer | null = null;
  /** Where it hosted, since another does. */
  readonly #signposts: HostServer[] = [];
  #link: ControlLink | null = null;
  #herald: Herald | null = null;
  readonly #guests = new Set<string>();
  /** torchrun's agents take part. */
  #isShared = false;
  readonly #closing = new AbortController();
  readonly #relay: StatusRelay;

  constructor(parts: FleetParts) {
    this.#parts = parts;
    this.#relay = new StatusRelay({
      own: parts.ownStatus,
      guests: () => this.#host === null ? null : [...this.#guests],
      tellNode: (nodeId, message) => this.#host?.control.send(nodeId, message),
      tellHost: (message) => this.#link?.send(message),
    });
    this.#port = parts.port;
    this.#settings = jobSettings(parts.plan, parts.meeting);
  }

  start(role: "host" | "guest", info: NodeInfo): void {
    const { meeting } = this.#parts;
    const endpoint = meeting.endpoints[0]!;
    const isStatic = meeting.backend === "static";
    this.#info = info;
    const node = this.#node = new FleetNode({
      settings: this.#settings,
      info,
      ...patience(this.#parts.plan, meeting),
      candidates: meeting.endpoints.map(({ host, port }) => addressText(host, port)),
      selfAddress: meeting.localAddress ?? (isStatic ? endpoint.host : null),
      fallbackAddress: fallbackAddress(endpoint.host),
      begun: this.#parts.census?.begun ?? NEVER_BEGUN,
    });
    this.#loop = this.#drive(node);
    this.#loop.post({ kind: "start", role });
  }

  /** As `start`, where `election` decides who hosts. */
  startElected(info: NodeInfo, election: FleetElection): void {
    const { electorate, selfAddress } = election;
    this.#info = info;
    this.#election = election;
    const { plan, meeting } = this.#parts;
    this.#loop = this.#drive(
      new ElectedNode({
        ...{ settings: this.#settings, info, electorate, selfAddress, fallbackAddress: selfAddress },
        ...patience(plan, meeting),
      }),
    );
    this.#loop.post({ kind: "start" });
  }

  #drive(node: Machine<AnyEvent, AnyEffect>): Loop<AnyEvent, AnyEffect> {
    return new Loop(node, { kind: "wakeup" }, (effect) => this.#carryOut(effect), this.#parts.observe);
  }

  /** What the election decided. */
  tell(event: ElectedEvent): void {
    this.#loop.post(event);
  }

  /** The port at which this node would host, which is opened once it may come to that. @throws {SystemError} */
  openPort(): number {
    this.#port ??= FleetPort.tryListen({ isLocal: this.#parts.isLocal, port: 0 });
    if (this.#port === null) throw new SystemError("Cannot host the job: no port is free");
    return this.#port.port;
  }

  request(request: Parameters<Meeting["request"]>[0]): void {
    this.#loop.post({ kind: "request", request });
  }

  readonly status: StatusRelay["status"] = (request) => this.#relay.status(request);

  /** With static rendezvous the workers meet where the agents do. */
  get workerStore(): WorkerStore | null {
    const host = this.#host;
    return this.#parts.meeting.backend === "static" && host !== null ? sharedWorkerStore(host.store) : null;
  }

  async close(): Promise<void> {
    await this.#election?.close();
    this.#loop.close();
    this.#closing.abort();
    this.#herald?.close();
    this.#link?.close();
    this.#host?.close();
    for (const signpost of this.#signposts) signpost.close();
    this.#port?.close();
    this.#parts.census?.close();
  }

  #carryOut(effect: AnyEffect): void {
    switch (effect.kind) {
      case "news":
        return this.#parts.onNews(effect.news);
      case "say":
        return this.#parts.say(effect.level, effect.text);
      case "tell":
        return void this.#host?.control.send(effect.nodeId, encodeHostMessage(effect.message));
      case "dismiss":
        return void this.#host?.control.end(effect.nodeId);
      case "judge-job":
        return void this.#judge(effect);
      case "serve":
        return this.#serve(effect.epoch);
      case "step-down":
        return this.#stepDown();
      case "redirect":
        return this.#signposts.forEach((one) => one.redirect(effect.nodeId, effect.address));
      case "census":
        return this.#parts.census?.note(effect.change);
      case "stop-serving":
        return this.#stopServing();
      case "open-port":
        return this.#openAnotherPort();
      case "herald":
        return this.#sendHerald(effect);
      case "connect":
        return this.#connect(effect.address, effect.connectMs);
      case "send":
        return void this.#link?.send(encodeNodeMessage(effect.message));
      case "hang-up":
        return void this.#link?.end();
      case "probe":
        return void this.#probe(effect);
      case "drop-link":
        this.#link?.close();
        this.#link = null;
        return;
      case "stand":
      case "save":
      case "host-lost":
      case "resign":
        return this.#election?.carryOut(effect);
      default:
        return unreachable(effect);
    }
  }

  async #judge(round: Extract<FleetEffect, { kind: "judge-job" }>): Promise<void> {
    const { judgeRound } = await import("./judge_job.ts");
    const verdict = judgeRound(round, {
      selfId: this.#info.nodeId,
      clockOf: (nodeId) => this.#host?.control.clockOf(nodeId) ?? null,
      say: this.#parts.say,
    });
    this.#loop.post({ kind: "judged-job", verdict });
  }

  async #probe({ nodeId, address }: Extract<FleetEffect, { kind: "probe" }>): Promise<void> {
    if (await isClosed(address, this.#closing.signal)) this.#loop.post({ kind: "proved-dead", nodeId });
  }

  #identity(epoch: number, hostAddress: string): ControlIdentity {
    const text = settingsText(this.#settings);
    return {
      ...{ version: VERSION, jobId: this.#settings.jobId, nodeId: this.#info.nodeId, epoch, hostAddress },
      ...{ settingsHash: text, settingsText: text },
    };
  }

  // As the host.

  #serve(epoch: number): void {
    const { secret, say, meeting, hooks } = this.#parts;
    hooks?.onHost();
    const port = this.#port;
    if (port === null) throw new SystemError("Cannot host the job: this node has no port for it");
    this.#host = new HostServer({
      ...{ port, secret, meeting, self: this.#identity(0, "") },
      epoch: () => this.#node?.epoch ?? epoch,
      onEvent: (event, control) => this.#onServerEvent(event, control),
      onStray: (node, isFresh) => this.#loop.post({ kind: "strayed", ...node, isFresh }),
      onWrite: (key) => hooks?.isSign(key) ? queueMicrotask(() => this.#shareAsHost()) : undefined,
      onLog: (line) => say("notice", line),
    });
  }

  #openAnotherPort(): void {
    if (this.#signposts.length >= HOSTINGS_MAX) return;
    this.#port = FleetPort.tryListen({ isLocal: this.#parts.isLocal, port: 0 });
    if (this.#port !== null) this.#loop.post({ kind: "port-opened", port: this.#port.port });
  }

  #stopServing(): void {
    this.#herald?.close();
    this.#host?.close();
    this.#host = null;
    this.#port = null;
  }

  #stepDown(): void {
    const host = assertDefined(this.#host ?? undefined);
    host.becomeSignpost();
    this.#signposts.push(host);
    this.#host = null;
    this.#stopServing();
  }

  #onServerEvent(event: ControlServerEvent, control: ControlServer): void {
    switch (event.kind) {
      case "joined": {
        const { nodeId } = event.peer;
        const { remote, local } = control.addressesOf(event.connection);
        if (isViewer(nodeId)) {
          // Where nobody proves anything, only this machine's own people are told.
          return this.#parts.secret === null && !isLoopback(remote) ? control.end(nodeId) : undefined;
        }
        this.#guests.add(nodeId);
        if (this.#isShared) control.send(nodeId, encodeHostMessage({ kind: "share" }));
        return this.#loop.post({ kind: "arrived", nodeId, address: remote, hostAddress: local });
      }
      case "resumed":
        return;
      case "message":
        return this.#hearNode(event.nodeId, event.message);
      case "ended":
        if (isViewer(event.nodeId)) return;
        this.#guests.delete(event.nodeId);
        return this.#loop.post({
          kind: "gone",
          nodeId: event.nodeId,
          inOrder: event.end.kind === "finished" || event.end.kind === "goodbye",
          text: endText(event.end),
          quietMs: event.end.kind === "silent"
            ? heartbeatOf(this.#parts.meeting).silenceMs
            : DEFAULT_CONTROL_LIMITS.resumeMs,
        });
      case "outranked":
        return this.#loop.post(event);
      default:
        return unreachable(event);
    }
  }

  #hearNode(nodeId: string, message: Extract<ControlServerEvent, { kind: "message" }>["message"]): void {
    if (this.#relay.hearNode(nodeId, message) || isViewer(nodeId)) return;
    try {
      const said = decodeNodeMessage(message);
      if (said !== null) this.#loop.post({ kind: "said", nodeId, message: said });
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      this.#parts.say("warning", `Node ${nodeId} is sent away: it ${error.message}`);
      this.#host?.control.end(nodeId);
    }
  }

  #shareAsHost(): void {
    const host = this.#host;
    if (this.#isShared || host === null || this.#parts.hooks === null) return;
    this.#isShared = true;
    this.#loop.close();
    for (const nodeId of this.#guests) host.control.send(nodeId, encodeHostMessage({ kind: "share" }));
    // Nobody takes over from a host of torchrun's agents.
    this.#parts.census?.note({ kind: "clear" });
    this.#parts.hooks.onShared({ host: host.store.host, port: host.store.port, service: host.store });
  }

  #sendHerald({ addresses, ownAddress }: Extract<FleetEffect, { kind: "herald" }>): void {
    const nodeId = `${this.#info.nodeId} (herald)`;
    this.#herald = new Herald({
      addresses: addresses.filter((address) => address !== ownAddress),
      self: () => ({ ...this.#identity(this.#node?.epoch ?? 0, ownAddress), nodeId }),
      secret: this.#parts.secret,
      heartbeat: heartbeatOf(this.#parts.meeting),
      onOutranked: (epoch, hostAddress) => this.#loop.post({ kind: "outranked", epoch, hostAddress }),
    });
  }

  // As a guest.

  #connect(address: string, connectMs: number): void {
    this.#link?.close();
    const { host, port } = splitAddress(address);
    const link: ControlLink = new ControlLink({
      self: this.#identity(0, ""),
      secret: this.#parts.secret,
      heartbeat: heartbeatOf(this.#parts.meeting),
      host,
      port,
      connectMs,
      // What a link that was replaced still has to say means nothing.
      onEvent: (event) => link === this.#link ? this.#onLinkEvent(event, { host, port }) : undefined,
    });
    this.#link = link;
  }

  #onLinkEvent(event: ControlLinkEvent, link: { readonly host: string; readonly port: number }): void {
    switch (event.kind) {
      case "attemptFailed":
        return this.#loop.post({ kind: "link-failed", problem: event.problem });
      case "joined":
        this.#parts.hooks?.onHost();
        return this.#loop.post({ kind: "linked", epoch: event.host.epoch, hostId: event.host.nodeId });
      case "resumed":
        return;
      case "message": {
        if (this.#relay.hearHost(event.message)) return;
        try {
          const message = decodeHostMessage(event.message);
          if (message?.kind === "share") return this.#parts.hooks?.onShared({ ...link, service: null });
          if (message !== null) this.#loop.post({ kind: "heard", message });
        } catch (error) {
          if (!(error instanceof MessageError)) throw error;
          this.#link?.close();
          this.#loop.post({ kind: "link-ended", end: { kind: "lost", text: error.message } });
        }
        return;
      }
      case "ended":
        return this.#loop.post({ kind: "link-ended", end: linkEnd(event.end) });
      default:
        return unreachable(event);
    }
  }
}
