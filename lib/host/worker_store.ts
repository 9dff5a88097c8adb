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
  // A file may be on many machines.
  const isHere = meeting === null || meeting.filePath === null &&
      meeting.endpoints.every(({ host }) => /^(localhost|127\..*|::1)$/i.test(host));
  const bindTo = isHere ? LOOPBACK : anyAddress();
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
  const server = startStoreServer({ host: bindTo, port, onLog });
  return meeting === null ? server : {
    host,
    port: server.port,
    get stats() {
      return server.stats;
    },
    reset: () => server.reset(),
    setAllowed: (allowed) => server.setAllowed(allowed),
    close: () => server.close(),
  };
}
