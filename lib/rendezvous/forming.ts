/** Whether a round may begin now, and with how many nodes. */

import type { NodeInfo } from "./ranks.ts";
import { type JobSettings, roundSize } from "./settings.ts";

export type Forming =
  | { readonly kind: "form"; readonly size: number }
  /** Too few, or without the right to go on. */
  | { readonly kind: "too-few" }
  /** `size` are enough, but more may come: wait for `lastCall`; null: for those who are here. */
  | { readonly kind: "wait"; readonly size: number; readonly lastCall: "first" | "takeover" | null };

export interface FormingSituation {
  readonly settings: JobSettings;
  /** Those who wait for a round. */
  readonly ready: readonly NodeInfo[];
  /** They give the right to form it (`ballot.ts`). */
  readonly mayForm: boolean;
  /** Nodes of the last round. */
  readonly before: readonly string[];
  /** Those of them that are known to be dead. */
  readonly dead: ReadonlySet<string>;
  /** No round was formed before, neither here nor by another host. */
  readonly isFirst: boolean;
  /** This host has taken the job over, and waits for those who may come over too. */
  readonly isTakeover: boolean;
  /** Who is here, has not joined yet, and may have workers of an earlier round. */
  readonly pending: readonly string[];
}

export function decideForming(situation: FormingSituation): Forming {
  const { settings, ready, mayForm, before, dead, isFirst, isTakeover, pending } = situation;
  const size = mayForm ? roundSize(ready.length, settings) : null;
  if (size === null) return { kind: "too-few" };
  const isFull = ready.length >= settings.nodesMax;
  if (isFirst && pending.length === 0) {
    return isFull ? { kind: "form", size } : { kind: "wait", size, lastCall: "first" };
  }
  // Those who are known to be gone are not waited for, only those who may still come over.
  const here = new Set(ready.map(({ nodeId }) => nodeId));
  const haveAllComeOver = isFull || before.every((nodeId) => here.has(nodeId) || dead.has(nodeId));
  if (isTakeover && !haveAllComeOver) return { kind: "wait", size, lastCall: "takeover" };
  // Workers of an earlier round may be alive with whoever is here and has not joined.
  return pending.length > 0 ? { kind: "wait", size, lastCall: null } : { kind: "form", size };
}
