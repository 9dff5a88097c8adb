/**
 * A listening socket that another program opened and handed down as a descriptor: a service manager, or a parent that
 * chose the port. `Deno.listen` has no way to take one (given `fd` it silently listens elsewhere), Node's API has; here
 * what Node gives is made to look as what Deno would have given.
 */

import type { Server, Socket } from "node:net";
import { SystemError } from "../core/errors.ts";
import { libc, openFilesMax } from "./libc.ts";
import { raiseBacklog, type TcpListener, type TcpSocket } from "./listener.ts";

/**
 * Takes over the listening TCP socket that is open as `descriptor`.
 * @throws {SystemError} There is none.
 */
export async function inheritListener(descriptor: number): Promise<TcpListener> {
  // Some 10 ms, which only they pay who need it.
  const { createServer } = await import("node:net");
  const listen = (descriptor: number) => createServer({ allowHalfOpen: true }).listen({ fd: descriptor });
  // Before the server has it: that one closes what it can't use.
  const spare = libc()?.dup(descriptor) ?? NO_DESCRIPTOR;
  try {
    const server = listen(descriptor);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).once("listening", resolve);
    await promise;
    const address = server.address();
    if (address === null || typeof address === "string") {
      server.close();
      throw new Error("it is a Unix socket");
    }
    const addr = { hostname: address.address, port: address.port };
    raiseBacklog(addr);
    return new InheritedListener(server, { addr, spare, listen });
  } catch (error) {
    libc()?.close(spare);
    const reason = error instanceof Error ? error.message : String(error);
    throw new SystemError(
      `Cannot listen on descriptor ${descriptor}, which must be a listening TCP socket: ${reason}; ` +
        "check what the parent process hands down, or let an address be bound with --host and --port",
    );
  }
}

const NO_DESCRIPTOR = -1;
/** Descriptors that the runtime itself has open, and some. */
const DESCRIPTORS_APART = 64;

/**
 * Node's server under Deno 2.9 hears nothing any more, and says nothing, once the system had no descriptor for a new
 * connection. So whenever a connection ends of so many that this may have happened, a new server takes the old one's
 * place. It needs a duplicate of the descriptor, and so the C library.
 */
class InheritedListener implements TcpListener {
  readonly addr: TcpListener["addr"];
  /** A duplicate of the listening descriptor, from which the next ones are made. */
  readonly #spare: number;
  readonly #listen: (descriptor: number) => Server;
  /** With so many connections there may have been no descriptor for one more. */
  readonly #crowdedMin: number;
  #server: Server;
  #openCount = 0;
  #isClosed = false;
  readonly #arrived: TcpSocket[] = [];
  #accepting: PromiseWithResolvers<TcpSocket> | null = null;

  constructor(
    server: Server,
    { addr, spare, listen }: {
      readonly addr: TcpListener["addr"];
      readonly spare: number;
      readonly listen: (descriptor: number) => Server;
    },
  ) {
    this.addr = addr;
    this.#spare = spare;
    this.#listen = listen;
    const filesMax = openFilesMax() ?? Infinity;
    this.#crowdedMin = Math.max(filesMax / 2, filesMax - DESCRIPTORS_APART);
    this.#server = this.#attend(server);
  }

  /** Called again only once the last promise is settled. */
  accept(): Promise<TcpSocket> {
    this.#accepting = Promise.withResolvers();
    const { promise } = this.#accepting;
    this.#hand();
    return promise;
  }

  arrival(): Promise<number | null> {
    return Promise.resolve(this.#spare === NO_DESCRIPTOR ? null : this.#spare);
  }

  takeArrived(): TcpSocket[] {
    return this.#arrived.splice(0);
  }

  close(): void {
    this.#isClosed = true;
    this.#server.close();
    libc()?.close(this.#spare);
    for (const socket of this.#arrived) socket.close();
    this.#fail(new Deno.errors.BadResource("The listener is closed"));
  }

  #attend(server: Server): Server {
    server.on("connection", (socket) => {
      this.#openCount++;
      socket.once("close", () => this.#onSocketClosed());
      this.#arrived.push(new InheritedSocket(socket));
      this.#hand();
    });
    return server.on("error", (error) => this.#fail(error));
  }

  #onSocketClosed(): void {
    if (this.#openCount-- < this.#crowdedMin || this.#isClosed) return;
    const descriptor = libc()?.dup(this.#spare) ?? NO_DESCRIPTOR;
    if (descriptor === NO_DESCRIPTOR) return;
    this.#server.close();
    this.#server = this.#attend(this.#listen(descriptor));
  }

  #hand(): void {
    if (this.#accepting === null || this.#arrived.length === 0) return;
    this.#accepting.resolve(this.#arrived.shift()!);
    this.#accepting = null;
  }

  #fail(error: Error): void {
    this.#accepting?.reject(error);
    this.#accepting = null;
  }
}

const NOTHING = new Uint8Array(0);

class InheritedSocket implements TcpSocket {
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** Of the last chunk, what no reader has taken. */
  #rest: Uint8Array = NOTHING;
  readonly remoteAddr: Deno.NetAddr;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#chunks = socket.iterator({ destroyOnReturn: false });
    // Its address is gone as soon as the other side is; errors are told to who reads or writes.
    const { remoteAddress: hostname = "", remotePort: port = 0 } = socket;
    this.remoteAddr = { transport: "tcp", hostname, port };
    socket.on("error", () => {});
  }

  setNoDelay(isOn?: boolean): void {
    this.#socket.setNoDelay(isOn);
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#rest.length === 0) {
      const { value, done } = await this.#chunks.next();
      if (done) return null;
      this.#rest = value;
    }
    const taken = this.#rest.subarray(0, buffer.length);
    buffer.set(taken);
    // What is empty would still keep a whole chunk.
    this.#rest = taken.length < this.#rest.length ? this.#rest.subarray(taken.length) : NOTHING;
    return taken.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }
}
