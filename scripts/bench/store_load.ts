/**
 * The load program of `deno task bench store`, a process of its own: keeps requests of many clients in flight at one
 * server and prints what came of it as a line of JSON. It counts the bytes of replies and does not read them: what
 * replies say is the tests' business. "fill", "connect", "list" and "idle" end by themselves and keep their connections until
 * stdin ends.
 *
 *     store_load.ts '{"port": 29400, "load": "getAdd", "clients": 64, "inFlight": 1, "seconds": 2}'
 */

import { HANDSHAKE } from "../../lib/store/wire.ts";
import { cpuSeconds } from "./processes.ts";
import { type Exchange, type LoadName, type Script, scriptOf } from "./store_script.ts";
import { connectTo, Epoll, READABLE, receive, send, WRITABLE } from "./store_sockets.ts";

export interface LoadOptions {
  readonly port: number;
  readonly load: LoadName;
  readonly clients: number;
  /** Exchanges of each client that have no answer yet. */
  readonly inFlight: number;
  /** How long to measure a load that does not end by itself. */
  readonly seconds: number;
}

export interface LoadResult {
  readonly requests: number;
  /** With those of the warm-up. */
  readonly requestsInAll: number;
  readonly seconds: number;
  /** CPU of the load program meanwhile; near `seconds` it would be what limits. */
  readonly busySeconds: number;
  /** The longest time from an answer to the next one of the same client. */
  readonly worstMs: number;
}

const WARM_UP_MS = 300;
const WAIT_MS = 1000;
const ENDLESS: readonly LoadName[] = ["getAdd", "mixed", "large", "ping"];
const BUFFER_BYTES = 256 * 1024;
const NOTHING = new Uint8Array(0);

class Client {
  isConnected = false;
  sentCount = 0;
  answeredCount = 0;
  /** Bytes that are still to come of the next answer. */
  dueBytes: number;
  answeredAt = 0;
  /** Exchanges that may be sent for those that were answered. */
  allowance = 0;
  /** What the system has not taken yet; nothing else is sent meanwhile. */
  unsent: Uint8Array<ArrayBuffer> = NOTHING;

  constructor(readonly socket: number, readonly script: Script) {
    this.dueBytes = script(0)?.replyBytes ?? Infinity;
  }
}

class Load {
  readonly #epoll = new Epoll();
  readonly #clients = new Map<number, Client>();
  readonly #inFlight: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #gathered = new Uint8Array(BUFFER_BYTES);
  readonly #answered: Client[] = [];
  #unfinishedCount: number;
  requests = 0;
  worstMs = 0;

  constructor({ port, load, clients, inFlight }: LoadOptions) {
    this.#inFlight = inFlight;
    this.#unfinishedCount = clients;
    for (let index = 0; index < clients; index++) {
      const client = new Client(connectTo(port), scriptOf(load, index));
      this.#clients.set(client.socket, client);
      this.#epoll.add(client.socket, WRITABLE);
    }
  }

  /** Goes on for `durationMs`, or until every client has had its last answer. */
  run(durationMs: number): void {
    let now = performance.now();
    const end = now + durationMs;
    while (this.#unfinishedCount > 0 && now < end) {
      const count = this.#epoll.wait(WAIT_MS);
      now = performance.now();
      for (let index = 0; index < count; index++) {
        const client = this.#clients.get(this.#epoll.socketOf(index))!;
        const readiness = this.#epoll.readinessOf(index);
        if (readiness & WRITABLE) this.#onWritable(client);
        if (readiness & ~WRITABLE) this.#onReadable(client, now);
      }
      // Reads in a row and writes in a row take less CPU than both in turns.
      for (const client of this.#answered) {
        const { allowance } = client;
        client.allowance = 0;
        this.#sendMore(client, allowance);
      }
      this.#answered.length = 0;
    }
  }

  #onWritable(client: Client): void {
    this.#epoll.change(client.socket, READABLE);
    if (client.isConnected) return this.#send(client, client.unsent);
    client.isConnected = true;
    send(client.socket, HANDSHAKE.slice());
    this.#sendMore(client, this.#inFlight);
  }

  #onReadable(client: Client, now: number): void {
    let length: number;
    do {
      length = receive(client.socket, this.#buffer);
      if (length === 0) throw new Error("The server closed a connection");
      if (length > 0) this.#onReply(client, length, now);
    } while (length === BUFFER_BYTES);
  }

  #onReply(client: Client, length: number, now: number): void {
    let answered = 0;
    for (let left = length; left >= client.dueBytes; answered++) {
      left -= client.dueBytes;
      this.requests += client.script(client.answeredCount++)!.requests;
      client.dueBytes = client.script(client.answeredCount)?.replyBytes ?? Infinity;
      if (left < client.dueBytes) {
        client.dueBytes -= left;
        left = -1;
      }
    }
    if (answered === 0) {
      client.dueBytes -= length;
      return;
    }
    if (client.answeredAt > 0) this.worstMs = Math.max(this.worstMs, now - client.answeredAt);
    client.answeredAt = now;
    if (client.allowance === 0) this.#answered.push(client);
    client.allowance += answered;
  }

  /** Sends up to `count` exchanges, in one piece. */
  #sendMore(client: Client, count: number): void {
    let length = 0;
    let last: Exchange | undefined;
    for (let index = 0; index < count; index++) {
      const next = client.script(client.sentCount);
      if (next === undefined) break;
      if (last !== undefined) {
        if (length === 0) this.#gathered.set(last.bytes);
        length = (length || last.bytes.length) + next.bytes.length;
        this.#gathered.set(next.bytes, length - next.bytes.length);
      }
      last = next;
      client.sentCount++;
    }
    if (last !== undefined) this.#send(client, length > 0 ? this.#gathered.subarray(0, length) : last.bytes);
    else if (client.answeredCount === client.sentCount) this.#unfinishedCount--;
  }

  #send(client: Client, bytes: Uint8Array<ArrayBuffer>): void {
    const taken = Math.max(0, send(client.socket, bytes));
    client.unsent = taken === bytes.length ? NOTHING : bytes.slice(taken);
    if (client.unsent.length > 0) this.#epoll.change(client.socket, READABLE | WRITABLE);
  }
}

async function main(options: LoadOptions): Promise<void> {
  const print = (since: { requests: number; at: number; busy: number }) => {
    const result: LoadResult = {
      requests: load.requests - since.requests,
      requestsInAll: load.requests,
      seconds: (performance.now() - since.at) / 1000,
      busySeconds: cpuSeconds(Deno.pid) - since.busy,
      worstMs: load.worstMs,
    };
    console.log(JSON.stringify(result));
  };
  const begin = () => ({ requests: load.requests, at: performance.now(), busy: cpuSeconds(Deno.pid) });
  const startedAt = { requests: 0, at: performance.now(), busy: cpuSeconds(Deno.pid) };
  const load = new Load(options);
  if (!ENDLESS.includes(options.load)) {
    load.run(Infinity);
    print(startedAt);
    await new Response(Deno.stdin.readable).bytes();
    return;
  }
  load.run(WARM_UP_MS);
  load.worstMs = 0;
  const warm = begin();
  load.run(options.seconds * 1000);
  print(warm);
}

await main(JSON.parse(Deno.args[0]!));
