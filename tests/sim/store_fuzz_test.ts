/** The fixed part of `deno task fuzz`. */

import { Prng } from "../../lib/core/prng.ts";
import { fuzzConnections, fuzzReplies, fuzzRequests } from "../store/codec_fuzz.ts";

const INPUTS = 20_000;

Deno.test("RequestDecoder survives hostile bytes and reads the same however they are cut", () => {
  fuzzRequests(new Prng(1), INPUTS);
});

Deno.test("ReplyDecoder survives hostile bytes and reads the same however they are cut", () => {
  fuzzReplies(new Prng(2), INPUTS);
});

Deno.test("StoreConnection answers the same however its bytes are cut, and keeps its limits", () => {
  fuzzConnections(new Prng(3), INPUTS);
});
