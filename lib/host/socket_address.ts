/** Socket addresses as the kernel has them (`struct sockaddr_in`, `sockaddr_in6`), and as Deno and people write them. */

import { assert } from "../core/assert.ts";

/** Size of the larger of the two. */
export const SOCKET_ADDRESS_BYTES = 28;

const AF_INET = 2;
const AF_INET6 = 10;
const PORT_OFFSET = 2;
const IPV4_OFFSET = 4;
const IPV6_OFFSET = 8;
const IPV6_GROUPS = 8;
/** Of ::ffff:0:0/96, the image of IPv4 in IPv6, the groups before the address. */
const IPV4_IMAGE = "0:0:0:0:0:ffff";

export interface SocketAddress {
  readonly hostname: string;
  readonly port: number;
}

/** HOST:PORT as people write it; a dual-stack listener sees IPv4 as its image in IPv6. */
export function addressText({ hostname, port }: SocketAddress): string {
  const plain = plainAddress(hostname);
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** IPv4 as itself where it is seen in its image in IPv6. */
export function plainAddress(hostname: string): string {
  return hostname.replace(/^::ffff:(?=\d+\.)/i, "");
}

/** What `bytes` say, in the words that Deno uses for it; null: no address of IPv4 or IPv6. */
export function readSocketAddress(bytes: Uint8Array): SocketAddress | null {
  assert(bytes.length >= SOCKET_ADDRESS_BYTES, "Too short for a socket address");
  const family = bytes[0]! | (bytes[1]! << 8);
  const port = (bytes[PORT_OFFSET]! << 8) | bytes[PORT_OFFSET + 1]!;
  if (family === AF_INET) return { hostname: dotted(bytes, IPV4_OFFSET), port };
  return family === AF_INET6 ? { hostname: ipv6Text(bytes), port } : null;
}

function dotted(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** RFC 5952: the longest run of zeros, the first of several, is left out. */
function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: IPV6_GROUPS }, (_, index) => {
    const at = IPV6_OFFSET + 2 * index;
    return (bytes[at]! << 8) | bytes[at + 1]!;
  });
  const hex = groups.map((group) => group.toString(16));
  if (hex.slice(0, 6).join(":") === IPV4_IMAGE) return `::ffff:${dotted(bytes, IPV6_OFFSET + 12)}`;
  let start = 0, length = 0;
  for (let first = 0; first < IPV6_GROUPS; first++) {
    let end = first;
    while (end < IPV6_GROUPS && groups[end] === 0) end++;
    if (end - first > length) [start, length] = [first, end - first];
  }
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** An address of IPv4 as its 32 bits, any other as text: thousands of connections keep one each. */
export type PackedHost = number | string;

export function packHost(hostname: string): PackedHost {
  if (hostname.includes(":")) return hostname;
  return hostname.split(".").reduce((bits, part) => (bits << 8) | Number(part), 0);
}

/** What was packed. */
export function hostText(host: PackedHost): string {
  if (typeof host === "string") return host;
  return `${host >>> 24}.${(host >>> 16) & 255}.${(host >>> 8) & 255}.${host & 255}`;
}

/** An address whose text is made only when somebody wants it. */
export class PackedAddress implements SocketAddress {
  constructor(readonly host: PackedHost, readonly port: number) {}

  /** As `readSocketAddress`, which has no packed form for what is neither IPv4 nor IPv6: here that is 0.0.0.0. */
  static read(bytes: Uint8Array): PackedAddress {
    if (bytes[0] === AF_INET && bytes[1] === 0) {
      const at = IPV4_OFFSET;
      const host = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
      return new PackedAddress(host, (bytes[PORT_OFFSET]! << 8) | bytes[PORT_OFFSET + 1]!);
    }
    const address = readSocketAddress(bytes);
    return new PackedAddress(address === null ? 0 : packHost(address.hostname), address?.port ?? 0);
  }

  get hostname(): string {
    return hostText(this.host);
  }
}
