/** Who may connect to a node's ports. */

import { type AddressRange, parseAddressRange } from "../core/address_range.ts";
import { ownRanges } from "./local_addresses.ts";

/** The ranges of `--store-allow`, which was checked, and this machine; null: everybody. */
export function allowedRanges(text: string | null): AddressRange[] | null {
  return text === null ? null : [...ranges(text.split(",")), ...ownRanges()];
}

/**
 * Who may connect to a round's workers' store: its nodes, from any of their addresses. Where those are not known, the ranges
 * of `--store-allow`; null: everybody.
 */
export function admittedTo(peers: readonly string[], allowed: string | null): AddressRange[] | null {
  return peers.length === 0 ? allowedRanges(allowed) : ranges(peers);
}

function ranges(texts: readonly string[]): AddressRange[] {
  return texts.flatMap((text) => parseAddressRange(text.trim()) ?? []);
}
