/** Who takes a job over when its host is lost. */

import type { CoordinatorEffect } from "./coordinator_events.ts";
import type { JobRecord } from "./job_record.ts";
import type { Standby } from "./message_codec.ts";

/** How many nodes stand by. */
const STANDBYS_MAX = 3;

type Tell = Extract<CoordinatorEffect, { kind: "tell" }>;

/**
 * Appoints the first of those who are able: they learn what the job has come to, and all others who are `present` learn
 * where they are, also those without a seat: who stood by in the round before and does not any more must know.
 */
export function appointStandbys(
  record: JobRecord,
  able: readonly Standby[],
  present: readonly string[],
): { readonly standbys: readonly Standby[]; readonly effects: Tell[] } {
  const standbys = able.slice(0, STANDBYS_MAX);
  const records = standbys.map(({ nodeId }): Tell => ({
    ...{ kind: "tell", nodeId },
    message: { kind: "record", record },
  }));
  const guests = present.filter((nodeId) => nodeId !== record.hostId);
  return { standbys, effects: [...records, ...guests.map((nodeId) => tellStandbys(nodeId, standbys))] };
}

export function tellStandbys(nodeId: string, standbys: readonly Standby[]): Tell {
  return { kind: "tell", nodeId, message: { kind: "standbys", standbys } };
}

type SendOver = Extract<CoordinatorEffect, { kind: "tell" | "dismiss" }>;

/**
 * Sends the nodes of a host that yields (`selfId`) to the one at `address`, before their sessions end: the stand-bys among
 * them would otherwise take this host's job over, beside that one's.
 */
export function sendOver(nodeIds: readonly string[], selfId: string, address: string): SendOver[] {
  const standbys = [{ nodeId: "", address }];
  return nodeIds.filter((nodeId) => nodeId !== selfId).flatMap((nodeId): SendOver[] => [
    { kind: "tell", nodeId, message: { kind: "standbys", standbys } },
    { kind: "dismiss", nodeId },
  ]);
}

/**
 * Where a node looks for a new host, in order. A stand-by (`place` is its own) gives those before it their chance, and has
 * none to look for if it is the first; all others try every stand-by and then where the host was `before`.
 */
export function whereToLook(
  standbys: readonly Standby[],
  place: number | null,
  before: readonly string[],
): readonly string[] {
  const addresses = standbys.map(({ address }) => address);
  return place === null ? [...addresses, ...before] : addresses.slice(0, place);
}

/** The host of HOST:PORT. */
export function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}
