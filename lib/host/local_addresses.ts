/** Which addresses are this machine's, and whether an endpoint is one of them. */

import { type AddressRange, parseAddressRange } from "../core/address_range.ts";

/** Addresses of all interfaces but the loopback one; those that mean something on one link only are left out. */
export function interfaceAddresses(): string[] {
  return Deno.networkInterfaces().map(({ address }) => address).filter((address) =>
    !isLoopback(address) && !address.startsWith("fe80")
  );
}

/** The same as ranges: what is admitted as "this machine", beside its loopback addresses. */
export function ownRanges(): AddressRange[] {
  return interfaceAddresses().flatMap((address) => parseAddressRange(address) ?? []);
}

export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** A literal loopback address, or the name that means it everywhere. */
export function meansThisMachineOnly(host: string): boolean {
  return isLoopback(host) || host.toLowerCase() === "localhost";
}

/**
 * Whether `host` is this machine: one of its addresses, a name that means one of them, or its own name. A name may well
 * mean the loopback address, as Debian's hosts file has it for the machine's own.
 */
export async function isThisMachine(host: string, hostName: string): Promise<boolean> {
  if (meansThisMachineOnly(host)) return true;
  const own = new Set(Deno.networkInterfaces().map(({ address }) => address));
  if (own.has(canonicalAddress(host))) return true;
  if (host === hostName) return true;
  // One that is not known yet is not this machine, which knows its own name.
  return (await addressesOf(host)).some((address) => own.has(address) || isLoopback(address));
}

/** What a name means now; empty: nothing, or what it says itself. */
export async function addressesOf(host: string): Promise<string[]> {
  if (host.includes(":") || /^[\d.]+$/.test(host) || meansThisMachineOnly(host)) return [];
  const { lookup } = await import("node:dns/promises");
  const found = await lookup(host, { all: true }).catch(() => []);
  return [...new Set(found.map(({ address }) => address))];
}

/** Where to be reached when no connection shows it: the endpoint itself, else the first interface's address. */
export function fallbackAddress(endpointHost: string): string {
  if (meansThisMachineOnly(endpointHost)) return "127.0.0.1";
  const own = interfaceAddresses();
  const address = canonicalAddress(endpointHost);
  if (own.includes(address)) return address;
  return own.find((address) => !address.includes(":")) ?? own[0] ?? "127.0.0.1";
}

/** An IPv6 address as the system writes it, since people write zeros and capitals too; anything else as it is. */
export function canonicalAddress(host: string): string {
  if (!host.includes(":") || !URL.canParse(`http://[${host}]`)) return host;
  return new URL(`http://[${host}]`).hostname.slice(1, -1);
}

/** This machine's address as it shows at HOST:PORT, which must take connections. */
export async function addressTowards(host: string, port: number): Promise<string> {
  const socket = await Deno.connect({ hostname: host, port, autoSelectFamily: true });
  const { hostname } = socket.localAddr;
  socket.close();
  return hostname;
}
