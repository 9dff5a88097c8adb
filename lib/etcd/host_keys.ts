/**
 * Where a job stands in etcd: `/muster/<job id>/host` names the host while its lease lives, `epoch` counts the hosts that
 * there were, `job` is what outlives them, and `ended` tells those who come late, for a while, that the job is over. One
 * view of all is taken in one transaction, so that they agree.
 */

import { fromUtf8, utf8 } from "../core/bytes.ts";
import type { KeyValue, V3Answer, V3Compare, V3Operation, V3Request } from "./v3_wire.ts";

/** Who hosts the job. */
export interface Host {
  /** Counts the hosts that a job has had, from 1: of two that call themselves host the one with the greater is. */
  readonly epoch: number;
  readonly nodeId: string;
  /** Where the others reach it: "host:port". */
  readonly address: string;
}

export interface HostKeys {
  readonly host: string;
  readonly epoch: string;
  readonly job: string;
  readonly ended: string;
}

/** A job's id may hold anything; in a key it is percent-encoded, so that no id is another's folder. */
export function hostKeys(jobId: string): HostKeys {
  const folder = `/muster/${encodeURIComponent(jobId)}`;
  const key = (name: string) => `${folder}/${name}`;
  return { host: key("host"), epoch: key("epoch"), job: key("job"), ended: key("ended") };
}

/** All keys at one revision. */
export interface HostView {
  readonly revision: number;
  readonly host: KeyValue | null;
  readonly epoch: KeyValue | null;
  readonly job: KeyValue | null;
  readonly ended: KeyValue | null;
}

export function lookRequest(keys: HostKeys): V3Request {
  return { kind: "transaction", compare: [], success: ranges(keys), failure: [] };
}

/** Makes `host` the host, if there is none, no other has been since `view` and the job has not ended; else looks. */
export function takeRequest(keys: HostKeys, host: Host, lease: string, view: HostView): V3Request {
  return {
    kind: "transaction",
    compare: [
      { key: keys.host, createRevision: 0 },
      { key: keys.epoch, modRevision: view.epoch?.modRevision ?? 0 },
      { key: keys.ended, createRevision: 0 },
    ],
    success: [
      { kind: "put", key: keys.host, value: encodeHost(host), lease },
      { kind: "put", key: keys.epoch, value: utf8(String(host.epoch)) },
      ...ranges(keys),
    ],
    failure: ranges(keys),
  };
}

/**
 * Writes the job's record, if the host key is still the one made at `hostRevision`: whoever was deposed, and does not
 * know it yet, writes nothing. The record's own revision is compared too, so that a request that was held up on its
 * way can't undo a later one.
 */
export function saveRequest(
  keys: HostKeys,
  hostRevision: number,
  { job, lease }: { readonly job: Uint8Array; readonly lease: string },
  jobRevision: number,
): V3Request {
  return {
    kind: "transaction",
    compare: [isStillHost(keys, hostRevision), { key: keys.job, modRevision: jobRevision }],
    success: [{ kind: "put", key: keys.job, value: job, lease }],
    failure: ranges(keys),
  };
}

/** How a job ended, told to those who come late as long as `lease` lives. */
export interface EndMark {
  readonly exitCode: number;
  readonly lease: string;
}

/**
 * Takes the host key away from the host made at `hostRevision`, and with `over` the job's record as well. `mark`: what is
 * left in their place.
 */
export function removeRequest(
  keys: HostKeys,
  hostRevision: number,
  { over, mark }: { readonly over: boolean; readonly mark: EndMark | null },
): V3Request {
  const gone: V3Operation[] = [{ kind: "delete", key: keys.host }];
  if (over) gone.push({ kind: "delete", key: keys.job });
  if (mark !== null) {
    gone.push({ kind: "put", key: keys.ended, value: utf8(String(mark.exitCode)), lease: mark.lease });
  }
  return {
    kind: "transaction",
    compare: [isStillHost(keys, hostRevision)],
    success: gone,
    failure: ranges(keys),
  };
}

export function viewOf(keys: HostKeys, answer: V3Answer & { readonly kind: "transaction" }): HostView {
  const { revision, found } = answer;
  return {
    revision,
    host: found.get(keys.host) ?? null,
    epoch: found.get(keys.epoch) ?? null,
    job: found.get(keys.job) ?? null,
    ended: found.get(keys.ended) ?? null,
  };
}

/** The exit code with which the job of `view` ended a while ago; null: it did not, or has begun anew. */
export function endedWith({ host, ended }: HostView): number | null {
  if (host !== null || ended === null) return null;
  const text = fromUtf8(ended.value);
  return /^\d{1,3}$/.test(text) ? Math.min(255, Number(text)) : null;
}

/** The epoch that the next host has. */
export function nextEpoch(view: HostView): number {
  const text = view.epoch === null ? "0" : fromUtf8(view.epoch.value);
  return /^\d{1,15}$/.test(text) ? Number(text) + 1 : 1;
}

export function encodeHost({ epoch, nodeId, address }: Host): Uint8Array {
  return utf8(JSON.stringify({ epoch, node: nodeId, address }));
}

/** Null: somebody else has written there. */
export function decodeHost(value: Uint8Array): Host | null {
  try {
    const { epoch, node, address } = JSON.parse(fromUtf8(value));
    if (
      !Number.isSafeInteger(epoch) || epoch < 1 || typeof node !== "string" || typeof address !== "string"
    ) return null;
    return { epoch, nodeId: node, address };
  } catch {
    return null;
  }
}

/** Whether the record in `view` is `job`, byte by byte. */
export function holdsJob(view: HostView, job: Uint8Array): boolean {
  const held = view.job?.value;
  return held !== undefined && held.length === job.length && held.every((byte, index) => byte === job[index]);
}

function ranges(keys: HostKeys): V3Operation[] {
  return [keys.host, keys.epoch, keys.job, keys.ended].map((key) => ({ kind: "range", key }));
}

function isStillHost(keys: HostKeys, hostRevision: number): V3Compare {
  return { key: keys.host, createRevision: hostRevision };
}
