/**
 * Text of one option to its value, or the problem with it. Each function takes the text and the name under which
 * the user gave it (`--nnodes`, `PET_NNODES`), accepts all that torchrun 2.15 accepts, and knows no other option.
 */

import { parseAddressRange } from "../core/address_range.ts";
import { SIGNAL_NUMBERS, type SignalName } from "../core/errors.ts";
import { accept, type Checked, quote, refuse } from "./checked.ts";
import { DEVICE_KINDS, type DeviceKind } from "./devices.ts";
import type { StreamMask, StreamMasks } from "./launch_plan.ts";
import { nearestWord } from "./nearest_word.ts";
import { parsePythonFloat, parsePythonInteger } from "./python_numbers.ts";

/** A number of workers, or what to count. */
export function parseWorkerCount(text: string, source = "--nproc-per-node"): Checked<number | DeviceKind> {
  const kind = DEVICE_KINDS.find((word) => word === text);
  if (kind !== undefined) return accept(kind);
  const count = parsePythonInteger(text);
  if (count === null) {
    const nearest = nearestWord(text, DEVICE_KINDS);
    const message = `${source} must be a number or one of ${DEVICE_KINDS.join(", ")}: got ${quote(text)}`;
    return refuse(message, nearest === null ? undefined : `Did you mean ${nearest}?`);
  }
  return count > 0 ? accept(count) : refuse(`${source} needs at least one worker: got ${quote(text)}`);
}

export interface NodeRange {
  readonly min: number;
  readonly max: number;
  /** Between two sizes that a round may have. */
  readonly step: number;
}

/** `N` or `MIN:MAX`, as torchrun's `parse_min_max_nnodes`, and `MIN:MAX:STEP`, which is ours. */
export function parseNodes(text: string, source = "--nnodes"): Checked<NodeRange> {
  const parts = text.split(":").map(parsePythonInteger);
  const [min, max = min, step = 1] = parts;
  const isNumber = (part: number | null | undefined) => part !== null && part !== undefined;
  if (parts.length > 3 || !isNumber(min) || !isNumber(max) || !isNumber(step)) {
    return refuse(`${source} must be a number of nodes, MIN:MAX or MIN:MAX:STEP: got ${quote(text)}`);
  }
  if (min! < 1 || min! > max! || step! < 1) {
    return refuse(`${source} needs at least one node and MIN no greater than MAX: got ${quote(text)}`);
  }
  return accept({ min: min!, max: max!, step: step! });
}

/**
 * `-r` and `-t`: `0` to `3` for all workers, or `RANK:MASK,…`. Source: torchrun's `Std.from_str`, whose ranks have
 * one digit; ours may have more.
 */
export function parseStreamMasks(text: string, source = "--redirects"): Checked<StreamMasks> {
  const trimmed = text.replace(/\n$/, "");
  if (/^[0-3]$/.test(trimmed)) return accept(Number(trimmed) as StreamMask);
  if (!/^(\p{Nd}+:[0-3],)*\p{Nd}+:[0-3]$/u.test(trimmed)) {
    return refuse(
      `${source} must be 0 (console), 1 (stdout), 2 (stderr), 3 (both) or RANK:MASK,… such as 0:3,1:2: ` +
        `got ${quote(text)}`,
    );
  }
  const masks = new Map<number, StreamMask>();
  for (const entry of trimmed.split(",")) {
    const [rank, mask] = entry.split(":");
    masks.set(parsePythonInteger(rank!)!, Number(mask) as StreamMask);
  }
  return accept(masks);
}

/** Ranks separated by commas, in ascending order, each once; null for the empty text: no filter. */
export function parseRankList(
  text: string,
  source = "--local-ranks-filter",
): Checked<readonly number[] | null> {
  if (text === "") return accept(null);
  const ranks = new Set<number>();
  for (const part of text.split(",")) {
    const rank = parsePythonInteger(part);
    if (rank === null) {
      return refuse(`${source} must be ranks separated by commas, such as 0,2: got ${quote(text)}`);
    }
    ranks.add(rank);
  }
  return accept([...ranks].sort((a, b) => a - b));
}

/** Items separated by commas; `,,` stands for a comma inside an item. The empty text is one empty item. */
export function parseCommaList(text: string): readonly string[] {
  // No argument and no variable can contain a NUL, so it can stand in for the escaped comma.
  return text.replaceAll(",,", "\0").split(",").map((item) => item.replaceAll("\0", ","));
}

/** `host`, `host:port`, `[v6]`, `[v6]:port`. */
export interface Endpoint {
  /** Without brackets. */
  readonly host: string;
  /** Null when the text has none. */
  readonly port: number | null;
}

/** Source: torchrun's `parse_rendezvous_endpoint`; the empty text is `localhost`. */
export function parseEndpoint(text: string, source = "--rdzv-endpoint"): Checked<Endpoint> {
  const endpoint = text.trim();
  if (endpoint === "") return accept({ host: "localhost", port: null });
  const bracketed = endpoint.startsWith("[") && endpoint.endsWith("]");
  const colon = bracketed ? -1 : endpoint.lastIndexOf(":");
  const hostPart = colon < 0 ? endpoint : endpoint.slice(0, colon);
  const host = /^\[.*\]$/.test(hostPart) ? hostPart.slice(1, -1) : hostPart;
  let port: number | null = null;
  if (colon >= 0) {
    const portText = endpoint.slice(colon + 1);
    port = Number(portText);
    if (!/^\d{1,5}$/.test(portText) || port > 65535) {
      return refuse(`The port in ${source} must be a number from 0 to 65535: got ${quote(text)}`);
    }
  }
  if (!/^[\w.:-]+$/.test(host) && !/^[\p{L}\p{N}_.:-]+$/u.test(host)) {
    return refuse(`The host in ${source} must be a name, an IPv4 or an IPv6 address: got ${quote(text)}`);
  }
  return accept({ host, port });
}

/** `PORT` or `HOST:PORT`, to listen on; without a host all addresses. */
export function parseListenAddress(
  text: string,
  source = "--metrics-port",
): Checked<{ readonly host: string; readonly port: number }> {
  const checked = parseEndpoint(text.includes(":") ? text : `[::]:${text}`, source);
  if (checked.kind === "problem") return checked;
  const { host, port } = checked.value;
  return port === null
    ? refuse(`${source} must be PORT or HOST:PORT: got ${quote(text)}`)
    : accept({ host, port });
}

/** Addresses and ranges separated by commas. */
export function checkAddressRanges(text: string, source = "--store-allow"): Checked<string> {
  const wrong = text.split(",").find((range) => parseAddressRange(range.trim()) === undefined);
  if (wrong === undefined) return accept(text);
  return refuse(`${source} must be addresses or ranges such as 10.0.0.0/8,fd00::/8: ${quote(wrong)} is none`);
}

export interface SignalList {
  readonly signals: readonly SignalName[];
  /** Names that are no signals here, as written. */
  readonly unknown: readonly string[];
}

/** Signal names separated by commas, with or without `SIG`. Nobody can catch SIGKILL and SIGSTOP: a problem. */
export function parseSignalNames(text: string, source = "--signals-to-handle"): Checked<SignalList> {
  const signals = new Set<SignalName>();
  const unknown: string[] = [];
  for (const part of text.split(",")) {
    const written = part.trim();
    const upper = written.toUpperCase();
    const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
    if (name === "SIGKILL" || name === "SIGSTOP") {
      return refuse(`${source} cannot contain ${name}, which no process can catch: got ${quote(text)}`);
    }
    if (Object.hasOwn(SIGNAL_NUMBERS, name)) signals.add(name as SignalName);
    else if (written !== "") unknown.push(written);
  }
  return accept({ signals: [...signals], unknown });
}

/** As `parseSignalNames`, but an unknown name is a problem: the option is ours, nobody relies on its leniency. */
export function parseForwardedSignals(
  text: string,
  source = "--forward-signals",
): Checked<readonly SignalName[]> {
  const checked = parseSignalNames(text, source);
  if (checked.kind === "problem") return checked;
  const { signals, unknown } = checked.value;
  if (unknown.length === 0) return accept(signals);
  return refuse(`${source} must be signal names such as USR1,USR2: ${quote(unknown[0]!)} is none`);
}

/** A check that the text is one of `words`, wherever it comes from. */
export function checkOneOf(words: readonly string[]): (text: string, source: string) => Checked<string> {
  return (text, source) =>
    words.includes(text)
      ? accept(text)
      : refuse(`${source} must be one of ${words.join(", ")}: got ${quote(text)}`);
}

export const checkNotNegative = checkNumber("at least 0", (value) => value >= 0);
export const checkPositive = checkNumber("greater than 0", (value) => value > 0 && value !== Infinity);

/** A check of a number; `wanted` says in words what must hold. */
function checkNumber(
  wanted: string,
  holds: (value: number) => boolean,
): (text: string, source: string) => Checked<number> {
  return (text, source) => {
    const value = parsePythonFloat(text);
    return value !== null && holds(value)
      ? accept(value)
      : refuse(`${source} must be ${wanted}: got ${quote(text)}`);
  };
}
