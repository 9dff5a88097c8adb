/**
 * The same random traffic of 1 to 8 clients goes to PyTorch's libuv server and to ours, over plain sockets; every byte
 * of every answer must be equal, and stand at the same place among the others. MUSTER_SEED replays one world.
 */

import { assert, assertEquals } from "@std/assert";
import { concat } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { startStoreServer } from "../../lib/host/store_server.ts";
import { HANDSHAKE, OPERATIONS, type Request, type RequestKind } from "../../lib/store/wire.ts";
import { allEnded, interopTest } from "./harness.ts";
import { startPytorchStores } from "./pytorch_store.ts";
import { encoded, type Step, Traffic } from "./store_traffic.ts";
import { socketTest } from "../host/socket_case.ts";

const WORLDS = 48;
const REQUESTS_PER_WORLD = 2500;
/** Worlds side by side; each mostly waits for the next answer. */
const SERVERS = 4;
/** A server that does not answer for so long has lost a request. */
const SILENCE_MS = 20_000;

interopTest("Table answers random traffic as PyTorch 2.15's libuv server does", async () => {
  const replayed = Deno.env.get("MUSTER_SEED");
  const seeds = replayed === undefined ? Array.from({ length: WORLDS }, (_, n) => n + 1) : [Number(replayed)];
  const count = Math.min(SERVERS, seeds.length);
  const pytorch = await startPytorchStores({ backend: "libuv", count, answersAtOnce: true });
  const ours = pytorch.ports.map(() => startStoreServer({ host: "127.0.0.1", port: 0 }));
  const done = new Done();
  const runWorlds = async (ports: readonly number[]) => {
    await forgetAllKeys(ports);
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      await runWorld(seed, ports, done);
    }
  };
  try {
    await allEnded(pytorch.ports.map((port, index) => runWorlds([port, ours[index]!.port])));
  } finally {
    for (const server of ours) server.close();
    await pytorch.close();
  }
  console.log(`${done.requests} requests: all answers equal (${done})`);
  if (replayed !== undefined) return;
  assert(done.requests >= 100_000, `Only ${done.requests} requests`);
  const rare = [...DRAWN, ...STEPS].filter((name) => done.count(name) < 50);
  assertEquals(rare, [], `Hardly drawn: ${done}`);
}, socketTest);

/** Every operation but the PING that each step ends with anyway. */
const DRAWN = OPERATIONS.c.filter((kind) => kind !== undefined).filter((kind) => kind !== "ping");
const STEPS = ["leave", "offend", "parted", "cut off by an ADD"] as const;

/** What the worlds were made of: a kind of request that is no longer drawn would be a check that can't fail. */
class Done {
  readonly #counts = new Map<string, number>();
  requests = 0;

  add(name: RequestKind | typeof STEPS[number]): void {
    this.#counts.set(name, this.count(name) + 1);
  }

  count(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  toString(): string {
    return [...this.#counts].map(([name, count]) => `${name} ${count}`).join(", ");
  }
}

/** Carries out one world on a server of each kind, which may hold keys of worlds before. */
async function runWorld(seed: number, ports: readonly number[], done: Done): Promise<void> {
  const prng = new Prng(seed);
  const clients = await Promise.all(
    Array.from({ length: 1 + prng.below(8) }, () => TwinClient.connect(ports)),
  );
  const observer = await TwinClient.connect(ports);
  const traffic = new Traffic(prng.split(), clients.length);
  let requestCount = 0;
  let step: Step | undefined;
  let isStuck = false;
  const end = () => {
    for (const client of [...clients, observer]) client.close();
  };
  const giveUp = () => {
    isStuck = true;
    end();
  };
  let watchdog = setTimeout(giveUp, SILENCE_MS);
  try {
    while (requestCount < REQUESTS_PER_WORLD) {
      step = traffic.next();
      if (Deno.env.get("TRACE")) console.log(Deno.inspect(step, { depth: 5 }));
      clearTimeout(watchdog);
      watchdog = setTimeout(giveUp, SILENCE_MS);
      requestCount += await carryOut(step, { clients, observer, ports, done });
      assert(!isStuck, "No answer");
    }
    for (const client of clients) await client.synchronize();
  } catch (error) {
    const shown = Deno.inspect(step, { depth: 5, strAbbreviateSize: 80, iterableLimit: 40 });
    throw new Error(`Seed ${seed}, after ${requestCount} requests, at ${shown}`, { cause: error });
  } finally {
    clearTimeout(watchdog);
    end();
    done.requests += requestCount;
  }
}

interface World {
  readonly clients: TwinClient[];
  /** Its round trips prove that the servers have taken what others sent before. */
  readonly observer: TwinClient;
  readonly ports: readonly number[];
  readonly done: Done;
}

/** Returns the number of requests. */
async function carryOut(step: Step, { clients, observer, ports, done }: World): Promise<number> {
  const client = clients[step.client]!;
  switch (step.kind) {
    case "send": {
      for (const { kind } of step.requests) done.add(kind);
      if (step.cuts.length > 0) done.add("parted");
      let start = 0;
      for (const cut of step.cuts) {
        await client.send(step.bytes.subarray(start, cut));
        await observer.synchronize();
        start = cut;
      }
      await client.send(step.bytes.subarray(start));
      const isOpen = await client.synchronize();
      // Adding to what is no number ends the connection of who does it.
      if (isOpen) return step.requests.length;
      done.add("cut off by an ADD");
      await replace(step.client, clients, ports);
      return step.requests.length;
    }
    case "list":
      done.add("listKeys");
      if (!await client.compareKeys()) await replace(step.client, clients, ports);
      return 1;
    case "leave":
      done.add(step.kind);
      await client.send(step.bytes);
      await client.leave();
      await replace(step.client, clients, ports);
      return 1;
    case "offend":
      done.add(step.kind);
      await client.send(step.bytes);
      await client.ended();
      await replace(step.client, clients, ports);
      return 1;
  }
}

async function replace(index: number, clients: TwinClient[], ports: readonly number[]): Promise<void> {
  clients[index]!.close();
  clients[index] = await TwinClient.connect(ports);
}

/** PyTorch's server has keys of its own making. */
async function forgetAllKeys(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const line = await Line.connect(port);
    await line.send(encoded([{ kind: "listKeys" }]));
    const keys = listedKeys((await line.readUntilPong(1)).bytes);
    await line.send(encoded(keys.map((key): Request => ({ kind: "delete", key }))));
    await line.readUntilPong(2);
    line.close();
  }
}

/** One client, connected to each server. */
class TwinClient {
  readonly #lines: readonly Line[];
  #nonce = 0x5a00_0000;

  private constructor(lines: readonly Line[]) {
    this.#lines = lines;
  }

  static async connect(ports: readonly number[]): Promise<TwinClient> {
    return new TwinClient(await Promise.all(ports.map((port) => Line.connect(port))));
  }

  async send(bytes: Uint8Array): Promise<void> {
    await Promise.all(this.#lines.map((line) => line.send(bytes)));
  }

  /** Compares all that came until now; false: both servers have closed. */
  async synchronize(): Promise<boolean> {
    const [expected, actual] = await this.#readToPong() as [Received, Received];
    assertSame(actual, expected);
    return !actual.hasEnded;
  }

  /** As `synchronize`, with the keys of the store in between. */
  async compareKeys(): Promise<boolean> {
    if (!await this.synchronize()) return false;
    await this.send(encoded([{ kind: "listKeys" }]));
    const [expected, actual] = (await this.#readToPong()).map(({ bytes }) => listedKeys(bytes).sort());
    assertEquals(actual, expected);
    return true;
  }

  /** Ends its side, and reads what still comes until the servers end theirs. */
  async leave(): Promise<void> {
    for (const line of this.#lines) await line.closeWrite();
    await this.ended();
  }

  /** Reads on until both servers close. */
  async ended(): Promise<void> {
    const [expected, actual] = await Promise.all(this.#lines.map((line) => line.readToEnd()));
    assertSame(actual!, expected!);
  }

  close(): void {
    for (const line of this.#lines) line.close();
  }

  #readToPong(): Promise<Received[]> {
    const nonce = this.#nonce++;
    return Promise.all(this.#lines.map((line) => line.readUntilPong(nonce)));
  }
}

interface Received {
  readonly bytes: Uint8Array;
  /** The server has closed, or reset, the connection. */
  readonly hasEnded: boolean;
}

/** A server that hangs up with requests unread resets the connection, and the last answers may be lost with it. */
function assertSame(actual: Received, expected: Received): void {
  assertEquals(actual.hasEnded, expected.hasEnded);
  const length = actual.hasEnded ? Math.min(actual.bytes.length, expected.bytes.length) : undefined;
  assertEquals(actual.bytes.subarray(0, length), expected.bytes.subarray(0, length));
}

/** A socket to one server. */
class Line {
  readonly #socket: Deno.TcpConn;
  readonly #buffer = new Uint8Array(65536);
  #isClosed = false;

  private constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  static async connect(port: number): Promise<Line> {
    const socket = await Deno.connect({ hostname: "127.0.0.1", port });
    socket.setNoDelay(true);
    const line = new Line(socket);
    await line.send(HANDSHAKE);
    return line;
  }

  /** A server may have closed; reading tells. */
  async send(bytes: Uint8Array): Promise<void> {
    try {
      for (let start = 0; start < bytes.length;) start += await this.#socket.write(bytes.subarray(start));
    } catch (error) {
      if (!isEnd(error)) throw error;
    }
  }

  /** Sends a PING and reads up to its answer, which comes after all answers before it. */
  async readUntilPong(nonce: number): Promise<Received> {
    await this.send(encoded([{ kind: "ping", nonce }]));
    const wanted = new Uint8Array(4);
    new DataView(wanted.buffer).setUint32(0, nonce, true);
    const pieces: Uint8Array[] = [];
    while (true) {
      const piece = await this.#read();
      if (piece === null) return { bytes: concat(pieces), hasEnded: true };
      pieces.push(piece);
      const bytes = pieces.length === 1 ? piece : concat(pieces);
      if (wanted.every((byte, index) => bytes[bytes.length - 4 + index] === byte)) {
        return { bytes: bytes.subarray(0, -4), hasEnded: false };
      }
    }
  }

  async readToEnd(): Promise<Received> {
    const pieces: Uint8Array[] = [];
    for (let piece = await this.#read(); piece !== null; piece = await this.#read()) pieces.push(piece);
    return { bytes: concat(pieces), hasEnded: true };
  }

  async closeWrite(): Promise<void> {
    try {
      await this.#socket.closeWrite();
    } catch (error) {
      if (!isEnd(error)) throw error;
    }
  }

  close(): void {
    if (!this.#isClosed) this.#socket.close();
    this.#isClosed = true;
  }

  async #read(): Promise<Uint8Array | null> {
    try {
      const length = await this.#socket.read(this.#buffer);
      return length === null ? null : this.#buffer.slice(0, length);
    } catch (error) {
      if (isEnd(error)) return null;
      throw error;
    }
  }
}

function isEnd(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected;
}

/** The keys of a LIST_KEYS reply. */
function listedKeys(reply: Uint8Array): string[] {
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  const keys: string[] = [];
  let offset = 8;
  for (let count = Number(view.getBigUint64(0, true)); count > 0; count--) {
    const length = Number(view.getBigUint64(offset, true));
    keys.push(String.fromCharCode(...reply.subarray(offset + 8, offset + 8 + length)));
    offset += 8 + length;
  }
  return keys;
}
