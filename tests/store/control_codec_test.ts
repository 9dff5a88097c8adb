import { assert, assertEquals, assertThrows } from "@std/assert";
import { concat } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { encodeFrame, encodeMessageHead, FrameDecoder } from "../../lib/store/control_codec.ts";
import { type ControlLimits, DEFAULT_CONTROL_LIMITS } from "../../lib/store/control_limits.ts";
import { CONTROL_PREAMBLE, type ControlFrame } from "../../lib/store/control_wire.ts";
import { PeerError } from "../../lib/store/wire.ts";
import { fuzzControlDecoder } from "./control_fuzzing.ts";
import { counting } from "./control_samples.ts";
import { fromHex, WAYS_TO_CUT } from "./wire_cases.ts";

const NONCE_HEX = "20 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

const FRAMES: readonly (readonly [hex: string, frame: ControlFrame])[] = [
  [
    `01 64000000 0100 0200 0300 302e31 0200 6a62 0400 6ec3a931 0500000000000000 0100 61 02 abff
     10 000102030405060708090a0b0c0d0e0f 07000000 03 313233 ffffffffffff1f00 01 ${NONCE_HEX}`,
    {
      kind: "hello",
      protocols: { min: 1, max: 2 },
      ...{ version: "0.1", jobId: "jb", nodeId: "né1", epoch: 5, hostAddress: "a" },
      settingsHash: "\xab\xff",
      instance: String.fromCharCode(...counting(16)),
      ...{ attempt: 7, sessionId: "123", received: Number.MAX_SAFE_INTEGER, hasSecret: true },
      nonce: counting(32),
    },
  ],
  [`02 21000000 ${NONCE_HEX}`, { kind: "challenge", nonce: counting(32) }],
  [`03 21000000 ${NONCE_HEX}`, { kind: "proof", proof: counting(32) }],
  [
    "04 1e000000 0100 0300 302e31 0100 6e 0100000000000000 02 7879 0200000000000000 00",
    {
      kind: "welcome",
      ...{ protocol: 1, version: "0.1", nodeId: "n", epoch: 1, sessionId: "xy", received: 2 },
      proof: new Uint8Array(0),
    },
  ],
  [
    "05 11000000 05 0900000000000000 0100 61 0300 6e6f21",
    { kind: "refusal", reason: "wrongJob", epoch: 9, hostAddress: "a", detail: "no!" },
  ],
  [
    "05 0d000000 00 0000000000000000 0000 0000",
    { kind: "refusal", reason: "other", epoch: 0, hostAddress: "", detail: "" },
  ],
  [
    "06 0d000000 0100000000000000 ffff 010203",
    { kind: "message", sequence: 1, type: 65535, payload: counting(3, 1) },
  ],
  ["06 0a000000 0000000001000000 0000", {
    kind: "message",
    sequence: 2 ** 32,
    type: 0,
    payload: new Uint8Array(0),
  }],
  ["07 08000000 0300000000000000", { kind: "ack", received: 3 }],
  ["08 04000000 ffffffff", { kind: "ping", id: 0xffffffff }],
  ["09 0c000000 01000000 d204000000000000", { kind: "pong", id: 1, clockMs: 1.234 }],
];

/** All frames of `pieces` after the preamble; each piece is wiped after use, as a host's buffer is. */
function decode(
  decoder: FrameDecoder,
  pieces: readonly Uint8Array[],
): ControlFrame[] {
  const frames: ControlFrame[] = [];
  for (const piece of pieces) {
    const buffer = piece.slice();
    decoder.push(buffer);
    for (let next = decoder.next(); next !== undefined; next = decoder.next()) frames.push(next);
    decoder.settle();
    buffer.fill(0xee);
  }
  return frames;
}

function greeted(limits: ControlLimits = DEFAULT_CONTROL_LIMITS): FrameDecoder {
  const decoder = new FrameDecoder(limits);
  decode(decoder, [CONTROL_PREAMBLE]);
  return decoder;
}

Deno.test("encodeFrame() puts every frame on the wire as it is documented", () => {
  for (const [hex, frame] of FRAMES) assertEquals(encodeFrame(frame), fromHex(hex), hex);
});

Deno.test("encodeMessageHead() begins the frame that encodeFrame() makes of a whole message", () => {
  const payload = counting(200);
  const whole = encodeFrame({ kind: "message", sequence: 2 ** 40, type: 300, payload });
  assertEquals(concat([encodeMessageHead(2 ** 40, 300, payload.length), payload]), whole);
});

for (const [way, cut] of Object.entries(WAYS_TO_CUT)) {
  Deno.test(`FrameDecoder reads every frame ${way}`, () => {
    for (const [hex, frame] of FRAMES) {
      const decoder = new FrameDecoder(DEFAULT_CONTROL_LIMITS);
      assertEquals(decode(decoder, cut(concat([CONTROL_PREAMBLE, fromHex(hex)]))), [frame], hex);
      assertEquals(decoder.keptBytes, 0, hex);
    }
    const all = fromHex(FRAMES.map(([hex]) => hex).join(" "));
    assertEquals(decode(greeted(), cut(all)), FRAMES.map(([, frame]) => frame));
  });

  Deno.test(`FrameDecoder passes over kinds that it does not know ${way}`, () => {
    const bytes = fromHex("00 00000000 2a 03000000 ffffff 08 04000000 01000000 ff 01000000 06");
    assertEquals(decode(greeted(), cut(bytes)), [{ kind: "ping", id: 1 }]);
  });

  Deno.test(`FrameDecoder passes over what a later version adds to a frame ${way}`, () => {
    for (const [hex, frame] of FRAMES) {
      if (frame.kind === "message") continue;
      const longer = fromHex(`${hex} deadbeef`);
      longer[1]! += 4;
      const ping = fromHex("08 04000000 01000000");
      assertEquals(decode(greeted(), cut(concat([longer, ping]))), [frame, { kind: "ping", id: 1 }], hex);
    }
  });
}

for (
  const [what, hex, message] of [
    ["another magic number", "c7 6d 73 74 73", "speaks no protocol known here (first bytes c7 6d 73 74 73)"],
    ["HTTP", "47 45 54 20 2f", "speaks HTTP, which this port does not"],
    [
      "a frame that is too long",
      "c76d737472 01 01200000",
      "sent a frame of 8193 bytes, over the limit of 8192",
    ],
    [
      "a number above 2^53",
      "c76d737472 07 08000000 0000000000002000",
      "sent a ack frame that holds a number",
    ],
    [
      "a text that is not UTF-8",
      "c76d737472 05 0f000000 01 0000000000000000 0000 0200 c328",
      "sent a refusal frame that holds a text that is not UTF-8",
    ],
    ["a nonce of a wrong length", "c76d737472 02 02000000 01 00", "holds 1 bytes in place of 32"],
  ] as const
) {
  Deno.test(`FrameDecoder refuses ${what}`, () => {
    for (const cut of Object.values(WAYS_TO_CUT)) {
      const decoder = new FrameDecoder(DEFAULT_CONTROL_LIMITS);
      assertThrows(() => decode(decoder, cut(fromHex(hex))), PeerError);
    }
    const decoder = new FrameDecoder(DEFAULT_CONTROL_LIMITS);
    assertThrows(() => decode(decoder, [fromHex(hex)]), PeerError, message);
  });
}

Deno.test("FrameDecoder refuses every frame that ends within a field", () => {
  for (const [hex, frame] of FRAMES) {
    const whole = fromHex(hex);
    const bodyMin = frame.kind === "message" ? 10 : whole.length - 5;
    for (let length = 0; length < bodyMin; length++) {
      const shorter = whole.slice(0, 5 + length);
      shorter[1] = length;
      assertThrows(
        () => decode(greeted(), [shorter]),
        PeerError,
        `sent a ${frame.kind} frame that ends within`,
      );
    }
  }
});

Deno.test("FrameDecoder takes long messages only from who is welcome, and keeps no more than arrived", () => {
  const limits = { ...DEFAULT_CONTROL_LIMITS, messageBytesMax: 100_000 };
  const head = encodeMessageHead(1, 1, 100_000);
  assertThrows(() => decode(greeted(limits), [head]), PeerError, "over the limit of 8192");
  const decoder = greeted(limits);
  decoder.allowMessages();
  assertEquals(decode(decoder, [head]), []);
  assertEquals(decoder.keptBytes, head.length);
  const [frame] = decode(decoder, [new Uint8Array(100_000).fill(7)]);
  assert(frame?.kind === "message" && frame.payload.length === 100_000 && frame.payload[99_999] === 7);
  const tooLong = encodeMessageHead(2, 1, 100_001);
  assertThrows(() => decode(decoder, [tooLong]), PeerError, "over the limit of 100010");
});

Deno.test("FrameDecoder survives generated, cut and mutated input within its limits", () => {
  fuzzControlDecoder(new Prng(20261), 20_000);
});
