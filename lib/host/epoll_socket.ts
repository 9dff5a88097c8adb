/** A connection on an `EpollReactor` in the form of Deno's: for what takes few and large turns, as the control channel. */

import { assert } from "../core/assert.ts";
import { sizeOf } from "./epoll_calls.ts";
import { BROKEN, ENDED, type EpollHandler, type EpollReactor, READABLE, WRITABLE } from "./epoll_reactor.ts";
import type { TcpSocket } from "./listener.ts";
import { readSocketAddress, SOCKET_ADDRESS_BYTES, type SocketAddress } from "./socket_address.ts";

const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const UNKNOWN: SocketAddress = { hostname: "", port: 0 };

export class EpollSocket implements TcpSocket, EpollHandler {
  readonly remoteAddr: Deno.NetAddr;
  readonly localAddr: Deno.NetAddr;
  readonly #reactor: EpollReactor;
  readonly #descriptor: number;
  #isClosed = false;
  #isBroken = false;
  #watchesWritable = false;
  #onReadable: (() => void) | null = null;
  #onWritable: (() => void) | null = null;

  /** Takes over `descriptor`, which has a handler at `reactor`. */
  constructor(reactor: EpollReactor, descriptor: number, address: SocketAddress) {
    this.#reactor = reactor;
    this.#descriptor = descriptor;
    this.remoteAddr = { transport: "tcp", ...address };
    const own = new Uint8Array(SOCKET_ADDRESS_BYTES);
    reactor.calls.getsockname(descriptor, own, new Uint32Array([SOCKET_ADDRESS_BYTES]));
    this.localAddr = { transport: "tcp", ...readSocketAddress(own) ?? UNKNOWN };
    reactor.replace(descriptor, this);
  }

  onEvents(events: number): void {
    if (events & BROKEN) this.#isBroken = true;
    if (events & (READABLE | ENDED | BROKEN)) this.#tell("readable");
    if (events & (WRITABLE | BROKEN)) this.#tell("writable");
  }

  onAgain(): void {}

  onBatchEnd(): void {}

  /** The listener has set it for all. */
  setNoDelay(): void {}

  async read(buffer: Uint8Array<ArrayBuffer>): Promise<number | null> {
    assert(this.#onReadable === null, "Two readers");
    while (true) {
      this.#checkOpen();
      const length = this.#reactor.calls.recv(this.#descriptor, buffer, sizeOf(buffer.length), 0);
      if (length > 0) return length;
      if (length === 0) return null;
      if (this.#isBroken) throw new Deno.errors.ConnectionReset("The connection is broken");
      await new Promise<void>((resolve) => this.#onReadable = resolve);
    }
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    assert(this.#onWritable === null, "Two writers");
    while (true) {
      this.#checkOpen();
      const length = this.#reactor.calls.send(
        this.#descriptor,
        bytes,
        sizeOf(bytes.length),
        MSG_NOSIGNAL,
      );
      if (length >= 0) return length;
      if (this.#isBroken) throw new Deno.errors.BrokenPipe("The connection is broken");
      const writable = new Promise<void>((resolve) => this.#onWritable = resolve);
      if (!this.#watchesWritable) this.#reactor.watchWritable(this.#descriptor);
      this.#watchesWritable = true;
      await writable;
    }
  }

  closeWrite(): Promise<void> {
    this.#checkOpen();
    this.#reactor.calls.shutdown(this.#descriptor, SHUT_WR);
    return Promise.resolve();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reactor.remove(this.#descriptor);
    this.#reactor.calls.close(this.#descriptor);
    this.#tell("readable");
    this.#tell("writable");
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new Deno.errors.BadResource("The socket is closed");
  }

  #tell(what: "readable" | "writable"): void {
    const listener = what === "readable" ? this.#onReadable : this.#onWritable;
    if (what === "readable") this.#onReadable = null;
    else this.#onWritable = null;
    listener?.();
  }
}
