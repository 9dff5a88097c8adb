/**
 * One socket of the control channel: reads for ever, writes in order, closes politely. A peer that does not take what
 * is written to it is cut off at a limit.
 */

import { OutputQueue } from "../store/output_queue.ts";
import type { TcpSocket } from "./listener.ts";
import { addressText, plainAddress } from "./socket_address.ts";

export interface ControlSocketOptions {
  /** Bytes that the system has not taken yet, at most. */
  readonly unwrittenBytesMax: number;
  /** `bytes` are the receiver's to keep. */
  readonly onBytes: (bytes: Uint8Array) => void;
  /** The connection is gone, by the other side's doing or the network's. */
  readonly onEnd: () => void;
}

const READ_BYTES_IDLE = 512;
const READ_BYTES_BUSY = 64 * 1024;
/** How long the last bytes may take to arrive before the socket is closed on them. */
const LINGER_MS = 1000;

export class ControlSocket {
  readonly #socket: TcpSocket;
  readonly #options: ControlSocketOptions;
  readonly #output = new OutputQueue();
  #isWriting = false;
  /** "closing": what was written is still to leave. */
  #state: "open" | "closing" | "closed" = "open";
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: TcpSocket, options: ControlSocketOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.setNoDelay(true);
    this.#read();
  }

  /** HOST:PORT of the other side. */
  get peerName(): string {
    return addressText(this.#socket.remoteAddr);
  }

  /** IP addresses of the two ends; "" where one's own is not known. */
  get addresses(): { readonly remote: string; readonly local: string } {
    const { remoteAddr, localAddr } = this.#socket;
    const local = localAddr !== undefined && "hostname" in localAddr ? localAddr.hostname : "";
    return { remote: plainAddress(remoteAddr.hostname), local: plainAddress(local) };
  }

  /** `bytes` must not change any more. */
  write(bytes: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#output.value(bytes);
    if (this.#output.length > this.#options.unwrittenBytesMax) return this.#lose();
    if (this.#isWriting) return;
    this.#isWriting = true;
    // What is written in one turn leaves in one piece.
    queueMicrotask(() => this.#write());
  }

  /** Closes once what was written has left and the other side knows; `onEnd` is called when that is done. */
  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#lingerTimer = setTimeout(() => this.#lose(), LINGER_MS);
    if (!this.#isWriting) this.#sayEnd();
  }

  /** Closes at once; `onEnd` is not called. */
  destroy(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#lingerTimer);
    this.#socket.close();
  }

  #lose(): void {
    if (this.#state === "closed") return;
    this.destroy();
    this.#options.onEnd();
  }

  async #read(): Promise<void> {
    const idleBuffer = new Uint8Array(READ_BYTES_IDLE);
    let buffer = idleBuffer;
    while (true) {
      const length = await this.#socket.read(buffer).catch(() => null);
      if (length === null) return this.#lose();
      // After our close what still comes is read only so that the other side is not cut off while it sends.
      if (this.#state === "open") this.#options.onBytes(buffer.slice(0, length));
      if (length < READ_BYTES_IDLE) buffer = idleBuffer;
      else if (buffer === idleBuffer) buffer = new Uint8Array(READ_BYTES_BUSY);
    }
  }

  async #write(): Promise<void> {
    try {
      while (this.#output.length > 0 && this.#state !== "closed") {
        this.#output.advance(await this.#socket.write(this.#output.peek()));
      }
    } catch {
      // The reader may wait for ever on a socket that can only not be written to.
      return this.#lose();
    }
    this.#isWriting = false;
    if (this.#state === "closing") this.#sayEnd();
  }

  /** Everything is written: the other side sees the end, and closes in its turn. */
  #sayEnd(): void {
    this.#socket.closeWrite().catch(() => this.#lose());
  }
}
