/** A store's connection on a socket of the runtime: a promise for each read and write. Works everywhere. */

import { CONTROL_FIRST_BYTE } from "../store/control_wire.ts";
import type { StoreConnection } from "../store/connection.ts";
import type { TcpSocket } from "./listener.ts";
import type { SocketAddress } from "./socket_address.ts";
import type { StorePeer, StoreService } from "./store_service.ts";

const READ_BYTES_IDLE = 512;
const READ_BYTES_BUSY = 64 * 1024;

export class PortablePeer implements StorePeer {
  readonly connection: StoreConnection;
  readonly #service: StoreService;
  readonly #socket: TcpSocket;
  /** "ending": what was answered is still to leave. */
  #state: "open" | "ending" | "closed" = "open";
  #isWriting = false;
  /** Wakes the reader that waits for the replies to be read. */
  #onDrained: (() => void) | null = null;

  /** Serves `socket`, which the service has accepted. */
  constructor(service: StoreService, socket: TcpSocket) {
    this.#service = service;
    this.#socket = socket;
    this.connection = service.connectionFor(this);
    service.add(this);
    this.#serve();
  }

  get requestCount(): number {
    return this.connection.requestCount;
  }

  get address(): SocketAddress {
    return this.#socket.remoteAddr;
  }

  get isEnding(): boolean {
    return this.#state === "ending";
  }

  onOutput(): void {
    this.#service.hasOutput(this);
  }

  write(): void {
    if (!this.#isWriting && this.#state !== "closed") this.#write();
  }

  end(): void {
    if (this.#state !== "open") return;
    if (!this.#isWriting) return this.destroy();
    this.#state = "ending";
    this.#service.watchEnding(this);
  }

  destroy(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#service.forget(this);
    this.#socket.close();
    this.#wakeReader();
  }

  async #serve(): Promise<void> {
    try {
      this.#socket.setNoDelay(true);
      await this.#read();
    } catch (error) {
      if (!isConnectionEnd(error)) throw error;
      this.destroy();
    }
  }

  async #read(): Promise<void> {
    const service = this.#service, { connection } = this;
    const idleBuffer = new Uint8Array(READ_BYTES_IDLE);
    let buffer = idleBuffer;
    for (let isFirst = true;; isFirst = false) {
      const length = await this.#socket.read(buffer);
      // Its replies leave after all where it broke a rule.
      if (this.#state !== "open") return;
      if (length === null) return this.destroy();
      if (isFirst && buffer[0] === CONTROL_FIRST_BYTE && service.control !== null) {
        this.#state = "closed";
        service.forget(this);
        service.control.adopt(this.#socket, buffer.subarray(0, length));
        return;
      }
      try {
        service.receive(this, buffer, length);
        while (connection.isBacklogged && this.#state === "open") {
          await new Promise<void>((resolve) => this.#onDrained = resolve);
          if (this.#state !== "open") return;
          service.resume(this);
        }
      } catch (error) {
        return service.fail(this, error);
      }
      // Who fills the small buffer has more to say; who does not is given up the large one.
      if (length === buffer.length) buffer = buffer === idleBuffer ? new Uint8Array(READ_BYTES_BUSY) : buffer;
      else if (length < READ_BYTES_IDLE) buffer = idleBuffer;
    }
  }

  async #write(): Promise<void> {
    const { output } = this.connection;
    this.#isWriting = true;
    try {
      while (output.length > 0) {
        output.advance(await this.#socket.write(output.peek()));
        if (this.#onDrained !== null && !this.connection.isBacklogged) this.#wakeReader();
      }
      this.#isWriting = false;
      if (this.#state === "ending") this.destroy();
    } catch (error) {
      if (!isConnectionEnd(error)) throw error;
      this.destroy();
    }
  }

  #wakeReader(): void {
    this.#onDrained?.();
    this.#onDrained = null;
  }
}

/** The system ended the connection, or we did: nothing to report. Anything else is a defect. */
function isConnectionEnd(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
    (error instanceof Error && typeof (error as { code?: unknown }).code === "string");
}
