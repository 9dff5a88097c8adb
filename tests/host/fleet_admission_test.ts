import { assertEquals } from "@std/assert";
import { Admission } from "../../lib/core/address_range.ts";
import { interfaceAddresses } from "../../lib/host/local_addresses.ts";
import { admittedTo, allowedRanges } from "../../lib/host/fleet_admission.ts";

Deno.test("admittedTo() takes a round's nodes and nobody else, and falls back where they are not known", () => {
  const round = new Admission(admittedTo(["10.0.0.1", "fd00::1"], "10.0.0.0/8")!);
  const admitted = ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1", "127.0.0.1", "::1", "10.0.0.2", "fd00::2"];
  assertEquals(admitted.map((address) => round.admits(address)), [
    true,
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
  assertEquals(admittedTo([], "10.0.0.0/8, fd00::1"), allowedRanges("10.0.0.0/8,fd00::1"));
  assertEquals([admittedTo([], null), allowedRanges(null)], [null, null]);
});

Deno.test("allowedRanges() has this machine by all its addresses: its own workers come from them", () => {
  const admission = new Admission(allowedRanges("192.0.2.1")!);
  assertEquals(["192.0.2.1", ...interfaceAddresses()].filter((address) => !admission.admits(address)), []);
  assertEquals(admission.admits("198.51.100.1"), false);
});
