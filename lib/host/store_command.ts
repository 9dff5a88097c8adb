/** `muster store`: a server by itself, and a small client for people who debug. */

import { EXIT_CODES, SystemError } from "../core/errors.ts";
import { utf8 } from "../core/bytes.ts";
import { unreachable } from "../core/assert.ts";
import { readStoreTask, STORE_HELP, type StoreQuestion, type StoreTask } from "../store/arguments.ts";
import { jsonValue, readableText } from "../store/value_text.ts";
import { watchSignals } from "./signals.ts";
import { StoreClient, StoreConnectionError, StoreTimeoutError } from "./store_client.ts";
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
    const host = server.host.includes(":") ? `[${server.host}]` : server.host;
    await print(`${host}:${server.port}\n`);
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
  const options = { ...task, onLog: (line: string) => void complain(line) };
  if (task.listenDescriptor === null) return startStoreServer(options);
  const { inheritListener } = await import("./inherited_listener.ts");
  return serveStore(await inheritListener(task.listenDescriptor), options);
}

async function ask(question: StoreQuestion): Promise<number> {
  let store: StoreClient | undefined;
  try {
    store = await StoreClient.connect(question);
    await print(await answer(store, question));
    return EXIT_CODES.success;
  } catch (error) {
    if (error instanceof StoreTimeoutError) {
      await complain(error.message);
      return EXIT_CODES.workerFailed;
    }
    if (!(error instanceof StoreConnectionError)) throw error;
    await complain(error.message);
    return EXIT_CODES.system;
  } finally {
    store?.close();
  }
}

async function answer(store: StoreClient, { operation, words, isJson }: StoreQuestion): Promise<string> {
  const [key = "", word = ""] = words;
  const say = (text: string, json: unknown) => `${isJson ? JSON.stringify(json) : text}\n`;
  switch (operation) {
    case "get": {
      const value = await store.get(key);
      return say(readableText(value), { key, ...jsonValue(value) });
    }
    case "set":
      await store.set(key, word);
      // A server does not confirm SET; what comes back from a later request was after it.
      await store.ping();
      return isJson ? say("", { key, set: true }) : "";
    case "add": {
      const sum = await store.addInt64(key, BigInt(word));
      return isJson ? `{"key":${JSON.stringify(key)},"sum":${sum}}\n` : `${sum}\n`;
    }
    case "wait":
      await store.wait(words);
      return isJson ? say("", { keys: words, present: true }) : "";
    case "delete": {
      const deleted: string[] = [];
      for (const each of words) if (await store.delete(each)) deleted.push(each);
      return say(`${deleted.length} of ${words.length} deleted`, { deleted });
    }
    case "list": {
      const keys = (await store.listKeys()).filter((each) => each.startsWith(key)).sort();
      return isJson ? say("", keys) : keys.map((each) => `${readableText(utf8(each))}\n`).join("");
    }
    case "dump": {
      const keys = (await store.listKeys()).filter((each) => each.startsWith(key)).sort();
      const lines: string[] = [];
      for (const each of keys) {
        // It may have been deleted since.
        if (!await store.check([each])) continue;
        const value = await store.get(each);
        lines.push(
          isJson
            ? JSON.stringify({ key: each, ...jsonValue(value) })
            : `${readableText(utf8(each))}\t${readableText(value)}`,
        );
      }
      return lines.map((line) => `${line}\n`).join("");
    }
    default:
      return unreachable(operation);
  }
}

function print(text: string): Promise<void> {
  return write(Deno.stdout, text);
}

function complain(line: string): Promise<void> {
  return write(Deno.stderr, `muster store: ${line}\n`);
}

/** Writes all of `text`; a reader that went away is no error of ours. */
async function write(target: { write(bytes: Uint8Array): Promise<number> }, text: string): Promise<void> {
  try {
    for (let rest = utf8(text); rest.length > 0;) rest = rest.subarray(await target.write(rest));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
