/**
 * The port at which a node hosts the job: sessions of our own agents there, and clients of the store. When another node
 * hosts the job it is a signpost: newcomers, who know no other place, are sent on.
 */

import { MessageError } from "../core/json_fields.ts";
import type { MeetingPlan } from "../options/launch_plan.ts";
import type { KnownNode } from "../rendezvous/census.ts";
import { decodeNodeMessage, encodeHostMessage } from "../rendezvous/message_codec.ts";
import { addressText } from "../rendezvous/standby.ts";
import { type ControlIdentity, isViewer } from "../store/control_identity.ts";
import type { ControlMessage } from "../store/control_session.ts";
import type { ControlSecret } from "../store/control_secret.ts";
import type { Key } from "../store/wire.ts";
import { ControlServer, type ControlServerEvent } from "./control_link.ts";
import { allowedRanges } from "./fleet_admission.ts";
import type { FleetPort } from "./fleet_port.ts";
import { heartbeatOf } from "./fleet_setup.ts";
import { serveStore, type StoreServer } from "./store_server.ts";

export interface HostServerOptions {
  readonly port: FleetPort;
  readonly self: ControlIdentity;
  /** As it is now. */
  readonly epoch: () => number;
  readonly secret: ControlSecret | null;
  readonly meeting: MeetingPlan;
  readonly onEvent: (event: ControlServerEvent, control: ControlServer) => void;
  /** A node came to the signpost (`FleetEvent`, "strayed"). */
  readonly onStray: (node: KnownNode, isFresh: boolean) => void;
  readonly onWrite: (key: Key) => void;
  /** One line for each connection that is turned away. */
  readonly onLog: (line: string) => void;
}

export class HostServer {
  readonly control: ControlServer;
  readonly store: StoreServer;
  readonly #options: HostServerOptions;
  #isSignpost = false;
  /** Where they come from. */
  readonly #strays = new Map<string, string>();

  constructor(options: HostServerOptions) {
    this.#options = options;
    const { port, self, secret, meeting, onWrite, onLog } = options;
    const epochNow = () => this.#isSignpost ? 0 : options.epoch();
    this.control = new ControlServer({
      ...{ secret, heartbeat: heartbeatOf(meeting), onLog },
      self: {
        ...self,
        // A signpost outranks nobody.
        get epoch() {
          return epochNow();
        },
      },
      onEvent: (event) => this.#onEvent(event),
    });
    const allowed = allowedRanges(meeting.allowed);
    this.store = serveStore(port.take(), { control: this.control, onLog, allowed, onWrite });
  }

  becomeSignpost(): void {
    this.#isSignpost = true;
  }

  /** Sends one who has strayed to the host at `address`; null: only away. */
  redirect(nodeId: string, address: string | null): void {
    const standbys = address === null ? [] : [{ nodeId: "", address }];
    this.control.send(nodeId, encodeHostMessage({ kind: "standbys", standbys }));
    this.control.end(nodeId);
    this.#strays.delete(nodeId);
  }

  close(): void {
    this.control.close();
    this.store.close();
  }

  #onEvent(event: ControlServerEvent): void {
    if (!this.#isSignpost || event.kind === "outranked") return this.#options.onEvent(event, this.control);
    if (event.kind === "message") return this.#hearStray(event.nodeId, event.message);
    if (event.kind !== "joined") return;
    const { nodeId } = event.peer;
    if (isViewer(nodeId)) return this.control.end(nodeId);
    this.#strays.set(nodeId, this.control.addressesOf(event.connection).remote);
    this.#options.onStray({ nodeId, address: null }, false);
  }

  #hearStray(nodeId: string, message: ControlMessage): void {
    const address = this.#strays.get(nodeId);
    try {
      const said = decodeNodeMessage(message);
      if (address === undefined || said?.kind !== "join" || said.info.standbyPort === null) return;
      const place = addressText(said.info.address ?? address, said.info.standbyPort);
      this.#options.onStray({ nodeId, address: place }, said.isFresh);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      this.control.end(nodeId);
    }
  }
}
