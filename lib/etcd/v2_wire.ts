/**
 * etcd's v2 API (`/v2/keys`, etcd 3.4 with `--enable-v2`), as far as torchrun's two back ends use it through python-etcd:
 * values are text, writes may compare with what was there, keys may live for a time, and one change is waited for by a
 * request that is answered late.
 *
 * Source: etcd 3.4's Documentation/v2/api.md and errorcode.md.
 */

export interface V2Node {
  readonly key: string;
  /** Empty for a directory. */
  readonly value: string;
  readonly isDirectory: boolean;
  /** What is in a directory, if it was asked for. */
  readonly nodes: readonly V2Node[];
  /** Changes with every write of the key. */
  readonly modifiedIndex: number;
}

/** What must hold for a write. */
export interface V2Condition {
  readonly prevExist?: boolean;
  readonly prevIndex?: number;
  readonly prevValue?: string;
}

export type V2Request =
  | { readonly kind: "get"; readonly key: string }
  /** Answered by the first change of `key`, or below it, whose index is at least `fromIndex`. */
  | { readonly kind: "wait"; readonly key: string; readonly fromIndex: number; readonly recursive: boolean }
  /** `ttlSeconds` null: for ever. */
  | {
    readonly kind: "put";
    readonly key: string;
    readonly value: string;
    readonly ttlSeconds: number | null;
    readonly condition?: V2Condition;
  }
  | { readonly kind: "make-directory"; readonly key: string; readonly ttlSeconds: number | null }
  /** Lets a key or directory live on for `ttlSeconds`, without a change that anybody waits for. */
  | { readonly kind: "refresh"; readonly key: string; readonly ttlSeconds: number }
  | { readonly kind: "delete"; readonly key: string; readonly prevValue: string };

export type V2Answer =
  /** `index`: of the store at the answer; what comes later has a greater one. */
  | { readonly kind: "node"; readonly index: number; readonly node: V2Node }
  | { readonly kind: "missing"; readonly index: number }
  /** The condition does not hold: the key is there, or has changed. */
  | { readonly kind: "not-so"; readonly index: number }
  /** A wait begins too far back: only the last 1000 changes of a store are kept. */
  | { readonly kind: "forgotten"; readonly index: number }
  /** This member can't serve now: ask another. */
  | { readonly kind: "unavailable"; readonly text: string }
  | { readonly kind: "refused"; readonly text: string };

export interface V2Question {
  readonly method: "GET" | "PUT" | "DELETE";
  readonly path: string;
  /** A form; undefined: none. */
  readonly body?: string;
}

export function encodeV2(request: V2Request): V2Question {
  const path = `/v2/keys${request.key.split("/").map(encodeURIComponent).join("/")}`;
  switch (request.kind) {
    case "get":
      // Through the leader's log, so that what another member has confirmed is seen.
      return { method: "GET", path: `${path}?quorum=true` };
    case "wait": {
      const recursive = request.recursive ? "&recursive=true" : "";
      return { method: "GET", path: `${path}?wait=true&waitIndex=${request.fromIndex}${recursive}` };
    }
    case "put": {
      const { value, ttlSeconds, condition = {} } = request;
      const conditions = Object.entries(condition).map(([name, text]) => [name, String(text)] as const);
      return put(path, ["value", value], ...ttl(ttlSeconds), ...conditions);
    }
    case "make-directory":
      return put(path, ["dir", "true"], ["prevExist", "false"], ...ttl(request.ttlSeconds));
    case "refresh":
      return put(path, ["refresh", "true"], ["prevExist", "true"], ...ttl(request.ttlSeconds));
    case "delete":
      return { method: "DELETE", path: `${path}?prevValue=${encodeURIComponent(request.prevValue)}` };
  }
}

/** `index`: the answer's X-Etcd-Index; null: it has none. */
export function decodeV2(status: number, index: string | null, text: string): V2Answer {
  let answer: Record<string, unknown>;
  try {
    answer = JSON.parse(text);
  } catch {
    // A wait that a member gives up ends empty.
    const shown = text.trim() === "" ? "an empty answer" : text.slice(0, 80).trim();
    return status < 400 || status >= 500
      ? { kind: "unavailable", text: shown }
      : { kind: "refused", text: `HTTP status ${status}: ${shown}` };
  }
  if (status < 400) {
    const node = decodeNode(answer.node);
    if (node === null) return { kind: "refused", text: "it does not answer as etcd does" };
    return { kind: "node", index: Number(index ?? node.modifiedIndex), node };
  }
  return decodeError(answer, status);
}

function decodeError(answer: Record<string, unknown>, status: number): V2Answer {
  const index = Number(answer.index ?? 0), message = String(answer.message ?? `HTTP status ${status}`);
  const text = answer.cause ? `${message} (${String(answer.cause)})` : message;
  switch (answer.errorCode) {
    case 100:
      return { kind: "missing", index };
    case 101:
    case 105:
      return { kind: "not-so", index };
    case 401:
      return { kind: "forgotten", index };
    // Raft is at fault, or there is no leader.
    case 300:
    case 301:
      return { kind: "unavailable", text };
    default:
      return { kind: status >= 500 ? "unavailable" : "refused", text };
  }
}

function decodeNode(value: unknown): V2Node | null {
  if (typeof value !== "object" || value === null) return null;
  const node = value as Record<string, unknown>;
  const nodes = Array.isArray(node.nodes) ? node.nodes.map(decodeNode) : [];
  if (typeof node.modifiedIndex !== "number" || typeof node.key !== "string" || nodes.includes(null)) {
    return null;
  }
  return {
    key: node.key,
    value: typeof node.value === "string" ? node.value : "",
    isDirectory: node.dir === true,
    nodes: nodes as V2Node[],
    modifiedIndex: node.modifiedIndex,
  };
}

function put(path: string, ...fields: readonly (readonly [string, string])[]): V2Question {
  return {
    method: "PUT",
    path,
    body: new URLSearchParams(fields.map(([name, text]) => [name, text])).toString(),
  };
}

function ttl(seconds: number | null): (readonly [string, string])[] {
  return seconds === null ? [] : [["ttl", String(seconds)]];
}
