/**
 * The meeting of a job's nodes on sockets: carries out what `rendezvous/fleet_node.ts` decides. As the host it listens
 * at the endpoint, for our own agents' sessions and for store clients; as a guest it has a session with the host, and a
 * port of its own at which it could take over.
 */

import { unreachable } from "../core/assert.ts";
import { SystemError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import type { MeetingPlan } from "../options/launch_plan.ts";
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
import { DEFAULT_CONTROL_LIMITS } from "../store/control_limits.ts";
import type { ControlSecret } from "../store/control_secret.ts";
import {
  ControlLink,
  type ControlLinkEvent,
  ControlServer,
  type ControlServerEvent,
} from "./control_link.ts";
import { allowedRanges } from "./fleet_admission.ts";
import { type FleetHooks, torchrunSign } from "./fleet_hooks.ts";
import type { FleetElection } from "./fleet_election.ts";
import { FleetPort, isClosed } from "./fleet_port.ts";
import { Herald } from "./herald.ts";
import {
  addressText,
  endText,
  heartbeatOf,
  jobSettings,
  linkEnd,
  patience,
  splitAddress,
} from "./fleet_setup.ts";
import { fallbackAddress, isLoopback } from "./local_addresses.ts";
import { Loop, type Machine } from "./loop.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";
import { StatusRelay } from "./status_relay.ts";
import { serveStore, type StoreServer } from "./store_server.ts";
import { sharedWorkerStore, type WorkerStore } from "./worker_store.ts";

type AnyEvent = FleetEvent | ElectedEvent;
type AnyEffect = FleetEffect | ElectedEffect;

export interface FleetParts extends MeetingParts {
  readonly meeting: MeetingPlan;
  readonly secret: ControlSecret | null;
  readonly port: FleetPort | null;
  readonly isLocal: boolean;
  /** Null: torchrun's agents can't take part. */
  readonly hooks: FleetHooks | null;
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
  /** Where it could later, while it still serves at the other. */
  #nextPort: FleetPort | null = null;
  #server: StoreServer | null = null;
  #control: ControlServer | null = null;
  #link: ControlLink | null = null;
  #herald: Herald | null = null;
  readonly #guests = new Set<string>();
  /** torchrun's agents take part. */
  #isShared = false;
  readonly #relay: StatusRelay;

  constructor(parts: FleetParts) {
    this.#parts = parts;
    this.#relay = new StatusRelay({
      own: parts.ownStatus,
      guests: () => this.#control === null ? null : [...this.#guests],
      tellNode: (nodeId, message) => this.#control?.send(nodeId, message),
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
    const server = this.#server;
    return this.#parts.meeting.backend === "static" && server !== null ? sharedWorkerStore(server) : null;
  }

  async close(): Promise<void> {
    await this.#election?.close();
    this.#loop.close();
    this.#herald?.close();
    this.#link?.close();
    this.#control?.close();
    this.#server?.close();
    this.#port?.close();
    this.#nextPort?.close();
  }

  #carryOut(effect: AnyEffect): void {
    switch (effect.kind) {
      case "news":
        return this.#parts.onNews(effect.news);
      case "say":
        return this.#parts.say(effect.level, effect.text);
      case "tell":
        return void this.#control?.send(effect.nodeId, encodeHostMessage(effect.message));
      case "dismiss":
        return void this.#control?.end(effect.nodeId);
      case "judge-job":
        return void this.#judge(effect);
      case "serve":
        return this.#serve(effect.epoch);
      case "stop-serving":
        return this.#stopServing();
      case "open-port":
        return this.#openNextPort();
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
      clockOf: (nodeId) => this.#control?.clockOf(nodeId) ?? null,
      say: this.#parts.say,
    });
    this.#loop.post({ kind: "judged-job", verdict });
  }

  async #probe({ nodeId, address }: Extract<FleetEffect, { kind: "probe" }>): Promise<void> {
    if (await isClosed(address)) this.#loop.post({ kind: "proved-dead", nodeId });
  }

  #identity(epoch: number, hostAddress: string): ControlIdentity {
    const text = settingsText(this.#settings);
    return {
      version: VERSION,
      jobId: this.#settings.jobId,
      nodeId: this.#info.nodeId,
      epoch,
      hostAddress,
      settingsHash: text,
      settingsText: text,
    };
  }

  // As the host.

  #serve(epoch: number): void {
    this.#parts.hooks?.onHost();
    const { secret, say, meeting } = this.#parts;
    const port = this.#port;
    const node = this.#node;
    if (port === null) throw new SystemError("Cannot host the job: this node has no port for it");
    const onLog = (line: string) => say("notice", line);
    this.#control = new ControlServer({
      self: {
        ...this.#identity(0, ""),
        get epoch() {
          return node?.epoch ?? epoch;
        },
      },
      secret,
      heartbeat: heartbeatOf(this.#parts.meeting),
      onEvent: (event) => this.#onServerEvent(event),
      onLog,
    });
    const allowed = allowedRanges(meeting.allowed);
    const isTorchruns = torchrunSign(this.#settings.jobId, meeting.backend === "static");
    const onWrite = (key: string) => isTorchruns(key) ? queueMicrotask(() => this.#shareAsHost()) : undefined;
    this.#server = serveStore(port.take(), { control: this.#control, onLog, allowed, onWrite });
  }

  #openNextPort(): void {
    this.#nextPort = FleetPort.tryListen({ isLocal: this.#parts.isLocal, port: 0 });
    if (this.#nextPort !== null) this.#loop.post({ kind: "port-opened", port: this.#nextPort.port });
  }

  #stopServing(): void {
    this.#herald?.close();
    this.#control?.close();
    this.#server?.close();
    this.#control = null;
    this.#server = null;
    this.#port = this.#nextPort;
    this.#nextPort = null;
  }

  #onServerEvent(event: ControlServerEvent): void {
    const control = this.#control;
    switch (event.kind) {
      case "joined": {
        const { nodeId } = event.peer;
        const { remote, local } = control?.addressesOf(event.connection) ?? { remote: "", local: "" };
        if (isViewer(nodeId)) {
          // Where nobody proves anything, only this machine's own people are told.
          return this.#parts.secret === null && !isLoopback(remote) ? control?.end(nodeId) : undefined;
        }
        if (nodeId === this.#info.nodeId) {
          this.#parts.say("warning", `Another node has this one's name, ${nodeId}; it is sent away`);
          return control?.end(nodeId);
        }
        this.#guests.add(nodeId);
        if (this.#isShared) control?.send(nodeId, encodeHostMessage({ kind: "share" }));
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
      this.#control?.end(nodeId);
    }
  }

  #shareAsHost(): void {
    const server = this.#server;
    if (this.#isShared || server === null || this.#parts.hooks === null) return;
    this.#isShared = true;
    this.#loop.close();
    for (const nodeId of this.#guests) this.#control?.send(nodeId, encodeHostMessage({ kind: "share" }));
    this.#parts.hooks.onShared({ host: "127.0.0.1", port: server.port, service: server });
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
