/** Where the workers meet: a store of ours, or a port that is kept for the one that worker rank 0 opens. */

import type { StoreSettings } from "../options/launch_plan.ts";
import { reservePort } from "./listener.ts";
import { startStoreServer, type StoreStats } from "./store_server.ts";

/** With one node nobody else has a reason to connect. */
const LOOPBACK = "127.0.0.1";

export interface WorkerStore {
  readonly host: string;
  readonly port: number;
  /** Null where worker rank 0 has the store. */
  readonly stats: StoreStats | null;
  /** Every attempt starts with an empty store, at the same address. */
  reset(): void;
  close(): void;
}

/** Opens it as `settings` say. Throws SystemError when the port can't be had. */
export function openWorkerStore(settings: StoreSettings, onLog: (line: string) => void): WorkerStore {
  const { port, hostedByLauncher } = settings;
  if (hostedByLauncher) return startStoreServer({ host: LOOPBACK, port, onLog });
  const reserved = reservePort({ host: LOOPBACK, port });
  return {
    host: LOOPBACK,
    port: reserved.port,
    stats: null,
    reset: () => {},
    close: () => reserved.release(),
  };
}
