/** Where the workers meet: a store of ours, or a port that is kept for the one that worker rank 0 opens. */

import type { MeetingPlan, StoreSettings } from "../options/launch_plan.ts";
import type { AddressRange } from "../core/address_range.ts";
import { anyAddress, reservePort } from "./listener.ts";
import { startStoreServer, type StoreServer } from "./store_server.ts";
import type { StoreStats } from "./store_service.ts";

const LOOPBACK = "127.0.0.1";

export interface WorkerStore {
  /** Where the workers reach it; "": as the rendezvous says. */
  readonly host: string;
  readonly port: number;
  /** Null where worker rank 0 has the store. */
  readonly stats: StoreStats | null;
  /** Every attempt starts with an empty store, at the same address. */
  reset(): void;
  /** Who may connect, beside loopback addresses; null: everybody. */
  setAllowed(allowed: readonly AddressRange[] | null): void;
  close(): void;
}

/** The store at which the agents meet as well, whose end is that of their meeting, and to which all of them come. */
export function sharedWorkerStore(server: StoreServer): WorkerStore {
  return {
    host: "",
    port: server.port,
    get stats() {
      return server.stats;
    },
    reset: () => server.reset(),
    setAllowed: () => {},
    close: () => {},
  };
}

/**
 * Opens it as `settings` say. With one node (`meeting` is null) nobody else has a reason to connect; with several,
 * unless all are on this machine, every interface takes connections.
 * @throws {SystemError} The port can't be had.
 */
export function openWorkerStore(
  { port, hostedByLauncher }: StoreSettings,
  meeting: MeetingPlan | null,
  onLog: (line: string) => void,
): WorkerStore {
  const isHere = meeting === null || isOnOneMachine(meeting);
  const bindTo = isHere && (meeting === null || isAtUsualAddress(meeting)) ? LOOPBACK : anyAddress();
  // "Everybody" is this machine, where all nodes are on it.
  const everybody = isHere && bindTo !== LOOPBACK ? [] : null;
  const host = meeting === null ? LOOPBACK : "";
  if (!hostedByLauncher) {
    const reserved = reservePort({ host: bindTo, port });
    const nothing = () => {};
    return {
      host,
      port: reserved.port,
      stats: null,
      reset: nothing,
      setAllowed: nothing,
      close: () => reserved.release(),
    };
  }
  const server = startStoreServer({ host: bindTo, port, onLog, allowed: everybody });
  return meeting === null ? server : {
    host,
    port: server.port,
    get stats() {
      return server.stats;
    },
    reset: () => server.reset(),
    setAllowed: (allowed) => server.setAllowed(allowed ?? everybody),
    close: () => server.close(),
  };
}

const LOOPBACK_HOST = /^(localhost|127\..*|::1)$/i;

/** All nodes are on this machine, since they meet, and are reached, at addresses that mean it. A file may be on many. */
function isOnOneMachine({ filePath, endpoints, localAddress }: MeetingPlan): boolean {
  return filePath === null && LOOPBACK_HOST.test(localAddress ?? LOOPBACK) &&
    endpoints.every(({ host }) => LOOPBACK_HOST.test(host));
}

/** Of this machine's many loopback addresses nobody is told but the usual one. */
function isAtUsualAddress({ endpoints, localAddress }: MeetingPlan): boolean {
  const hosts = [...endpoints.map(({ host }) => host), localAddress ?? LOOPBACK];
  return hosts.every((host) => /^(localhost|127\.0\.0\.1)$/i.test(host));
}
