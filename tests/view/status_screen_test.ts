import { assert, assertEquals } from "@std/assert";
import type { Canvas } from "../../lib/view/paint.ts";
import { widthOf } from "../../lib/view/paint.ts";
import { FIRST_VIEW } from "../../lib/view/status_keys.ts";
import { requestForOnce, statusOnce, statusScreen } from "../../lib/view/status_screen.ts";
import type { JobStatus } from "../../lib/view/status.ts";
import { jobStatus, rankStatus } from "./sample_status.ts";
import { checkScreen } from "./screens.ts";

const canvas = (columns: number, rows: number): Canvas => ({ columns, rows, colour: false, unicode: true });
// deno-lint-ignore no-control-regex
const withoutStyles = (line: string) => line.replaceAll(/\x1b\[\d*(;\d+)*m/g, "");
const OUTPUT = { rank: 0, lines: ["epoch 1", "step 99 loss 0.31", "step 100 loss 0.25"] };

function screen(status: JobStatus, columns: number, rows: number, view = FIRST_VIEW): string[] {
  return statusScreen(status, null, view, canvas(columns, rows)).lines.map(withoutStyles);
}

/** A job in trouble: rank 5 was killed, its node's others are being stopped, rank 9 says nothing. */
function troubled(count: number, hosts: number): JobStatus {
  const status = jobStatus(count, {
    phase: "stopping",
    cause: "rank 5: SIGKILL",
    attempt: 1,
    lostMs: 42_000,
    output: { ...OUTPUT, rank: 5 },
  }, hosts);
  const changed = status.nodes.map((node) => ({
    ...node,
    workers: node.workers.map((worker) =>
      worker.rank === 5
        ? rankStatus(5, { localRank: worker.localRank, state: "failed", ending: "SIGKILL", sinceMs: 2_000 })
        : worker.rank < 8
        ? { ...worker, state: "stopped" as const, ending: "SIGTERM", sinceMs: 1_000 }
        : worker.rank === 9
        ? { ...worker, silentMs: 125_000 }
        : worker
    ),
  }));
  return { ...status, nodes: changed };
}

Deno.test("statusScreen() shows few ranks as a table, each with its last line", () => {
  checkScreen("table_4_ranks_80x24", screen(jobStatus(4, { output: OUTPUT }), 80, 24));
});

Deno.test("statusScreen() shows many ranks as a grid, node by node, and who is in trouble", () => {
  const view = { ...FIRST_VIEW, chosen: 5 };
  checkScreen("grid_64_ranks_100x30", screen(troubled(64, 8), 100, 30, view));
});

Deno.test("statusScreen() shows thousands of ranks, the worst of several in one character", () => {
  const lines = screen(troubled(4096, 512), 80, 24);
  checkScreen("grid_4096_ranks_80x24", lines);
  assertEquals(lines.join("\n").match(/✗/g)?.length, 2, "in the counts and in the grid");
});

Deno.test("statusScreen() keeps to narrow and low terminals", () => {
  checkScreen("grid_64_ranks_32x10", screen(troubled(64, 8), 32, 10));
  checkScreen("table_4_ranks_40x12", screen(jobStatus(4, { output: OUTPUT }), 40, 12));
});

Deno.test("statusScreen() shows what the chosen rank printed on the whole screen", () => {
  checkScreen(
    "output_80x20",
    screen(jobStatus(64, { output: OUTPUT }, 8), 80, 20, { ...FIRST_VIEW, mode: "output" }),
  );
});

Deno.test("statusOnce() lists small jobs, and of large ones the grid and the ranks in trouble", () => {
  const once = (status: JobStatus) => statusOnce(status, canvas(100, Infinity)).map(withoutStyles);
  checkScreen("once_16_ranks", once(troubled(16, 2)));
  checkScreen("once_512_ranks", once(troubled(512, 64)));
});

Deno.test("statusScreen() fills any terminal exactly, whatever workers printed", () => {
  const nasty = "\x1b[31mred\x1b]0;title\x07\x00\t漢字 é 😀 \u202e end".repeat(3);
  for (const count of [1, 7, 64, 1000, 4096]) {
    for (const hosts of [1, 8, 100]) {
      const status = jobStatus(count, { output: { rank: 0, lines: [nasty, nasty] } }, Math.min(hosts, count));
      for (const columns of [1, 2, 10, 39, 80, 250]) {
        for (const rows of [1, 2, 5, 13, 24, 80]) {
          for (const view of [FIRST_VIEW, { ...FIRST_VIEW, ranks: "table" as const, chosen: count - 1 }]) {
            const lines = screen(status, columns, rows, view);
            assertEquals(lines.length, rows, `${count} ranks at ${columns}x${rows}`);
            for (const line of lines) {
              assert(widthOf(line) <= columns, `${count} ranks at ${columns}x${rows}: ${line}`);
              // deno-lint-ignore no-control-regex
              assert(!/[\x00-\x1f\x7f-\x9f\u202e]/.test(line), JSON.stringify(line));
            }
          }
        }
      }
    }
  }
});

Deno.test("statusScreen() is plain ASCII where the terminal shows no more", () => {
  const { lines } = statusScreen(troubled(64, 8), null, FIRST_VIEW, { ...canvas(80, 24), unicode: false });
  // deno-lint-ignore no-control-regex
  for (const line of lines) assert(/^[\x00-\x7f]*$/.test(line), line);
});

Deno.test("statusScreen() asks for the lines of those only that it shows, and for the chosen rank's output", () => {
  const table = statusScreen(
    jobStatus(4096),
    null,
    { ...FIRST_VIEW, ranks: "table", chosen: 2000 },
    canvas(80, 24),
  );
  assertEquals(table.request.output, { rank: 2000, lines: 24 });
  assert(table.request.lastLines.length < 24 && table.request.lastLines !== "all");
  assert(table.request.lastLines.includes(2000));
  assertEquals(statusScreen(jobStatus(4096), null, FIRST_VIEW, canvas(80, 24)).request.lastLines, []);
});

Deno.test("statusScreen() tells the store's load as a rate once it has two counts", () => {
  const earlier = jobStatus(4);
  const now = {
    ...earlier,
    elapsedMs: earlier.elapsedMs + 2_000,
    store: { ...earlier.store!, counters: { ...earlier.store!.counters!, requests: 15_000 } },
  };
  const line = statusScreen(now, earlier, FIRST_VIEW, canvas(80, 24)).lines[3];
  assertEquals(line, "Store 10.0.0.1:29500 · 1,500 requests/s · 4 connections · 37 keys");
});

Deno.test("requestForOnce() asks for the lines of few ranks, and of many for those in trouble", () => {
  assertEquals(requestForOnce(jobStatus(64)).lastLines, "all");
  assertEquals(requestForOnce(troubled(4096, 512)).lastLines, [5, 9]);
});
