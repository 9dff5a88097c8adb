/** Who takes a job over when its host is lost. */

import type { Memory } from "./ballot.ts";
import type { CoordinatorEffect } from "./coordinator_events.ts";
import { isSameRound, type JobRecord, type RoundId, type Standing } from "./job_record.ts";
import type { HostMessage, Standby } from "./message_codec.ts";

/** How many nodes stand by. */
const STANDBYS_MAX = 3;

type Tell = Extract<CoordinatorEffect, { kind: "tell" }>;

export function tellRecord(
  { record, standing }: { readonly record: JobRecord; readonly standing: Standing },
  standbys: readonly Standby[],
): Tell[] {
  return standbys.map(({ nodeId }): Tell => ({
    ...{ kind: "tell", nodeId },
    message: { kind: "record", record, standing },
  }));
}

export function tellStandbys(nodeId: string, standbys: readonly Standby[]): Tell {
  return { kind: "tell", nodeId, message: { kind: "standbys", standbys } };
}

/** Proposes a round to `nodeIds`; those who stand by (`able`, the first of them) learn all of it. */
export function tellProposal(
  record: JobRecord,
  bases: readonly RoundId[],
  { nodeIds, able }: { readonly nodeIds: readonly string[]; readonly able: readonly Standby[] },
): Tell[] {
  const { epoch, round, hostId } = record;
  const standbys = new Set(able.slice(0, STANDBYS_MAX).map(({ nodeId }) => nodeId));
  return nodeIds.map((nodeId): Tell => ({
    ...{ kind: "tell", nodeId },
    message: {
      ...{ kind: "propose", proposal: { epoch, round, hostId }, bases },
      record: standbys.has(nodeId) ? record : null,
    },
  }));
}

type SendOver = Extract<CoordinatorEffect, { kind: "tell" | "dismiss" }>;

/**
 * Sends the nodes of a host that yields to the one at `address`, before their sessions end: the stand-bys among them would
 * otherwise take this host's job over, beside that one's.
 */
export function sendOver(nodeIds: readonly string[], address: string): SendOver[] {
  const standbys = [{ nodeId: "", address }];
  return nodeIds.flatMap((nodeId): SendOver[] => [
    { kind: "tell", nodeId, message: { kind: "standbys", standbys } },
    { kind: "dismiss", nodeId },
  ]);
}

/** What a node knows of its job's rounds, and whether it is to take the job over. */
export class Succession {
  readonly #nodeId: string;
  #memory: Memory | null = null;
  /** The rounds from which this node would go on as the host; empty: it has no right to. */
  #chain: readonly JobRecord[] = [];
  #standbys: readonly Standby[] = [];
  #standing: Standing = "running";
  /** Its port is free. */
  #canHost = true;

  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  get memory(): Memory | null {
    return this.#memory;
  }

  get chain(): readonly JobRecord[] {
    return this.#chain;
  }

  get standbys(): readonly Standby[] {
    return this.#standbys;
  }

  /** Of the last round that began. */
  get standing(): Standing {
    return this.#standing;
  }

  /** This node's place among the stand-bys; null: it is none. */
  get place(): number | null {
    const place = this.#standbys.findIndex(({ nodeId }) => nodeId === this.#nodeId);
    return place < 0 || this.#chain.length === 0 || !this.#canHost ? null : place;
  }

  /** A round is proposed: it may begin without a word more to this node. */
  accept({ proposal, bases, record }: Extract<HostMessage, { kind: "propose" }>): void {
    this.#memory = { first: this.#memory?.first ?? proposal, latest: proposal };
    const before = bases.map((base) => this.#chain.find((one) => isSameRound(one, base)));
    const chain = [...before, record ?? undefined].filter((one) => one !== undefined);
    this.#chain = chain.length > bases.length ? chain : [];
  }

  /** A round has begun, and this node would go on from it. */
  settle({ record, standing }: Extract<HostMessage, { kind: "record" }>): void {
    this.#chain = [record];
    this.#standing = standing;
  }

  /**
   * As the host: appoints the first of those who are able. They learn what the job has come to, and all others who are
   * `present` learn where they are, also those without a seat: who stood by before and does not any more must know.
   */
  appointOthers({ record, standbys, present }: Extract<CoordinatorEffect, { kind: "formed" }>): Tell[] {
    this.appoint(standbys.slice(0, STANDBYS_MAX));
    const guests = present.filter((nodeId) => nodeId !== record.hostId);
    return [
      ...tellRecord({ record, standing: "running" }, this.#standbys),
      ...guests.map((nodeId) => tellStandbys(nodeId, this.#standbys)),
    ];
  }

  appoint(standbys: readonly Standby[]): void {
    this.#standbys = standbys;
    // The round that it knew gave the right to go on to others.
    if (this.place === null) this.#chain = [];
  }

  /** It has another port at which it could host the job. */
  begin(): void {
    this.#canHost = true;
  }

  /** It hosts the job or has hosted it, at the port that it had for that. */
  end(): void {
    this.#canHost = false;
    this.#standbys = [];
    this.#chain = [];
  }

  /**
   * Where to look for a new host, in order. A stand-by gives those before it their chance, and has none to look for if it
   * is the first; all others try every stand-by and then where the host was `before`.
   */
  whereToLook(before: readonly string[]): readonly string[] {
    const others = this.#standbys.filter(({ nodeId }) => nodeId !== this.#nodeId);
    const addresses = others.map(({ address }) => address);
    return this.place === null ? [...addresses, ...before] : addresses.slice(0, this.place);
  }
}

export function addressText(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The host of HOST:PORT. */
export function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}
