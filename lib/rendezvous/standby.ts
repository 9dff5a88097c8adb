/** Who takes a job over when its host is lost. */

import type { CoordinatorEffect } from "./coordinator_events.ts";
import type { JobRecord } from "./job_record.ts";
import type { Standby } from "./message_codec.ts";

/** How many nodes stand by. */
const STANDBYS_MAX = 3;

/**
 * Appoints the first of those who are able: they learn what the job has come to, and everybody in the round (but the host,
 * `selfId`) learns where they are.
 */
export function appointStandbys(
  record: JobRecord,
  able: readonly Standby[],
  selfId: string,
): Extract<CoordinatorEffect, { kind: "tell" }>[] {
  const standbys = able.slice(0, STANDBYS_MAX);
  const guests = record.seats.filter((nodeId) => nodeId !== selfId);
  return [
    ...standbys.map(({ nodeId }) => ({
      kind: "tell" as const,
      nodeId,
      message: { kind: "record" as const, record },
    })),
    ...guests.map((nodeId) => ({
      kind: "tell" as const,
      nodeId,
      message: { kind: "standbys" as const, standbys },
    })),
  ];
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
