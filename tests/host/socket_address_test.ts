import { assertEquals } from "@std/assert";
import {
  addressText,
  hostText,
  PackedAddress,
  packHost,
  readSocketAddress,
  SOCKET_ADDRESS_BYTES,
} from "../../lib/host/socket_address.ts";

/** `struct sockaddr_in6` of port 258. */
function ipv6(...groups: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(SOCKET_ADDRESS_BYTES);
  bytes.set([10, 0, 1, 2, 0, 0, 0, 0, ...groups.flatMap((group) => [group >> 8, group & 255])]);
  return bytes;
}

Deno.test("readSocketAddress() writes addresses as Deno does", () => {
  const ipv4 = new Uint8Array(SOCKET_ADDRESS_BYTES);
  ipv4.set([2, 0, 1, 2, 10, 0, 200, 7]);
  assertEquals(readSocketAddress(ipv4), { hostname: "10.0.200.7", port: 258 });
  const hostnames = [
    [[0, 0, 0, 0, 0, 0, 0, 0], "::"],
    [[0, 0, 0, 0, 0, 0, 0, 1], "::1"],
    [[0xfe80, 0, 0, 0, 1, 0, 0, 0xab], "fe80::1:0:0:ab"],
    [[0x2001, 0xdb8, 0, 1, 1, 1, 1, 1], "2001:db8:0:1:1:1:1:1"],
    [[0x2001, 0xdb8, 0, 0, 1, 0, 0, 0], "2001:db8:0:0:1::"],
    [[0, 0, 0, 0, 0, 0xffff, 0x7f00, 1], "::ffff:127.0.0.1"],
  ] as const;
  for (const [groups, hostname] of hostnames) {
    assertEquals(readSocketAddress(ipv6(...groups)), { hostname, port: 258 });
  }
  assertEquals(readSocketAddress(new Uint8Array(SOCKET_ADDRESS_BYTES)), null);
});

Deno.test("addressText() writes an address and its port as people do", () => {
  const texts = [
    ["10.0.0.1", "10.0.0.1:80"],
    ["::ffff:10.0.0.1", "10.0.0.1:80"],
    ["fd00::1", "[fd00::1]:80"],
    [
      "::",
      "[::]:80",
    ],
  ] as const;
  for (const [hostname, text] of texts) assertEquals(addressText({ hostname, port: 80 }), text);
});

Deno.test("hostText() gives back what packHost() was given", () => {
  for (const host of ["0.0.0.0", "127.0.0.1", "255.254.253.252", "::1", "::ffff:10.0.0.1"]) {
    assertEquals(hostText(packHost(host)), host);
  }
});

Deno.test("PackedAddress.read() reads what readSocketAddress() does", () => {
  const ipv4 = new Uint8Array(SOCKET_ADDRESS_BYTES);
  ipv4.set([2, 0, 1, 2, 240, 0, 200, 7]);
  for (const bytes of [ipv4, ipv6(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1), ipv6(0x2001, 0xdb8, 0, 0, 1, 0, 0, 0)]) {
    const { hostname, port } = PackedAddress.read(bytes);
    assertEquals({ hostname, port }, readSocketAddress(bytes));
  }
  const { hostname, port } = PackedAddress.read(new Uint8Array(SOCKET_ADDRESS_BYTES));
  assertEquals({ hostname, port }, { hostname: "0.0.0.0", port: 0 });
});
