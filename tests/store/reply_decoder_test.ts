import { assertEquals, assertThrows } from "@std/assert";
import { concat } from "../../lib/core/bytes.ts";
import { ReplyDecoder } from "../../lib/store/reply_decoder.ts";
import { PeerError, type Reply } from "../../lib/store/wire.ts";
import { fromHex, REPLIES, WAYS_TO_CUT } from "./wire_cases.ts";

const expectedOf = (reply: Reply) => ({
  kind: reply.kind,
  count: reply.kind === "values" ? reply.values.length : 0,
});

for (const [way, cut] of Object.entries(WAYS_TO_CUT)) {
  Deno.test(`ReplyDecoder reads every reply ${way}`, () => {
    const replies = REPLIES.map(([, reply]) => reply);
    const decoder = new ReplyDecoder();
    const read: Reply[] = [];
    for (const piece of cut(concat(REPLIES.map(([hex]) => fromHex(hex))))) {
      const buffer = piece.slice();
      decoder.push(buffer);
      while (read.length < replies.length) {
        const reply = decoder.next(expectedOf(replies[read.length]!));
        if (reply === undefined) break;
        read.push(reply);
      }
      decoder.settle();
      buffer.fill(0xee);
    }
    assertEquals(read, replies);
    assertEquals(decoder.isInside, false);
  });
}

Deno.test("ReplyDecoder refuses what can be no reply", () => {
  const refuse = (hex: string, kind: Reply["kind"], message: string) => {
    const decoder = new ReplyDecoder();
    decoder.push(fromHex(hex));
    assertThrows(() => decoder.next({ kind, count: 1 }), PeerError, message);
  };
  refuse("02", "waitEnded", "sent 2 where 0 or 1 belongs");
  refuse("ff", "checked", "sent 255 where 0 or 1 belongs");
  refuse("48545450 2f312e31", "value", "bytes of a value, over the limit");
  refuse("48545450 2f312e31", "keys", "keys, over the limit");
});
