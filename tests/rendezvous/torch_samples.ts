/** Nodes, records and settings for the tests of torchrun's protocol. */

import {
  emptyRecord,
  FORM_OF_2_6,
  nodeName,
  type RecordForm,
  type TorchNode,
  type TorchRecord,
} from "../../lib/rendezvous/torch_record.ts";
import { apply, type TorchAction, type TorchRules } from "../../lib/rendezvous/torch_rules.ts";

/** 2026-11-25 21:50:03.123456 UTC. */
export const WALL = 1_795_643_403_123_456;

export function node(letter: string): TorchNode {
  return { address: letter, pid: 100, localId: 0 };
}

export function name(letter: string): string {
  return nodeName(node(letter));
}

export const rules = (nodesMin: number, nodesMax = nodesMin): TorchRules => ({
  nodesMin,
  nodesMax,
  lastCallMs: 30_000,
});

/** The record after each of `letters` has done `kind`, one after the other. */
export function after(
  record: TorchRecord,
  kind: Exclude<TorchAction["kind"], "complete">,
  letters: string,
  limits: TorchRules,
  wall = WALL,
): TorchRecord {
  return [...letters].reduce(
    (found, letter) => {
      const action: TorchAction = kind === "close" ? { kind, isAlarm: false } : { kind };
      return apply(found, action, limits, { me: node(letter), host: null, wall });
    },
    record,
  );
}

/** A record in which these take part. */
export function joined(letters: string, limits: TorchRules, form: RecordForm = FORM_OF_2_6): TorchRecord {
  return after(emptyRecord(form), "add-participant", letters, limits);
}
