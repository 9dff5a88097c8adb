import { assert, assertEquals, assertThrows } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { MessageError } from "../../lib/core/json_fields.ts";
import {
  decodeHostMessage,
  decodeNodeMessage,
  encodeHostMessage,
  encodeNodeMessage,
  type HostMessage,
  type NodeMessage,
} from "../../lib/rendezvous/message_codec.ts";
import { node } from "./scripted_job.ts";

const STORE = { address: "fe80::1", port: 29_500, hostedByLauncher: true };
const ROUND = { epoch: 2, round: 3, hostId: "a" };
const BYTES = new Uint8Array([0, 1, 255, 0, 34]);

const NODE_MESSAGES: readonly NodeMessage[] = [
  {
    kind: "join",
    info: node('a "b" ü', { interfaces: ["10.0.0.1", "::1"], nodeRank: 3, standbyPort: 9 }),
    memory: null,
    isFresh: true,
    others: null,
    begun: 0,
  },
  {
    kind: "join",
    info: node("b", { address: "h", schedulerRank: 0, topologyKey: "\u0000", role: "r" }),
    memory: { first: ROUND, latest: { ...ROUND, round: 4 } },
    isFresh: false,
    others: [{ nodeId: "a", address: "10.0.0.1:9" }, { nodeId: "c (gone)", address: null }],
    begun: 2,
  },
  { kind: "accepted", proposal: ROUND },
  { kind: "store-served", round: 4, store: STORE },
  { kind: "running", round: 0 },
  { kind: "failed", round: 2, failure: { kind: "unrestartable", text: 'say "no"\n', exitCode: 137 } },
  { kind: "succeeded", round: 2 },
  { kind: "cleared", round: 2, report: null },
  { kind: "cleared", round: 2, report: BYTES },
  { kind: "cleared", round: 2, report: new Uint8Array(0) },
  { kind: "leave", signal: "SIGTERM", scope: "job" },
];

const SEAT = {
  ...{ round: 3, restartCount: 1, groupRank: 1, groupWorldSize: 2, baseRank: 4, worldSize: 6 },
  ...{ baseRoleRank: 0, roleWorldSize: 2, store: STORE },
};
const HOST_MESSAGES: readonly HostMessage[] = [
  { kind: "serve-store", round: 3, peers: ["10.0.0.1"] },
  { kind: "round", seat: SEAT },
  { kind: "round-over", round: 3, text: "Node b was lost", needsReport: true },
  { kind: "go-on", text: "again", verdict: BYTES },
  { kind: "go-on", text: null, verdict: null },
  { kind: "waiting", waiting: { text: "for nodes", present: 1, min: 2, max: 4, leftMs: null } },
  { kind: "waiting", waiting: { text: "for nodes", present: 1, min: 2, max: 4, leftMs: 300 } },
  { kind: "waiting", waiting: null },
  { kind: "job-over", outcome: { code: 143, level: "notice", text: "Stopped", verdict: BYTES } },
  { kind: "job-over", outcome: { code: 0, level: "info", text: null, verdict: null } },
  { kind: "standbys", standbys: [{ nodeId: "b", address: "[::1]:5" }] },
  { kind: "record", record: { ...ROUND, restarts: 1, seats: ["a", "b"] }, standing: "left" },
  { kind: "propose", proposal: ROUND, bases: [], record: null },
  { kind: "propose", proposal: ROUND, bases: [ROUND], record: { ...ROUND, restarts: 0, seats: ["a"] } },
];

for (const message of NODE_MESSAGES) {
  Deno.test(`A node's message arrives as it was: ${JSON.stringify(message)}`, () => {
    assertEquals(decodeNodeMessage(encodeNodeMessage(message)), message);
  });
}
for (const message of HOST_MESSAGES) {
  Deno.test(`A host's message arrives as it was: ${JSON.stringify(message)}`, () => {
    assertEquals(decodeHostMessage(encodeHostMessage(message)), message);
  });
}

Deno.test("Types and fields of a later version are passed over", () => {
  const payload = utf8('{"round":1,"mood":"good"}');
  assertEquals(decodeNodeMessage({ type: 999, payload }), null);
  assertEquals(decodeHostMessage({ type: 1, payload }), null);
  assertEquals(decodeNodeMessage({ type: 3, payload }), { kind: "running", round: 1 });
});

const MALFORMED: readonly [number, string, string][] = [
  [3, "", "sent a running that is not JSON"],
  [3, "[1]", "sent a running that is not an object"],
  [3, "null", "sent a running that is not an object"],
  [3, "{}", "sent a running.round that is not a whole number"],
  [3, '{"round":-1}', "sent a running.round that is not a whole number"],
  [3, '{"round":1.5}', "sent a running.round that is not a whole number"],
  [3, '{"round":1e300}', "sent a running.round that is not a whole number"],
  [3, '{"round":"1"}', "sent a running.round that is not a whole number"],
  [7, '{"signal":"SIGNOPE","scope":"node"}', "sent a leave.signal that is not a word"],
  [7, '{"signal":"toString","scope":"node"}', "sent a leave.signal that is not a word"],
  [7, '{"signal":"SIGTERM","scope":"world"}', "sent a leave.scope that is not a word"],
  [4, '{"round":1,"failure":7}', "sent a failed.failure that is not an object"],
  [1, '{"info":{"nodeId":7}}', "sent a join.info.nodeId that is not a text of at most 4096"],
  [
    1,
    `{"info":{"nodeId":"${"x".repeat(5_000)}"}}`,
    "sent a join.info.nodeId that is not a text of at most 4096",
  ],
  [1, '{"info":{"nodeId":"a","hostName":"b\\u001b[2J"}}', "sent a hostName with control characters"],
];
for (const [type, json, problem] of MALFORMED) {
  Deno.test(`A malformed message is refused: type ${type}, ${json.slice(0, 60)}`, () => {
    assertThrows(() => decodeNodeMessage({ type, payload: utf8(json) }), MessageError, problem);
  });
}

Deno.test("An exit code beyond 255 is refused", () => {
  const json = '{"outcome":{"code":256,"level":"info","text":null}}';
  assertThrows(() => decodeHostMessage({ type: 38, payload: utf8(json) }), MessageError, "exit code 256");
});

Deno.test("Hostile bytes are refused or read, and never end in another error", () => {
  const prng = new Prng(20);
  const samples = [...NODE_MESSAGES.map(encodeNodeMessage), ...HOST_MESSAGES.map(encodeHostMessage)];
  let refused = 0;
  for (let input = 0; input < 20_000; input++) {
    const { type, payload } = prng.pick(samples);
    const bytes = payload.slice(0, prng.chance(1, 4) ? prng.below(payload.length + 1) : payload.length);
    for (let changes = prng.below(4); changes > 0 && bytes.length > 0; changes--) {
      bytes[prng.below(bytes.length)] = prng.pick([0, 34, 44, 91, 123, 125, prng.below(256)]);
    }
    const message = { type: prng.chance(1, 4) ? prng.below(50) : type, payload: bytes };
    for (const decode of [decodeNodeMessage, decodeHostMessage]) {
      try {
        decode(message);
      } catch (error) {
        assert(error instanceof MessageError, `${error}`);
        refused++;
      }
    }
  }
  assert(refused > 5_000, `only ${refused} were refused`);
});
