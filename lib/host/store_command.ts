/** `muster store`: a server by itself, and a small client for people who debug. */

import { EXIT_CODES, SystemError } from "../core/errors.ts";
import { utf8 } from "../core/bytes.ts";
import { unreachable } from "../core/assert.ts";
import { readStoreTask, STORE_HELP, type StoreQuestion, type StoreTask } from "../store/arguments.ts";
import { jsonValue, lineText, readableText } from "../store/value_text.ts";
import { ownRanges } from "./local_addresses.ts";
import { watchSignals } from "./signals.ts";
import { addressText } from "./socket_address.ts";
import { StoreClient, StoreConnectionError, StoreOperationError, StoreTimeoutError } from "./store_client.ts";
import { serveStore, startStoreServer, type StoreServer } from "./store_server.ts";

/** Does what stands behind `muster store` and returns the exit code; 1: a key did not appear in time. */
export async function runStoreCommand(args: readonly string[]): Promise<number> {
  const task = readStoreTask(args, activatedCount());
  switch (task.kind) {
    case "help":
      await print(STORE_HELP);
      return EXIT_CODES.success;
    case "problems":
      for (const { message } of task.problems) await complain(message);
      await complain("Try 'muster store --help'");
      return EXIT_CODES.usage;
    case "serve":
      return await serve(task);
    case "ask":
      return await ask(task);
    default:
      return unreachable(task);
  }
}

/** Listening sockets that a service manager handed over to this very process. Source: sd_listen_fds(3). */
function activatedCount(): number {
  const { LISTEN_PID, LISTEN_FDS } = Deno.env.toObject();
  return LISTEN_PID === String(Deno.pid) && /^\d+$/.test(LISTEN_FDS ?? "") ? Number(LISTEN_FDS) : 0;
}

/** Serves until a signal comes. The first line of stdout is the address as bound. */
async function serve(task: StoreTask & { kind: "serve" }): Promise<number> {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  const watch = watchSignals(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"], {
    onSignal: () => stop(),
    onChildEnded: () => {},
    onResized: () => {},
  });
  try {
    const server = await startServer(task);
    await print(`${addressText({ hostname: server.host, port: server.port })}\n`);
    await stopped;
    server.close();
    return EXIT_CODES.success;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    await complain(error.message);
    return EXIT_CODES.system;
  } finally {
    watch.close();
  }
}

async function startServer(task: StoreTask & { kind: "serve" }): Promise<StoreServer> {
  const allowed = task.allowed === null ? null : [...task.allowed, ...ownRanges()];
  const options = { ...task, allowed, onLog: (line: string) => void complain(line) };
  if (task.listenDescriptor === null) return startStoreServer(options);
  const { inheritListener } = await import("./inherited_listener.ts");
  return serveStore(await inheritListener(task.listenDescriptor), options);
}

async function ask(question: StoreQuestion): Promise<number> {
  let store: StoreClient | undefined;
  try {
    store = await StoreClient.connect(question);
    for await (const text of answer(store, question)) {
      if (!await print(text)) break;
    }
    return EXIT_CODES.success;
  } catch (error) {
    if (error instanceof StoreTimeoutError) {
      await complain(error.message);
      return EXIT_CODES.workerFailed;
    }
    if (!(error instanceof StoreConnectionError || error instanceof StoreOperationError)) throw error;
    const isListing = question.operation === "list" || question.operation === "dump";
    const isCutOff = / was closed by the server|reset by peer/.test(error.message);
    await complain(`${error.message}${isListing && isCutOff ? NO_LISTS : ""}`);
    return EXIT_CODES.system;
  } finally {
    store?.close();
  }
}

/** What may be behind a connection that ends where keys were asked for: PyTorch's older servers give no reason. */
const NO_LISTS = "; PyTorch's servers can list their keys from 2.15 on";

/** What is to be printed, in pieces: a dump may be long. */
async function* answer(
  store: StoreClient,
  { operation, words, isJson }: StoreQuestion,
): AsyncGenerator<string> {
  const [key = "", word = ""] = words;
  const say = (text: string, json: unknown) => `${isJson ? JSON.stringify(json) : text}\n`;
  switch (operation) {
    case "get": {
      const value = await store.get(key);
      return yield say(readableText(value), { key, ...jsonValue(value) });
    }
    case "set":
      await store.set(key, word);
      // A server does not confirm SET; what comes back from a later request was after it.
      await store.countKeys();
      if (isJson) yield say("", { key, set: true });
      return;
    case "add": {
      const sum = await store.addInt64(key, BigInt(word));
      return yield isJson ? `{"key":${JSON.stringify(key)},"sum":${sum}}\n` : `${sum}\n`;
    }
    case "wait":
      await store.wait(words);
      if (isJson) yield say("", { keys: words, present: true });
      return;
    case "delete": {
      const deleted: string[] = [];
      for (const each of words) if (await store.delete(each)) deleted.push(each);
      return yield say(`${deleted.length} of ${words.length} deleted`, { deleted });
    }
    case "list": {
      const keys = await keysFrom(store, key);
      return yield isJson ? say("", keys) : keys.map((each) => `${lineText(utf8(each))}\n`).join("");
    }
    case "dump":
      return yield* dumped(store, await keysFrom(store, key), isJson);
    default:
      return unreachable(operation);
  }
}

async function keysFrom(store: StoreClient, prefix: string): Promise<string[]> {
  return (await store.listKeys()).filter((key) => key.startsWith(prefix)).sort();
}

/** Asked for at once: a round trip for each would take minutes for a million keys, and all of them all memory. */
const VALUES_AT_ONCE = 100;

/** A line for each key that is still there. */
async function* dumped(
  store: StoreClient,
  keys: readonly string[],
  isJson: boolean,
): AsyncGenerator<string> {
  for (let start = 0; start < keys.length; start += VALUES_AT_ONCE) {
    const lines = await Promise.all(
      keys.slice(start, start + VALUES_AT_ONCE).map(async (key) => {
        const value = await valueNow(store, key);
        if (value === null) return "";
        if (isJson) return `${JSON.stringify({ key, ...jsonValue(value) })}\n`;
        return `${lineText(utf8(key))}\t${lineText(value)}\n`;
      }),
    );
    yield lines.join("");
  }
}

/** Null: it is not there. */
async function valueNow(store: StoreClient, key: string): Promise<Uint8Array | null> {
  try {
    return await store.get(key, { timeoutMs: 0 });
  } catch (error) {
    if (error instanceof StoreTimeoutError) return null;
    throw error;
  }
}

function print(text: string): Promise<boolean> {
  return write(Deno.stdout, text);
}

function complain(line: string): Promise<boolean> {
  return write(Deno.stderr, `muster store: ${line}\n`);
}

/** Writes all of `text`; false: the reader went away, which is no error of ours. */
async function write(target: { write(bytes: Uint8Array): Promise<number> }, text: string): Promise<boolean> {
  try {
    for (let rest = utf8(text); rest.length > 0;) rest = rest.subarray(await target.write(rest));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}
