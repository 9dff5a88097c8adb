/**
 * The nodes that may go on with a job without the machine at its endpoint, kept on that machine's disk. Whoever takes
 * part was here once, or was sent on from here, so nobody else can. An agent that is started here anew, after the host
 * was lost, begins the job only when too few of them are left for a round: two worlds would run otherwise if those who
 * go on elsewhere can't be reached just then.
 *
 * A node that answers nothing may live; one whose machine says that nobody listens at its port any more is gone, and so
 * is one that left in order, or whose name or port another agent has now.
 */

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
}

export const NEVER_BEGUN: Begun = { count: 0, nodes: [] };

export type CensusChange =
  | { readonly kind: "begin"; readonly count: number }
  | ({ readonly kind: "add" } & KnownNode)
  | { readonly kind: "remove"; readonly nodeId: string }
  | { readonly kind: "clear" };

export class Census {
  /** How often the job was begun before. */
  readonly begun: number;
  readonly #addresses: Map<string, string | null>;
  /** Those of agents before this one. */
  readonly #earlier: Set<string>;

  constructor({ count, nodes }: Begun) {
    this.begun = count;
    this.#addresses = new Map(nodes.map(({ nodeId, address }) => [nodeId, address]));
    this.#earlier = new Set(this.#addresses.keys());
  }

  /** Nodes of an earlier agent that may still run the job elsewhere. */
  get earlier(): KnownNode[] {
    return [...this.#earlier].map((nodeId) => ({ nodeId, address: this.#addresses.get(nodeId) ?? null }));
  }

  /** The job is begun now: those who go on with what was begun before are told so, and yield. */
  begin(): CensusChange[] {
    return [{ kind: "begin", count: this.begun + 1 }];
  }

  /** A node is here; `isFresh`: it was started since, whatever its name. */
  add({ nodeId, address }: KnownNode, isFresh: boolean): CensusChange[] {
    const changes: CensusChange[] = [];
    if (isFresh) this.#earlier.delete(nodeId);
    for (const { nodeId: other, address: place } of this.earlier) {
      if (place === address && place !== null && other !== nodeId) changes.push(...this.remove(other));
    }
    const before = this.#addresses.get(nodeId);
    if (before !== undefined && (address === null || address === before)) return changes;
    this.#addresses.set(nodeId, address);
    return [...changes, { kind: "add", nodeId, address }];
  }

  /** It is gone for good. */
  remove(nodeId: string): CensusChange[] {
    this.#earlier.delete(nodeId);
    return this.#addresses.delete(nodeId) ? [{ kind: "remove", nodeId }] : [];
  }

  /** The job is over here; those of whom nothing is known could go on by themselves only if they are enough. */
  end({ nodesMin }: JobSettings): CensusChange[] {
    if (this.#addresses.size === 0 || this.#addresses.size >= nodesMin) return [];
    this.#addresses.clear();
    this.#earlier.clear();
    return [{ kind: "clear" }];
  }
}
