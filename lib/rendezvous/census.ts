/**
 * Who may go on with a job without the machine at its endpoint, kept on that machine's disk. Whoever takes part was here
 * once, or was sent on from here, so there is nobody else; and fewer than MIN can't form a round. So if fewer are not here,
 * no round runs elsewhere, nor has one that those who are here know nothing of: they need no votes to go on. Who is not
 * here may have the right to go on from the last round all the same, and newcomers would make them enough: so the job is
 * begun once more by such a round, with numbers above all that were before (`numbersBefore`), and newcomers go there.
 *
 * And an agent that is started here anew, after the host was lost, begins the job anew only then: those who go on
 * elsewhere may just be out of reach. For that alone a node that is gone does not count, so that a job of which everything
 * was killed is begun again without delay: its machine says that nobody listens at its port any more, or another agent
 * has its name or port. One that answers nothing may live.
 */

import type { CoordinatorEffect } from "./coordinator_events.ts";
import { begunBy } from "./job_record.ts";
import type { JobSettings } from "./settings.ts";

export interface KnownNode {
  readonly nodeId: string;
  /** HOST:PORT where it would host; null: nowhere, or that is not known yet. */
  readonly address: string | null;
}

/** What the machine at the endpoint knows of a job. */
export interface Begun {
  /** How often the job was begun there. */
  readonly count: number;
  /** Who may go on with it. */
  readonly nodes: readonly KnownNode[];
  /** Who is gone since the last round that was formed there: who begins anew does not know what they have done before. */
  readonly gone: readonly string[];
}

export const NEVER_BEGUN: Begun = { count: 0, nodes: [], gone: [] };

export type CensusChange =
  /** The job is begun once more, and whoever was gone by then has no part in it. */
  | { readonly kind: "begin"; readonly count: number }
  | ({ readonly kind: "add" } & KnownNode)
  /** It has left in order, or was found dead. */
  | { readonly kind: "gone"; readonly nodeId: string }
  /** A round was formed here: who was gone before has no part in what follows. */
  | { readonly kind: "formed" }
  | { readonly kind: "clear" };

/** What comes of all that was noted, in order. */
export function begunAfter(changes: Iterable<CensusChange>): Begun {
  const nodes = new Map<string, KnownNode>(), gone = new Set<string>();
  let count = 0;
  for (const change of changes) {
    switch (change.kind) {
      case "add":
        nodes.set(change.nodeId, { nodeId: change.nodeId, address: change.address });
        break;
      case "gone":
        nodes.delete(change.nodeId);
        gone.add(change.nodeId);
        break;
      case "begin":
        count = change.count;
        gone.clear();
        break;
      case "formed":
        gone.clear();
        break;
      case "clear":
        count = 0;
        nodes.clear();
        gone.clear();
    }
  }
  return { count, nodes: [...nodes.values()], gone: [...gone] };
}

/** No node id. */
const AGENT_BEFORE = "(agent before)";

type Probe = Extract<CoordinatorEffect, { kind: "probe" }>;

export class Census {
  #begun: number;
  readonly #isComplete: boolean;
  readonly #addresses: Map<string, string | null>;
  /** Of whom it is not known what they have done before. */
  readonly #gone: Set<string>;
  /** Somebody has left in order since the last round. */
  #haveLeft = false;
  /** Those who may live that agents before this one knew. */
  readonly #earlier: Set<string>;

  /** `isComplete`: nobody comes by other places. */
  constructor({ count, nodes, gone }: Begun, isComplete = true) {
    this.#begun = count;
    this.#isComplete = isComplete;
    this.#addresses = new Map(nodes.map(({ nodeId, address }) => [nodeId, address]));
    this.#gone = new Set(gone);
    // Of the agents before on this machine one at a time can have taken part in a round.
    if (count > 0) this.#gone.add(AGENT_BEFORE);
    this.#earlier = new Set(this.#addresses.keys());
  }

  /** How often the job was begun. */
  get begun(): number {
    return this.#begun;
  }

  /** All who took part, but for those who left in order; null: there may be others. */
  get everybody(): KnownNode[] | null {
    if (!this.#isComplete) return null;
    // A node that is here may have the name of one that is gone.
    const gone = [...this.#gone].map((nodeId) => ({ nodeId: `${nodeId} (gone)`, address: null }));
    return [...[...this.#addresses].map(([nodeId, address]) => ({ nodeId, address })), ...gone];
  }

  /** Nodes of an earlier agent that may still run the job elsewhere. */
  get earlier(): KnownNode[] {
    return [...this.#earlier].map((nodeId) => ({ nodeId, address: this.#addresses.get(nodeId) ?? null }));
  }

  /** Asks their machines. */
  get probes(): Probe[] {
    return this.earlier.flatMap(({ nodeId, address }): Probe[] =>
      address === null ? [] : [{ kind: "probe", nodeId, address }]
    );
  }

  /** A round is proposed under this number: if the job is begun by that, those who go on with what was before are to yield. */
  see(epoch: number): CensusChange[] {
    const count = begunBy(epoch);
    if (count <= this.#begun) return [];
    this.#begun = count;
    this.#gone.clear();
    return [{ kind: "begin", count }];
  }

  /** A round is formed here. */
  form(): CensusChange[] {
    if (this.#gone.size === 0 && !this.#haveLeft) return [];
    this.#gone.clear();
    this.#haveLeft = false;
    return [{ kind: "formed" }];
  }

  /** A node is here; `isFresh`: it was started since, whatever its name. */
  add({ nodeId, address }: KnownNode, isFresh: boolean): CensusChange[] {
    const changes: CensusChange[] = [];
    if (isFresh) this.#earlier.delete(nodeId);
    for (const { nodeId: other, address: place } of this.earlier) {
      if (place === address && place !== null && other !== nodeId) changes.push(...this.strike(other));
    }
    const before = this.#addresses.get(nodeId);
    if (isFresh && before != null && before !== address) {
      return [...changes, ...this.strike(nodeId), ...this.add({ nodeId, address }, false)];
    }
    if (before !== undefined && (address === null || address === before)) return changes;
    this.#addresses.set(nodeId, address);
    return [...changes, { kind: "add", nodeId, address }];
  }

  /** It has left in order: what it has done is known, here and now. */
  remove(nodeId: string): CensusChange[] {
    this.#earlier.delete(nodeId);
    if (!this.#addresses.delete(nodeId)) return [];
    this.#haveLeft = true;
    return [{ kind: "gone", nodeId }];
  }

  /** It is dead, whatever it has done before. */
  strike(nodeId: string): CensusChange[] {
    const changes = this.remove(nodeId);
    if (changes.length > 0) this.#gone.add(nodeId);
    return changes;
  }

  /** The job is over here; those of whom nothing is known could go on by themselves only if they are enough. */
  end({ nodesMin }: JobSettings): CensusChange[] {
    // Also where all have left the machine still knows that it was begun.
    const isKnown = this.#begun > 0 || this.#addresses.size > 0;
    if (!isKnown || this.#addresses.size >= nodesMin) return [];
    for (const nodes of [this.#addresses, this.#gone, this.#earlier]) nodes.clear();
    return [{ kind: "clear" }];
  }
}
