/** Who may connect to a node's ports. */

import { type AddressRange, parseAddressRange } from "../core/address_range.ts";

/** The ranges of `--store-allow`, which was checked; null: everybody. */
export function allowedRanges(text: string | null): AddressRange[] | null {
  return text === null ? null : ranges(text.split(","));
}

/** The addresses of a round's nodes and the ranges of `--store-allow`; null: everybody, since no address is known. */
export function admittedTo(peers: readonly string[], allowed: string | null): AddressRange[] | null {
  return peers.length === 0 ? allowedRanges(allowed) : [...ranges(peers), ...allowedRanges(allowed) ?? []];
}

function ranges(texts: readonly string[]): AddressRange[] {
  return texts.flatMap((text) => parseAddressRange(text.trim()) ?? []);
}
