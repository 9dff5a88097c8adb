/** Which addresses are this machine's. */

import { assert, assertEquals } from "@std/assert";
import { canonicalAddress, fallbackAddress, isThisMachine } from "../../lib/host/local_addresses.ts";

Deno.test("canonicalAddress() writes an IPv6 address as the system does, and leaves the rest alone", () => {
  assertEquals(canonicalAddress("FD77:1:0:0:0:0:0:0010"), "fd77:1::10");
  for (const same of ["fd77:1::10", "10.0.0.1", "node-7", "a:b"]) assertEquals(canonicalAddress(same), same);
});

Deno.test("isThisMachine() knows its addresses, however they are written", async () => {
  assert(await isThisMachine("0:0:0:0:0:0:0:1", "anything"));
  for (const { address } of Deno.networkInterfaces()) {
    assert(await isThisMachine(address, "anything"), address);
  }
  assert(!await isThisMachine("192.0.2.1", "anything"));
  assert(!await isThisMachine("no-such-host.invalid", "anything"));
});

Deno.test("fallbackAddress() of a loopback endpoint is the loopback address", () => {
  assertEquals(fallbackAddress("localhost"), "127.0.0.1");
});
