import { assert, assertEquals } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import {
  decodeStatus,
  decodeStatusRequest,
  encodeStatus,
  encodeStatusRequest,
  joinStatuses,
  OUTPUT_LINES_MAX,
} from "../../lib/view/status.ts";
import { jobStatus, rankStatus } from "./sample_status.ts";

Deno.test("status: requests and answers come through as they were", () => {
  for (
    const request of [
      { lastLines: "all" as const, output: null },
      { lastLines: [0, 7], output: { rank: 7, lines: 50 } },
    ]
  ) {
    assertEquals(decodeStatusRequest(encodeStatusRequest(request)), request);
  }
  const status = jobStatus(5, { output: { rank: 1, lines: ["é", "\u0000"] } }, 2);
  assertEquals(decodeStatus(encodeStatus(status)), status);
  assert(!encodeStatus(status).includes("\n"), "one line");
});

Deno.test("status: a request of a stranger asks for nothing, a greedy one gets the limit", () => {
  for (const text of ["", "{}", "[]", "null", '{"ask":"stop"}', "GET / HTTP/1.1"]) {
    assertEquals(decodeStatusRequest(text), null);
  }
  assertEquals(decodeStatusRequest('{"ask":"status","lastLines":["x",3],"output":{"rank":1,"lines":1e9}}'), {
    lastLines: [3],
    output: { rank: 1, lines: OUTPUT_LINES_MAX },
  });
  assertEquals(decodeStatusRequest('{"ask":"status","output":"all"}'), { lastLines: [], output: null });
});

Deno.test("status: what is no status is known for it", () => {
  const whole = encodeStatus(jobStatus(3));
  const prng = new Prng(11);
  for (let round = 0; round < 200; round++) {
    assertEquals(decodeStatus(whole.slice(0, prng.below(whole.length))), null);
  }
  assertEquals(decodeStatus(whole.replace('"version":1', '"version":2')), null);
  assertEquals(decodeStatus('{"version":1,"job":"x","nodes":[null]}'), null);
});

Deno.test("joinStatuses() puts nodes in their order and keeps the output that one of them told", () => {
  const node = (nodeRank: number) => ({
    host: `h${nodeRank}`,
    nodeRank,
    launcherPid: 1,
    workers: [rankStatus(nodeRank)],
  });
  const own = jobStatus(2, { nodes: [node(1)] });
  const other = jobStatus(2, { nodes: [node(0)], output: { rank: 0, lines: ["x"] } });
  const joined = joinStatuses(own, [other]);
  assertEquals(joined.nodes.map(({ host }) => host), ["h0", "h1"]);
  assertEquals(joined.output?.lines, ["x"]);
});
