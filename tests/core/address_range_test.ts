import { assertEquals } from "@std/assert";
import { Admission, parseAddressRange } from "../../lib/core/address_range.ts";

Deno.test("Admission.admits() compares as many bits as the range says", () => {
  const cases: [range: string, address: string, isIn: boolean][] = [
    ["10.0.0.0/8", "10.255.1.2", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.0.0.0/8", "::ffff:10.1.2.3", true],
    ["192.168.1.5", "192.168.1.5", true],
    ["192.168.1.5", "192.168.1.4", false],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "fd00::1", false],
    ["::/0", "203.0.113.9", true],
    ["fd00::/8", "fdab:1::5", true],
    ["fd00::/8", "fe80::1%eth0", false],
    ["fe80::/10", "fe80::1%eth0", true],
    ["2001:db8:0:0:0:0:0:1", "2001:db8::1", true],
    ["172.16.0.0/12", "172.31.255.255", true],
    ["172.16.0.0/12", "172.32.0.0", false],
    ["10.0.0.0/8", "not an address", false],
  ];
  for (const [range, address, isIn] of cases) {
    assertEquals(new Admission([parseAddressRange(range)!]).admits(address), isIn, `${address} in ${range}`);
  }
});

Deno.test("Admission.admits() takes this machine's loopback addresses, of both families, and any of many ranges", () => {
  const loopback = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"];
  const others = ["128.0.0.1", "::2", "10.0.0.1", "10.0.1.255", "fd00::7", "fd00::8", ""];
  const admitted = (...ranges: string[]) => {
    const admission = new Admission(ranges.map((range) => parseAddressRange(range)!));
    return [...loopback, ...others].filter((address) => admission.admits(address));
  };
  assertEquals(admitted(), loopback);
  assertEquals(admitted("10.0.0.1", "fd00::7", "10.0.1.0/24"), [
    ...loopback,
    "10.0.0.1",
    "10.0.1.255",
    "fd00::7",
  ]);
});

Deno.test("parseAddressRange() refuses what is no address or range", () => {
  const wrong = [
    "",
    "10.0.0",
    "10.0.0.256",
    "10.0.0.0/33",
    "10.0.0.0/",
    "::/129",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "g::1",
  ];
  for (const text of [...wrong, "1:2:3:4:5:6:7::8", "host", "10.0.0.0/8/8", "::1.2.3"]) {
    assertEquals(parseAddressRange(text), undefined, text);
  }
});
