/**
 * `--rdzv-conf`: `key=value,key=value`. The keys and their kinds are those of torchrun 2.15's back ends
 * (torchrun.md 4.1 and 4.5), and for our etcd-v3 both spellings that those have for TLS, and a user. A key that no back
 * end knows is legal there, so it only earns a notice.
 */

import type { UsageProblem } from "../core/errors.ts";
import { accept, type Checked, quote, refuse } from "./checked.ts";
import { nearestWord } from "./nearest_word.ts";
import { parsePythonFloat, parsePythonInteger } from "./python_numbers.ts";

/** Keys to values, both without blanks around; a later entry replaces an earlier one of the same key. */
export type RendezvousConf = ReadonlyMap<string, string>;

/** Source: torchrun's `_parse_rendezvous_config`. */
export function parseRendezvousConf(text: string, source = "--rdzv-conf"): Checked<RendezvousConf> {
  const conf = new Map<string, string>();
  const all = text.trim();
  for (const entry of all === "" ? [] : all.split(",")) {
    const [key, value] = splitOnce(entry).map((part) => part.trim());
    if (key === "" || key === undefined) {
      return refuse(`${source} must be KEY=VALUE,KEY=VALUE,…: got ${quote(text)}`);
    }
    if (value === "" || value === undefined) {
      return refuse(`${source} has no value for ${quote(key)}: got ${quote(text)}`);
    }
    conf.set(key, value);
  }
  return accept(conf);
}

/** Values that the back end could not use, and keys that none of them knows. */
export function checkRendezvousConf(
  conf: RendezvousConf,
  backend: string,
): { readonly problems: readonly UsageProblem[]; readonly notices: readonly string[] } {
  const problems: UsageProblem[] = [];
  const unknown: string[] = [];
  const known = KEYS[backend];
  for (const [key, value] of conf) {
    const kind = known?.[key];
    if (kind !== undefined && !isOfKind(value, kind)) {
      problems.push({ message: `${quote(key)} in --rdzv-conf must be ${WANTED[kind]}: got ${quote(value)}` });
    } else if (!ALL_KEYS.includes(key)) {
      unknown.push(key);
    }
  }
  return { problems, notices: unknown.length === 0 ? [] : [unknownText(unknown)] };
}

/** One notice for all of them. */
function unknownText(keys: readonly string[]): string {
  const meant = keys.map((key) => nearestWord(key, ALL_KEYS)).filter((key) => key !== null);
  const hint = meant.length === 0 ? "" : `. Did you mean ${meant.map(quote).join(", ")}?`;
  const verb = keys.length === 1 ? "it is" : "they are";
  return `No rendezvous back end knows ${keys.map(quote).join(", ")} in --rdzv-conf; ${verb} ignored${hint}`;
}

type Kind =
  | "integer"
  | "positive integer"
  | "non-negative number"
  | "boolean"
  | "store type"
  | "protocol"
  | "text";

const WANTED: Readonly<Record<Exclude<Kind, "text">, string>> & { readonly text: string } = {
  "integer": "a whole number",
  "positive integer": "a whole number above 0",
  "non-negative number": "a number of at least 0",
  "boolean": "1, true, t, yes, y, 0, false, f, no or n",
  "store type": "tcp or file",
  "protocol": "http or https",
  "text": "text",
};

const DYNAMIC: Readonly<Record<string, Kind>> = {
  join_timeout: "positive integer",
  last_call_timeout: "positive integer",
  close_timeout: "positive integer",
  heartbeat_timeout: "positive integer",
  keep_alive_interval: "integer",
  keep_alive_max_attempt: "integer",
  cas_backoff_max_seconds: "non-negative number",
  read_timeout: "positive integer",
};

const ETCD_V2_TLS = {
  protocol: "protocol",
  ssl_cert: "text",
  ssl_cert_key: "text",
  ca_cert: "text",
} as const;
const ETCD_TLS = { protocol: "protocol", cacert: "text", cert: "text", key: "text" } as const;

const KEYS: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  "static": { timeout: "integer", rank: "text" },
  "c10d": { ...DYNAMIC, is_host: "boolean", store_type: "store type", timeout: "text" },
  "etcd-v3": {
    ...DYNAMIC,
    ...ETCD_V2_TLS,
    ...ETCD_TLS,
    user: "text",
    password: "text",
    password_file: "text",
  },
  "etcd-v2": { ...DYNAMIC, ...ETCD_V2_TLS },
  "etcd": {
    timeout: "integer",
    last_call_timeout: "integer",
    etcd_prefix: "text",
    ...ETCD_TLS,
  },
};

const ALL_KEYS = [...new Set(Object.values(KEYS).flatMap((keys) => Object.keys(keys)))];

function isOfKind(value: string, kind: Kind): boolean {
  switch (kind) {
    case "text":
      return true;
    case "integer":
      return parsePythonInteger(value) !== null;
    case "positive integer":
      return (parsePythonInteger(value) ?? 0) > 0;
    case "non-negative number": {
      const number = parsePythonFloat(value) ?? NaN;
      return number >= 0 && number !== Infinity;
    }
    case "boolean":
      return /^(1|true|t|yes|y|0|false|f|no|n)$/i.test(value);
    case "store type":
      return /^(tcp|file)$/i.test(value);
    case "protocol":
      return /^https?$/i.test(value);
  }
}

function splitOnce(entry: string): string[] {
  const equals = entry.indexOf("=");
  return equals < 0 ? [entry] : [entry.slice(0, equals), entry.slice(equals + 1)];
}
