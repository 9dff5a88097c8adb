/**
 * The record that torchrun's agents share: its `_RendezvousState`, as a plain value (torchrun.md 4.1). Records are never
 * changed in place: `torch_rules.ts` makes new ones.
 *
 * Times are by the wall clocks of whoever wrote them, in whole microseconds since 1970 as Python keeps them. 2026 is
 * 1.8e15, well below 2^53.
 */

/** Microseconds since 1970-01-01 UTC. */
export type WallUs = number;

export interface TorchNode {
  /** Address or name under which the node is reached. */
  readonly address: string;
  readonly pid: number;
  /** Tells rendezvous handlers of one process apart. */
  readonly localId: number;
}

/** How a release writes its record; whoever writes it follows the form found there. */
export interface RecordForm {
  /** Times carry "UTC". A release compares only its own kind: the other kind is an error inside torchrun. */
  readonly hasZones: boolean;
  /** There is a redundancy list. */
  readonly hasSpares: boolean;
}

export interface TorchRecord {
  readonly form: RecordForm;
  readonly round: number;
  /** The round's members are known, and their ranks. */
  readonly isComplete: boolean;
  /** When the last call of an incomplete round ends; null: none is on. */
  readonly deadline: WallUs | null;
  /** For good: the job is over. */
  readonly isClosed: boolean;
  /** Ranks; 0 for all while the round is incomplete. By `nodeName`, as the other three. */
  readonly participants: ReadonlyMap<string, number>;
  readonly waiting: ReadonlySet<string>;
  /** Those beyond MAX, who wait without disturbing the round. */
  readonly spares: ReadonlySet<string>;
  readonly heartbeats: ReadonlyMap<string, WallUs>;
  /** Every node that is named above. */
  readonly nodes: ReadonlyMap<string, TorchNode>;
}

/** PyTorch 2.6 and later. */
export const FORM_OF_2_6: RecordForm = { hasZones: true, hasSpares: true };
/** PyTorch up to 2.2. */
export const FORM_OF_2_2: RecordForm = { hasZones: false, hasSpares: false };

/** Releases whose agents' dialogues are recorded, by the form of their record; null: no such release is. */
export function exchangeOf(form: RecordForm): "assigned" | "gathered" | null {
  if (form.hasZones && form.hasSpares) return "assigned";
  return form.hasZones || form.hasSpares ? null : "gathered";
}

/** How a record's form is called when it can't be used. */
export function formText(form: RecordForm): string {
  return !form.hasZones && form.hasSpares ? "PyTorch 2.3 to 2.5" : "an unknown release of PyTorch";
}

export function emptyRecord(form: RecordForm): TorchRecord {
  return {
    form,
    round: 0,
    isComplete: false,
    deadline: null,
    isClosed: false,
    participants: new Map(),
    waiting: new Set(),
    spares: new Set(),
    heartbeats: new Map(),
    nodes: new Map(),
  };
}

/** As torchrun prints a node; the two numbers at its end make it one node's alone. */
export function nodeName({ address, pid, localId }: TorchNode): string {
  return `${address}_${pid}_${localId}`;
}

/** Python's order of the same three fields; strings compare by code points there. */
export function compareTorchNodes(a: TorchNode, b: TorchNode): number {
  return compareCodePoints(a.address, b.address) || a.pid - b.pid || a.localId - b.localId;
}

function compareCodePoints(a: string, b: string): number {
  const left = [...a], right = [...b];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const difference = left[index]!.codePointAt(0)! - right[index]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
