import { assertEquals } from "@std/assert";
import { encodeReply, encodeRequest } from "../../lib/store/encode.ts";
import { OutputQueue } from "../../lib/store/output_queue.ts";
import { fromHex, REPLIES, REQUESTS, written } from "./wire_cases.ts";

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
