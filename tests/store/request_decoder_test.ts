import { assertEquals, assertThrows } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { encodeRequest } from "../../lib/store/encode.ts";
import { DEFAULT_LIMITS } from "../../lib/store/limits.ts";
import { OutputQueue } from "../../lib/store/output_queue.ts";
import { RequestDecoder } from "../../lib/store/request_decoder.ts";
import { type Dialect, HANDSHAKE, PeerError, type Request } from "../../lib/store/wire.ts";
import { randomRequest } from "./random_request.ts";
import { fromHex, HANDSHAKE_HEX, REQUESTS, WAYS_TO_CUT } from "./wire_cases.ts";

/** All requests of `pieces`; each piece is wiped after use, as a host's buffer is. */
function decode(decoder: RequestDecoder, pieces: readonly Uint8Array[]): Request[] {
  const requests: Request[] = [];
  for (const piece of pieces) {
    const buffer = piece.slice();
    decoder.push(buffer);
    for (let next = decoder.next(); next !== undefined; next = decoder.next()) requests.push(next);
    decoder.settle();
    buffer.fill(0xee);
  }
  return requests;
}

/** A decoder whose peer has shaken hands. */
function greeted(limits = DEFAULT_LIMITS): RequestDecoder {
  const decoder = new RequestDecoder(limits);
  decode(decoder, [HANDSHAKE]);
  return decoder;
}

for (const [way, cut] of Object.entries(WAYS_TO_CUT)) {
  Deno.test(`RequestDecoder reads every request of generation C ${way}`, () => {
    for (const [hex, request] of REQUESTS) {
      const decoder = new RequestDecoder(DEFAULT_LIMITS);
      assertEquals(decode(decoder, cut(fromHex(HANDSHAKE_HEX + hex))), [request], hex);
      assertEquals(decoder.isInside, false, hex);
    }
    const all = fromHex(HANDSHAKE_HEX + REQUESTS.map(([hex]) => hex).join(" "));
    assertEquals(
      decode(new RequestDecoder(DEFAULT_LIMITS), cut(all)),
      REQUESTS.map(([, request]) => request),
    );
  });

  Deno.test(`RequestDecoder tells generations A and B by what only they send ${way}`, () => {
    const set = "00 0200000000000000 2f6b 0100000000000000 76";
    const get = "02 0200000000000000 2f6b";
    const early: Request[] = [{ kind: "set", key: "/k", value: "v" }, { kind: "get", key: "/k" }];
    const deleteB = decode(
      new RequestDecoder(DEFAULT_LIMITS),
      cut(fromHex(`${set} ${get} 07 0200000000000000 2f6b`)),
    );
    assertEquals(deleteB, [...early, { kind: "delete", key: "/k" }]);
    const laterB = fromHex(`${set} ${get} 0b 08 0200000000000000 2f61 0100000000000000 78`);
    assertEquals(decode(new RequestDecoder(DEFAULT_LIMITS), cut(laterB)), [
      ...[...early, { kind: "cancelWait" } as const],
      { kind: "append", key: "/a", value: "x" },
    ]);
  });
}

Deno.test("RequestDecoder takes an operation 8 for A's DELETE_KEY only after silence", () => {
  const decoder = new RequestDecoder(DEFAULT_LIMITS);
  const eight = fromHex("08 0200000000000000 2f6b");
  assertEquals(decode(decoder, [eight.subarray(0, 4)]), []);
  assertEquals(decoder.awaitsSilence, false);
  assertEquals(decode(decoder, [eight.subarray(4)]), []);
  assertEquals(decoder.awaitsSilence, true);
  assertEquals(decoder.silence(), { kind: "delete", key: "/k" });
  assertEquals(decoder.awaitsSilence, false);
  // From then on the peer is known.
  assertEquals(decode(decoder, [eight]), [{ kind: "delete", key: "/k" }]);
});

Deno.test("RequestDecoder takes an operation 8 whose value is late for B's APPEND", () => {
  const decoder = new RequestDecoder(DEFAULT_LIMITS);
  assertEquals(decode(decoder, [fromHex("08 0200000000000000 2f6b")]), []);
  assertEquals(decode(decoder, [fromHex("01000000")]), []);
  assertEquals(decoder.awaitsSilence, false);
  assertEquals(decoder.silence(), undefined);
  assertEquals(decode(decoder, [fromHex("00000000 78")]), [{ kind: "append", key: "/k", value: "x" }]);
});

Deno.test("RequestDecoder reads only the generation that is pinned", () => {
  const eight = fromHex("08 0200000000000000 2f6b");
  const readAs = (dialect: Dialect) => decode(new RequestDecoder(DEFAULT_LIMITS, dialect), [eight]);
  assertEquals(readAs("a"), [{ kind: "delete", key: "/k" }]);
  assertEquals(readAs("b"), []);
  assertThrows(() => readAs("c"), PeerError, "first bytes 08 02");
  const shaken = decode(new RequestDecoder(DEFAULT_LIMITS, "c"), [HANDSHAKE, eight]);
  assertEquals(shaken, [{ kind: "delete", key: "/k" }]);
});

for (
  const [bytes, message] of [
    ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "speaks HTTP"],
    ["\x16\x03\x01\x02\x00\x01\x00", "speaks TLS"],
    ["SSH-2.0-OpenSSH_9.2\r\n", "speaks SSH"],
    ["\xff\xff", "speaks no protocol known here (first bytes ff ff)"],
    ["\x0dabcd", "speaks no protocol known here (first bytes 0d 61 62 63 64)"],
    ["\x00\xce\xf7\x85\x3d\x00\x00\x00\x00", "sent 1032189902 bytes of a key, over the limit of 8192"],
  ] as const
) {
  Deno.test(`RequestDecoder refuses a peer that ${message}`, () => {
    const decoder = new RequestDecoder(DEFAULT_LIMITS);
    const raw = Uint8Array.from(bytes, (character) => character.charCodeAt(0));
    assertThrows(() => decode(decoder, [raw]), PeerError, message);
  });
}

for (
  const [hex, message] of [
    ["13", "sent 19, which is no operation of generation C"],
    ["00 cef7853c", "sent 0, which is no operation of generation C"],
    ["03 0120000000000000", "sent 8193 bytes of a key, over the limit of 8192"],
    ["03 0000000001000000", "sent 4294967296 bytes of a key"],
    ["01 0100000000000000 6b 0100800000000000", "sent 8388609 bytes of a value, over the limit of 8388608"],
    ["06 0100020000000000", "sent 131073 keys in one request, over the limit of 131072"],
    ["0b ffffffffffffffff", "sent 18446744073709551615 keys in one request"],
  ] as const
) {
  Deno.test(`RequestDecoder refuses ${hex}: ${message}`, () => {
    assertThrows(() => decode(greeted(), [fromHex(hex)]), PeerError, message);
    assertThrows(() => decode(greeted(), WAYS_TO_CUT["byte by byte"]!(fromHex(hex))), PeerError, message);
  });
}

Deno.test("RequestDecoder limits the bytes of one request, however many keys it has", () => {
  const decoder = greeted({ ...DEFAULT_LIMITS, requestBytesMax: 100 });
  decode(decoder, [fromHex("0b 0300000000000000")]);
  const entry = fromHex(`0100000000000000 6b 2800000000000000 ${"00".repeat(40)}`);
  assertEquals(decode(decoder, [entry, entry]), []);
  assertThrows(
    () => decode(decoder, [entry]),
    PeerError,
    "sent 123 bytes in one request, over the limit of 100",
  );
});

Deno.test("RequestDecoder gives out the same, however the bytes are cut", () => {
  const prng = new Prng(7);
  for (let round = 0; round < 300; round++) {
    const requests = Array.from({ length: 1 + prng.below(20) }, () => randomRequest(prng));
    const output = new OutputQueue();
    output.raw(HANDSHAKE);
    for (const request of requests) encodeRequest(output, request);
    const pieces: Uint8Array[] = [];
    while (output.length > 0) {
      const piece = output.peek().subarray(0, 1 + prng.below(prng.chance(1, 2) ? 20 : 5000));
      pieces.push(piece.slice());
      output.advance(piece.length);
    }
    assertEquals(decode(new RequestDecoder(DEFAULT_LIMITS), pieces), requests);
  }
});
