import { assertEquals } from "@std/assert";
import { concat } from "../../lib/core/bytes.ts";
import { encodeReply, encodeRequest } from "../../lib/store/encode.ts";
import { OutputQueue } from "../../lib/store/output_queue.ts";
import { fromHex, REPLIES, REQUESTS } from "./wire_cases.ts";

function written(output: OutputQueue): Uint8Array {
  const pieces: Uint8Array[] = [];
  while (output.length > 0) {
    pieces.push(output.peek().slice());
    output.advance(output.peek().length);
  }
  return concat(pieces);
}

Deno.test("encodeRequest() writes what PyTorch's client writes", () => {
  for (const [hex, request] of REQUESTS) {
    const output = new OutputQueue();
    encodeRequest(output, request);
    assertEquals(written(output), fromHex(hex), hex);
  }
});

Deno.test("encodeReply() writes what PyTorch's server writes", () => {
  for (const [hex, reply] of REPLIES) {
    const output = new OutputQueue();
    encodeReply(output, reply);
    assertEquals(written(output), fromHex(hex), hex);
  }
});
