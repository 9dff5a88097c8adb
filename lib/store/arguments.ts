/** What `muster store …` is asked to do. Pure: words in, one of a few things to do out. */

import type { UsageProblem } from "../core/errors.ts";
import { type AddressRange, parseAddressRange } from "../core/address_range.ts";
import { LIMIT_WORDS, readLimits } from "./limit_words.ts";
import { DEFAULT_LIMITS, type StoreLimits } from "./limits.ts";
import type { Dialect } from "./wire.ts";

export const STORE_PORT_DEFAULT = 29400;

export type StoreTask =
  | {
    readonly kind: "serve";
    readonly host: string;
    readonly port: number;
    /** Serve on this inherited listening descriptor, not on `host` and `port`; null: bind those. */
    readonly listenDescriptor: number | null;
    readonly dialect: Dialect | null;
    /** Null: everybody may connect. */
    readonly allowed: readonly AddressRange[] | null;
    /** Those that are not the default. */
    readonly limits: Partial<StoreLimits>;
  }
  | StoreQuestion
  | { readonly kind: "help" }
  | { readonly kind: "problems"; readonly problems: readonly UsageProblem[] };

/** One operation of the small client for people who debug. */
export interface StoreQuestion {
  readonly kind: "ask";
  readonly operation: Operation;
  readonly host: string;
  readonly port: number;
  /** What follows the address. */
  readonly words: readonly string[];
  readonly timeoutMs: number;
  /** What the server speaks. */
  readonly dialect: Dialect;
  readonly isJson: boolean;
}

export type Operation = "get" | "set" | "add" | "wait" | "list" | "delete" | "dump";

/** Words that each operation takes after the address: at least, at most. */
const OPERATION_WORDS: Readonly<Record<Operation, readonly [number, number]>> = {
  get: [1, 1],
  set: [2, 2],
  add: [2, 2],
  wait: [1, Infinity],
  list: [0, 1],
  delete: [1, Infinity],
  dump: [0, 1],
};

const LIMITS_IN_LINE = 3;

function limitLines(): string {
  const texts = [...LIMIT_WORDS].map(([word, name]) => `${word}=${DEFAULT_LIMITS[name]}`);
  const lines: string[] = [];
  while (texts.length > 0) lines.push(`${" ".repeat(25)}${texts.splice(0, LIMITS_IN_LINE).join(" ")}`);
  return lines.join("\n");
}

export const STORE_HELP =
  `usage: muster store [--host HOST] [--port PORT | --listen-fd N] [--store-dialect D] [--store-allow CIDR,...]
                    [--limits NAME=N,...]
       muster store get    HOST:PORT KEY        print a value, once it is there
       muster store set    HOST:PORT KEY VALUE
       muster store add    HOST:PORT KEY N      add to a number and print the sum
       muster store wait   HOST:PORT KEY...     until all keys are there
       muster store list   HOST:PORT [PREFIX]   print the keys
       muster store delete HOST:PORT KEY...
       muster store dump   HOST:PORT [PREFIX]   print keys and values, long ones shortened unless with --json

Without an operation: serve a store that speaks PyTorch's TCPStore protocol until a signal ends it. The first
line of output is the address as bound.

  --host HOST            address to listen on (default 127.0.0.1: this machine only; 0.0.0.0 or :: for all)
  --port PORT            0 for any free port (default ${STORE_PORT_DEFAULT})
  --listen-fd N          serve on this inherited listening socket; the one that systemd hands over is found without
  --store-dialect D      what the clients speak: auto (default), a (PyTorch up to 2.0), b (2.1), c (2.2 on)
  --store-allow CIDR,... who may connect, beside this machine (default: everybody who can reach HOST)
  --limits NAME=N,...    other limits than these; who passes one is cut off:
${limitLines()}

With an operation:
  --timeout SECONDS      for connecting and waiting (default 5)
  --json                 print JSON
  --store-dialect D      what the store speaks: c (default; muster, PyTorch from 2.2 on), b (2.1) or a (up to 2.0),
                         which can't be found out: an older server waits for ever for the rest of a greeting
  --                     what follows are words, also if they look like options
`;

const DIALECTS: Readonly<Record<string, Dialect | null>> = { auto: null, a: "a", b: "b", c: "c" };
const SERVER_OPTIONS = ["--host", "--port", "--listen-fd", "--store-allow", "--limits"];
const CLIENT_OPTIONS = ["--timeout"];
const COMMON_OPTIONS = ["--store-dialect"];
const TIMEOUT_SECONDS_DEFAULT = 5;

/** The first of the descriptors that a service manager hands over. Source: sd_listen_fds(3). */
const ACTIVATED_DESCRIPTOR = 3;

/** Reads what follows `muster store`. `activatedCount`: how many listening sockets a service manager has handed over. */
export function readStoreTask(args: readonly string[], activatedCount = 0): StoreTask {
  const problems: UsageProblem[] = [];
  const { words, options, flags } = splitWords(args, problems);
  if (flags.has("--help")) return { kind: "help" };
  const task = words.length === 0
    ? readServe(options, { activatedCount, problems })
    : readQuestion(words, { options, flags, problems });
  const foreign = words.length === 0 ? [...CLIENT_OPTIONS, "--json"] : SERVER_OPTIONS;
  for (const name of foreign) {
    if (!options.has(name) && !flags.has(name)) continue;
    problems.push({
      message: `${name} has no meaning ${words.length === 0 ? "for a server" : `for '${words[0]}'`}`,
    });
  }
  return problems.length > 0 || task === null ? { kind: "problems", problems } : task;
}

interface Split {
  readonly words: string[];
  readonly options: Map<string, string>;
  readonly flags: Set<string>;
}

/** Only what begins with `--` is an option: -5 is a number to add. */
function splitWords(args: readonly string[], problems: UsageProblem[]): Split {
  const split: Split = { words: [], options: new Map(), flags: new Set() };
  for (let index = 0; index < args.length; index++) {
    const word = args[index]!;
    if (word === "--") {
      split.words.push(...args.slice(index + 1));
      break;
    }
    const [, name, joined] = /^(--[^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (word === "-h" || word === "--help") split.flags.add("--help");
    else if (name === undefined) split.words.push(word);
    else if (word === "--json") split.flags.add(word);
    else if (![...SERVER_OPTIONS, ...CLIENT_OPTIONS, ...COMMON_OPTIONS].includes(name)) {
      problems.push({ message: `No option ${name}` });
    } else if (joined === undefined && index + 1 === args.length) {
      problems.push({ message: `${name} needs a value` });
    } else split.options.set(name, joined ?? args[++index]!);
  }
  return split;
}

function readServe(
  options: ReadonlyMap<string, string>,
  { activatedCount, problems }: { readonly activatedCount: number; readonly problems: UsageProblem[] },
): StoreTask {
  const port = options.get("--port") ?? String(STORE_PORT_DEFAULT);
  const portNumber = parsePort(port);
  if (portNumber === undefined) {
    problems.push({ message: `--port must be a number from 0 to 65535: got ${port}` });
  }
  const limits = options.get("--limits");
  const allowed: AddressRange[] = [];
  for (const text of options.get("--store-allow")?.split(",") ?? []) {
    const range = parseAddressRange(text.trim());
    if (range === undefined) {
      problems.push({ message: `--store-allow takes addresses and ranges such as 10.0.0.0/8: got ${text}` });
    } else allowed.push(range);
  }
  return {
    kind: "serve",
    host: options.get("--host") ?? "127.0.0.1",
    port: portNumber ?? 0,
    listenDescriptor: readDescriptor(options, { activatedCount, problems }),
    dialect: readDialect(options, problems),
    allowed: options.has("--store-allow") ? allowed : null,
    limits: limits === undefined ? {} : readLimits(limits, problems),
  };
}

/** Null: not told. */
function readDialect(options: ReadonlyMap<string, string>, problems: UsageProblem[]): Dialect | null {
  const name = options.get("--store-dialect") ?? "auto";
  if (Object.hasOwn(DIALECTS, name)) return DIALECTS[name]!;
  problems.push({ message: `--store-dialect must be auto, a, b or c: got ${name}` });
  return null;
}

/** What was asked for counts before what was handed over. */
function readDescriptor(
  options: ReadonlyMap<string, string>,
  { activatedCount, problems }: { readonly activatedCount: number; readonly problems: UsageProblem[] },
): number | null {
  const given = options.get("--listen-fd");
  const isBound = options.has("--host") || options.has("--port");
  if (given === undefined) {
    if (isBound || activatedCount === 0) return null;
    if (activatedCount > 1) {
      const last = ACTIVATED_DESCRIPTOR + activatedCount - 1;
      problems.push({
        message:
          `A store serves on one socket, and ${activatedCount} were handed over (LISTEN_FDS): choose ` +
          `with --listen-fd ${ACTIVATED_DESCRIPTOR} to ${last}`,
      });
    }
    return ACTIVATED_DESCRIPTOR;
  }
  // On 1 and 2 the store itself has something to say.
  if (!/^\d{1,9}$/.test(given) || given === "1" || given === "2") {
    problems.push({ message: `--listen-fd must be an inherited descriptor, 0 or from 3 on: got ${given}` });
  }
  if (isBound) problems.push({ message: "--listen-fd brings its own address: leave out --host and --port" });
  return Number(given);
}

function readQuestion(
  [operation, address, ...words]: readonly string[],
  { options, flags, problems }: Omit<Split, "words"> & { readonly problems: UsageProblem[] },
): StoreTask | null {
  if (!Object.hasOwn(OPERATION_WORDS, operation!)) {
    problems.push({ message: `No operation '${operation}': use ${Object.keys(OPERATION_WORDS).join(", ")}` });
    return null;
  }
  const [least, most] = OPERATION_WORDS[operation as Operation];
  const seconds = Number(options.get("--timeout") ?? TIMEOUT_SECONDS_DEFAULT);
  if (!(seconds >= 0 && seconds < Infinity)) {
    problems.push({ message: `--timeout must be a number of seconds: got ${options.get("--timeout")}` });
  }
  const endpoint = parseEndpoint(address ?? "");
  if (endpoint === undefined) {
    problems.push({
      message: `'${operation}' needs the store's HOST:PORT first: got ${address ?? "nothing"}`,
    });
  } else if (words.length < least || words.length > most) {
    problems.push({ message: `'${operation}' does not take ${words.length} words after the address` });
  }
  if (operation === "add" && words.length === 2 && !isInt64(words[1]!)) {
    problems.push({ message: `'add' needs a whole number of 64 bits: got ${words[1]}` });
  }
  return {
    kind: "ask",
    operation: operation as Operation,
    ...endpoint ?? { host: "", port: 0 },
    words,
    timeoutMs: seconds * 1000,
    dialect: readDialect(options, problems) ?? "c",
    isJson: flags.has("--json"),
  };
}

function isInt64(text: string): boolean {
  if (!/^[+-]?\d+$/.test(text)) return false;
  const number = BigInt(text.replace("+", ""));
  return BigInt.asIntN(64, number) === number;
}

function parseEndpoint(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const portNumber = port === undefined ? undefined : parsePort(port);
  return portNumber === undefined || portNumber === 0
    ? undefined
    : { host: (bracketed ?? plain)!, port: portNumber };
}

function parsePort(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}
