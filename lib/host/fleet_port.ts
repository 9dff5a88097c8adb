/**
 * The port at which a node hosts the job, or could. It is bound from the start, so that nobody else has it when it is
 * needed; until then whoever connects waits.
 */

import { assert } from "../core/assert.ts";
import { splitAddress } from "./fleet_setup.ts";
import { isLoopback } from "./local_addresses.ts";
import { anyAddress, listenTcp, PortInUseError, type TcpListener } from "./listener.ts";

/** How long one that is asked has to answer. */
const ANSWER_MS = 2_000;

/** Whether the machine at HOST:PORT says that nobody listens there; one that says nothing may only be out of reach. */
export async function isClosed(address: string, signal: AbortSignal): Promise<boolean> {
  const { host: hostname, port } = splitAddress(address);
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    (await Deno.connect({ hostname, port, signal: limit })).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused;
  }
}

export class FleetPort {
  readonly port: number;
  readonly #listener: TcpListener;
  #isTaken = false;

  private constructor(listener: TcpListener) {
    this.#listener = listener;
    this.port = listener.addr.port;
  }

  /**
   * Listens on all interfaces, or (`isLocal`) for this machine only, there at the loopback address that `host` is, if
   * it is one; null: the port is in use.
   * @throws {SystemError} The system refuses for another reason.
   */
  static tryListen(
    { isLocal, port, host = "" }: {
      readonly isLocal: boolean;
      readonly port: number;
      readonly host?: string;
    },
  ): FleetPort | null {
    try {
      const local = isLoopback(host) ? host : "127.0.0.1";
      return new FleetPort(listenTcp(isLocal ? local : anyAddress(), port));
    } catch (error) {
      if (error instanceof PortInUseError) return null;
      throw error;
    }
  }

  /** The listener, for who serves on it and closes it. */
  take(): TcpListener {
    assert(!this.#isTaken, "A port is taken once");
    this.#isTaken = true;
    return this.#listener;
  }

  /** Closes it, unless it was taken. */
  close(): void {
    if (!this.#isTaken) this.#listener.close();
    this.#isTaken = true;
  }
}
