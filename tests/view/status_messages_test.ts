import { assertEquals } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import { decodeTalk, encodeTalk, type StatusTalk } from "../../lib/view/status_messages.ts";
import { decodeHostMessage, decodeNodeMessage } from "../../lib/rendezvous/message_codec.ts";
import { jobStatus } from "./sample_status.ts";

const TALKS: readonly StatusTalk[] = [
  { kind: "ask", id: 1, request: { lastLines: "all", output: null } },
  { kind: "asked", id: 2, request: { lastLines: [3], output: { rank: 3, lines: 5 } } },
  { kind: "told", id: 3, status: null },
  { kind: "answer", id: 4, status: jobStatus(2) },
];

Deno.test("status messages come through as they were, and are nobody else's", () => {
  for (const talk of TALKS) {
    const message = encodeTalk(talk);
    assertEquals(decodeTalk(message), talk);
    assertEquals(
      [decodeNodeMessage(message), decodeHostMessage(message)],
      [null, null],
      "passed over by old versions",
    );
  }
  for (let type = 0; type < 256; type++) {
    const isOurs = TALKS.some((talk) => encodeTalk(talk).type === type);
    assertEquals(decodeTalk({ type, payload: utf8("1\n") }) !== null, isOurs);
  }
});

Deno.test("status messages that can't be read ask for nothing and tell nothing", () => {
  for (const [talk, empty] of [[TALKS[0]!, { lastLines: [], output: null }], [TALKS[3]!, null]] as const) {
    const { type } = encodeTalk(talk);
    const read = decodeTalk({ type, payload: utf8("7\n{nonsense") })!;
    assertEquals([read.id, "request" in read ? read.request : read.status], [7, empty]);
  }
});
