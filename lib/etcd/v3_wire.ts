/**
 * etcd's v3 API as its JSON gateway speaks it: requests to a path and a text, answers and errors back to values. Keys are
 * text here, values bytes; the gateway wants both in base64 and writes 64-bit numbers as text. Revisions stay below 2^53
 * for any cluster's life and are numbers; leases use all 63 bits and stay text.
 *
 * Source: etcd 3.4's `rpc.proto` and its gateway (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/).
 */

import { fromUtf8, utf8 } from "../core/bytes.ts";
import { unreachable } from "../core/assert.ts";

/** Decimal text of a lease's number. */
export type LeaseId = string;

/** What stands under one key. */
export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision of the write that made the key; grows whenever it is made anew. */
  readonly createRevision: number;
  readonly modRevision: number;
  /** Null: the key does not go away by itself. */
  readonly lease: LeaseId | null;
}

/** One step inside a transaction. */
export type V3Operation =
  | { readonly kind: "range"; readonly key: string }
  | { readonly kind: "put"; readonly key: string; readonly value: Uint8Array; readonly lease?: LeaseId }
  | { readonly kind: "delete"; readonly key: string };

/** What must hold for a transaction's `success`; 0 stands for a key that is not there. */
export type V3Compare =
  | { readonly key: string; readonly createRevision: number }
  | { readonly key: string; readonly modRevision: number };

export type V3Request =
  | {
    readonly kind: "transaction";
    readonly compare: readonly V3Compare[];
    readonly success: readonly V3Operation[];
    readonly failure: readonly V3Operation[];
  }
  | { readonly kind: "lease-grant"; readonly ttlSeconds: number }
  | { readonly kind: "lease-keep-alive"; readonly lease: LeaseId }
  | { readonly kind: "lease-revoke"; readonly lease: LeaseId }
  | { readonly kind: "authenticate"; readonly name: string; readonly password: string };

export type V3Answer =
  | {
    readonly kind: "transaction";
    /** The store's revision after the transaction. */
    readonly revision: number;
    readonly succeeded: boolean;
    /** By key, what the ranges found; null: nothing. */
    readonly found: ReadonlyMap<string, KeyValue | null>;
  }
  | { readonly kind: "lease-grant"; readonly lease: LeaseId; readonly ttlSeconds: number }
  /** `ttlSeconds` 0: there is no such lease. */
  | { readonly kind: "lease-keep-alive"; readonly ttlSeconds: number }
  | { readonly kind: "lease-revoke" }
  | { readonly kind: "authenticate"; readonly token: string };

/** An answer that etcd does not give: something else listens there, or a version that we don't know. */
export class EtcdFormatError extends Error {
  override readonly name = "EtcdFormatError";
}

/** What an error of etcd means for its caller. */
export type EtcdFault =
  /** This member can't answer now: ask another. What was asked may have happened. */
  | "unavailable"
  /** The token is missing or has expired. */
  | "unauthenticated"
  /** Asked again it would be refused again. */
  | "refused";

export interface EtcdErrorText {
  readonly fault: EtcdFault;
  readonly text: string;
}

/** Path and body of a request, to be sent by POST. */
export function encodeV3(request: V3Request): { readonly path: string; readonly body: string } {
  switch (request.kind) {
    case "transaction":
      return post("/v3/kv/txn", {
        compare: request.compare.map(encodeCompare),
        success: request.success.map(encodeOperation),
        failure: request.failure.map(encodeOperation),
      });
    case "lease-grant":
      return post("/v3/lease/grant", { TTL: String(request.ttlSeconds) });
    case "lease-keep-alive":
      return post("/v3/lease/keepalive", { ID: request.lease });
    case "lease-revoke":
      return post("/v3/lease/revoke", { ID: request.lease });
    case "authenticate":
      return post("/v3/auth/authenticate", { name: request.name, password: request.password });
    default:
      return unreachable(request);
  }
}

/** Path and body of a watch on one key from `fromRevision` on. */
export function encodeWatch(
  key: string,
  fromRevision: number,
): { readonly path: string; readonly body: string } {
  return post("/v3/watch", {
    create_request: { key: base64(key), start_revision: String(fromRevision), progress_notify: true },
  });
}

/** The answer to `request`. @throws {EtcdFormatError} It is none. */
export function decodeV3(request: V3Request, text: string): V3Answer {
  const answer = parseObject(text);
  switch (request.kind) {
    case "transaction": {
      const taken = answer.succeeded === true ? request.success : request.failure;
      return {
        kind: "transaction",
        revision: revisionOf(answer),
        succeeded: answer.succeeded === true,
        found: found(taken, answer.responses),
      };
    }
    case "lease-grant":
      return { kind: "lease-grant", lease: textOf(answer.ID, "ID"), ttlSeconds: numberOf(answer.TTL, "TTL") };
    case "lease-keep-alive":
      // One message of what gRPC would stream. The TTL of a lease that is gone is 0, which the gateway leaves out.
      return {
        kind: "lease-keep-alive",
        ttlSeconds: numberOf(objectOf(answer.result, "result").TTL ?? "0", "TTL"),
      };
    case "lease-revoke":
      return { kind: "lease-revoke" };
    case "authenticate":
      return { kind: "authenticate", token: textOf(answer.token, "token") };
    default:
      return unreachable(request);
  }
}

/** What an answer with an HTTP status of 400 or more says. Codes are gRPC's. */
export function decodeV3Error(status: number, text: string): EtcdErrorText {
  let error: Readonly<Record<string, unknown>>;
  try {
    error = parseObject(text);
  } catch {
    const unavailable = status >= 500 || status === 429;
    return { fault: unavailable ? "unavailable" : "refused", text: `HTTP status ${status}` };
  }
  const message = typeof error.error === "string" ? error.error : `HTTP status ${status}`;
  return { fault: faultOf(Number(error.code), message), text: message.replace(/^etcdserver: /, "") };
}

/** Source: `etcdserver/api/v3rpc/rpctypes/error.go`. */
function faultOf(code: number, message: string): EtcdFault {
  const [unknown, cancelled, invalid, deadline, exhausted, unavailable, unauthenticated] = [
    2,
    1,
    3,
    4,
    8,
    14,
    16,
  ];
  if (code === unauthenticated) return "unauthenticated";
  // Authentication is on and no token came, or the users have changed since the token was made.
  if (code === invalid && /user name is empty|auth store is old/.test(message)) return "unauthenticated";
  if (code === exhausted) return /too many requests/.test(message) ? "unavailable" : "refused";
  return [unknown, cancelled, deadline, unavailable].includes(code) ? "unavailable" : "refused";
}

function post(path: string, body: unknown): { readonly path: string; readonly body: string } {
  return { path, body: JSON.stringify(body) };
}

function encodeCompare(compare: V3Compare): unknown {
  const key = base64(compare.key);
  return "createRevision" in compare
    ? { key, target: "CREATE", result: "EQUAL", create_revision: String(compare.createRevision) }
    : { key, target: "MOD", result: "EQUAL", mod_revision: String(compare.modRevision) };
}

function encodeOperation(operation: V3Operation): unknown {
  const key = base64(operation.key);
  switch (operation.kind) {
    case "range":
      return { request_range: { key } };
    case "put": {
      const { value, lease } = operation;
      return { request_put: { key, value: value.toBase64(), ...(lease === undefined ? {} : { lease }) } };
    }
    case "delete":
      return { request_delete_range: { key } };
    default:
      return unreachable(operation);
  }
}

function found(taken: readonly V3Operation[], responses: unknown): Map<string, KeyValue | null> {
  const values = new Map<string, KeyValue | null>();
  const list = Array.isArray(responses) ? responses : [];
  taken.forEach((operation, index) => {
    if (operation.kind !== "range") return;
    const range = objectOf(objectOf(list[index], "responses").response_range, "response_range");
    const [first] = Array.isArray(range.kvs) ? range.kvs : [];
    values.set(operation.key, first === undefined ? null : decodeKeyValue(objectOf(first, "kvs")));
  });
  return values;
}

/** A key with its value; the gateway leaves out what is empty or 0. */
export function decodeKeyValue(kv: Readonly<Record<string, unknown>>): KeyValue {
  const lease = textOf(kv.lease ?? "0", "lease");
  return {
    key: fromUtf8(bytesFrom(kv.key, "key")),
    value: bytesFrom(kv.value ?? "", "value"),
    createRevision: numberOf(kv.create_revision ?? "0", "create_revision"),
    modRevision: numberOf(kv.mod_revision ?? "0", "mod_revision"),
    lease: lease === "0" ? null : lease,
  };
}

/** The revision that an answer's header names. */
export function revisionOf(answer: Readonly<Record<string, unknown>>): number {
  return numberOf(objectOf(answer.header, "header").revision ?? "0", "revision");
}

export function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new EtcdFormatError(`answered with ${shown(text)}, which is no JSON`);
  }
  return objectOf(value, "The answer");
}

export function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new EtcdFormatError(`answered without ${what}`);
}

export function numberOf(value: unknown, what: string): number {
  const number = typeof value === "string" || typeof value === "number" ? Number(value) : NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new EtcdFormatError(`answered with ${shown(JSON.stringify(value) ?? "nothing")} as ${what}`);
}

function textOf(value: unknown, what: string): string {
  if (typeof value === "string") return value;
  throw new EtcdFormatError(`answered without ${what}`);
}

function bytesFrom(value: unknown, what: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(textOf(value, what));
  } catch {
    throw new EtcdFormatError(`answered with a ${what} that is no base64`);
  }
}

function base64(text: string): string {
  return utf8(text).toBase64();
}

function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
