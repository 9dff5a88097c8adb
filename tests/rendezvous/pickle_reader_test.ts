import { assertEquals, assertThrows } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { PickleError, readPickle } from "../../lib/rendezvous/pickle_reader.ts";
import { fuzzRecords } from "./torch_record_fuzzing.ts";

const pickle = (hex: string) => readPickle(Uint8Array.fromHex(`8004${hex.replaceAll(" ", "")}2e`));

Deno.test("readPickle() reads numbers of all sizes that torchrun's record can have", () => {
  const numbers = ["4b07", "4d2c01", "4a70110100", "8a0500f2052a01", "8a00", "4affffffff"];
  assertEquals(
    numbers.map((hex) => pickle(hex)),
    [7, 300, 70000, 5_000_000_000, 0, -1].map((value) => ({
      kind: "integer" as const,
      value,
    })),
  );
  assertThrows(() => pickle("8a08ffffffffffffff7f"), PickleError, "2^53");
  assertThrows(() => pickle("8a09010101010101010101"), PickleError, "8 bytes");
});

Deno.test("readPickle() recalls what it remembered, and nothing else", () => {
  assertEquals(pickle("8c0161 94 30".replace("30", "68 00 86")), {
    kind: "tuple",
    items: [{ kind: "text", value: "a" }, { kind: "text", value: "a" }],
  });
  assertThrows(() => pickle("6801"), PickleError, "remembered");
});

Deno.test("readPickle() refuses texts that are too long or no UTF-8", () => {
  assertThrows(() => pickle("58ffffffff"), PickleError, "1024 bytes");
  assertThrows(() => pickle("8c01ff"), PickleError, "UTF-8");
});

Deno.test("readPickle() makes of 20,000 hostile records one clause each, or a record", () => {
  const accepted = fuzzRecords(new Prng(1), 20_000);
  // Some damage hits but a digit of a time.
  assertEquals(accepted > 100 && accepted < 15_000, true, String(accepted));
});
