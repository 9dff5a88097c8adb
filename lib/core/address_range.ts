/**
 * Who may connect: IP addresses and CIDR ranges, IPv4 and IPv6. IPv4 counts as its image in IPv6 (::ffff:0:0/96),
 * because that is how a dual-stack listener sees it.
 */

export interface AddressRange {
  /** The first `bits` bits of this 128-bit number count. */
  readonly base: bigint;
  readonly bits: number;
}

const ADDRESS_BITS = 128;
const IPV4_BITS = 32;
const IPV4_IMAGE = 0xffffn << 32n;

/** `10.0.0.0/8`, `fd00::/8`, or one address; undefined: it is none of these. */
export function parseAddressRange(text: string): AddressRange | undefined {
  const [, address, prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const base = address === undefined ? undefined : parseAddress(address);
  if (base === undefined) return undefined;
  const ownBits = address!.includes(":") ? ADDRESS_BITS : IPV4_BITS;
  const given = prefix === undefined ? ownBits : Number(prefix);
  return given > ownBits ? undefined : { base, bits: given + ADDRESS_BITS - ownBits };
}

/**
 * Who may connect: this machine itself, by any loopback address, and who is in one of the ranges. A look-up costs the
 * same for one address and for those of thousands of nodes.
 */
export class Admission {
  /** For each length of prefix in use, the prefixes. */
  readonly #prefixes = new Map<number, Set<bigint>>();

  constructor(ranges: readonly AddressRange[]) {
    for (const { base, bits } of [...LOOPBACK_RANGES, ...ranges]) {
      const prefixes = this.#prefixes.get(bits) ?? new Set();
      this.#prefixes.set(bits, prefixes.add(prefixOf(base, bits)));
    }
  }

  /** What is no IP address is not admitted. */
  admits(address: string): boolean {
    const value = parseAddress(address);
    if (value === undefined) return false;
    for (const [bits, prefixes] of this.#prefixes) {
      if (prefixes.has(prefixOf(value, bits))) return true;
    }
    return false;
  }
}

function prefixOf(address: bigint, bits: number): bigint {
  return address >> BigInt(ADDRESS_BITS - bits);
}

/** Of both families. */
const LOOPBACK_RANGES: readonly AddressRange[] = [
  { base: 1n, bits: ADDRESS_BITS },
  { base: IPV4_IMAGE | (127n << 24n), bits: ADDRESS_BITS - IPV4_BITS + 8 },
];

function parseAddress(text: string): bigint | undefined {
  return text.includes(":") ? parseIpv6(text) : withImage(parseIpv4(text));
}

function withImage(address: bigint | undefined): bigint | undefined {
  return address === undefined ? undefined : IPV4_IMAGE | address;
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255)) {
    return undefined;
  }
  return parts.reduce((address, part) => (address << 8n) | BigInt(part), 0n);
}

function parseIpv6(text: string): bigint | undefined {
  // A zone such as %eth0 says which interface, not who.
  const plain = text.replace(/%.*$/, "");
  const [, dotted] = /:(\d+\.\d+\.\d+\.\d+)$/.exec(plain) ?? [];
  const tail = dotted === undefined ? undefined : parseIpv4(dotted);
  if (dotted !== undefined && tail === undefined) return undefined;
  const hex = tail === undefined
    ? plain
    : plain.slice(0, -dotted!.length) + `${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`;
  const halves = hex.split("::");
  if (halves.length > 2) return undefined;
  const [head, rest] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head!.length - (rest?.length ?? 0);
  if (rest === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = rest === undefined ? head! : [...head!, ...Array<string>(missing).fill("0"), ...rest];
  if (groups.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.reduce((address, group) => (address << 16n) | BigInt(`0x${group}`), 0n);
}
