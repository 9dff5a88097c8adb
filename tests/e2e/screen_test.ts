/** Whole screens as a person sees them, compared with recorded ones (tests/e2e/screens/). */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { LAUNCHERS } from "../interop/harness.ts";
import { assertView, Screen } from "./screen.ts";

const WIDE = { columns: 80, rows: 24 };

/** Shell: `turn N` waits until all ranks below have said `done N`, so that the order on the screen is known. */
const IN_TURN =
  `turn() { until [ $RANK = 0 ] || [ -e $1.$((RANK - 1)) ]; do sleep 0.01; done; }; done_() { : >$1.$RANK; }; `;
/** Shell: waits until all ranks are here. */
const together = (count: number) =>
  `together() { : >$1.at.$RANK; until [ $(ls $1.at.* | wc -l) = ${count} ]; do sleep 0.01; done; }; `;

Deno.test("screen: a good job", () =>
  assertView("good_job", async () => {
    const script = IN_TURN + together(4) +
      `together a; echo loading; for i in 1 2; do turn $i; echo "step $i loss 0.$RANK$i"; sleep 0.1; done_ $i; together b$i; done
       sleep 0.3; together c; echo saved`;
    await using screen = await Screen.open(Screen.job(["--nproc-per-node=4"], script), WIDE);
    await screen.waitFor(/rc=/);
    return await screen.shown();
  }));

Deno.test("screen: a crash", () =>
  assertView("crash", async () => {
    const script = together(4) +
      `together a; echo loading; sleep 0.4
       if [ $RANK = 2 ]; then echo "Traceback (most recent call last):" >&2; echo "ValueError: no batch" >&2; exit 3; fi
       sleep 60`;
    await using screen = await Screen.open(Screen.job(["--nproc-per-node=4"], script), {
      columns: 100,
      rows: 50,
    });
    await screen.waitFor(/rc=/);
    assertMatch(await screen.shown(), /Root Cause[\s\S]*ValueError: no batch/);
    return await screen.shown();
  }));

Deno.test("screen: Ctrl-C", () =>
  assertView("ctrl_c", async () => {
    const script = together(4) +
      `trap 'echo "saving the checkpoint"; exit 0' INT; together a; echo "step 1"; : >ready.$RANK
       while :; do sleep 0.05; done`;
    await using screen = await Screen.open(Screen.job(["--nproc-per-node=4"], script), WIDE);
    await screen.waitFor(/step 1/);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await screen.press("C-c");
    await screen.waitFor(/rc=/);
    return await screen.shown();
  }));

Deno.test("screen: a wait for nodes is one line that counts down, and makes room for the workers", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const words = [
    ...[...LAUNCHERS.muster, "--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d"],
    ...[`--rdzv-endpoint=127.0.0.1:${port}`, "--no-python", "sh", "-c"],
  ].join(" ");
  const node = `${words} 'sleep 0.3; echo here; sleep 0.3'`;
  const second = `(sleep 3.5; ${node} >/dev/null 2>&1) &`;
  await using screen = await Screen.open(`${second} ${node}`, { columns: 100, rows: 12 });
  const line = /^muster: Waiting for nodes: 1 of 2 is here \(\S+\), for up to 9 min 5\d s$/;
  await screen.waitFor(/Waiting for nodes/);
  const [first, ...rest] = (await screen.shown()).split("\n");
  assertMatch(first!, line);
  assertEquals(rest, []);
  const later = new RegExp(`^(?!${RegExp.escape(first!)}).*Waiting for nodes`);
  await screen.waitFor(later);
  assertMatch(await screen.shown(), line);
  await screen.waitFor(/rc=0/);
  const end = await screen.shown();
  assert(!end.includes("Waiting"), end);
  assertMatch(end, /^muster: 2 nodes .* take part, 2 workers in all$/m);
  assertMatch(end, /^here$/m);
});

Deno.test("screen: a wait is one line on a narrow terminal too, and when its size changes", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const words = [
    ...[...LAUNCHERS.muster, "--nnodes=2:4", "--nproc-per-node=1", "--rdzv-backend=c10d"],
    ...[`--rdzv-endpoint=127.0.0.1:${port}`, "--rdzv-conf=join_timeout=3000", "--timestamps"],
    ...["--no-python", "true"],
  ].join(" ");
  await using screen = await Screen.open(words, { columns: 60, rows: 12 });
  const line = (dots: string) => new RegExp(`^\\S+ muster: Waiting.*${dots}, for up to 49 min \\d+ s$`);
  // What has no room is said once, in two rows here; the line below is kept up to date.
  await screen.waitFor(/1 of 2 to 4 is here \(\S+\)/);
  await screen.waitFor(/…, for up to 49 min 5[0-6] s/);
  const rows = (await screen.shown()).split("\n");
  assertEquals(rows.length, 3, rows.join("\n"));
  assertMatch(rows[2]!, line("…"));
  await screen.resize(100, 12);
  await screen.waitFor(/1 of 2 to 4 .*\n.*1 of 2 to 4/);
  assertMatch((await screen.shown()).split("\n").at(-1)!, line(""));
  await screen.press("C-c");
  await screen.waitFor(/rc=130/);
});

/** What each rank has said by the lines of a screen: folded ones are taken apart, and who printed alone at first. */
function linesByRank(history: string, ranks: number): string[][] {
  const own: string[][] = Array.from({ length: ranks }, () => []);
  for (const line of history.split("\n")) {
    if (/^muster: |^rc=/.test(line)) continue;
    const first = history.match(/^step 1 of rank (\d+)/m)?.[1];
    const [, label = first, text = line] = line.match(/^\[(?:ranks )?([\d ,-]+)\] (.*)$/) ?? [];
    assert(label !== undefined, `A line without its ranks: ${line}`);
    for (const part of label.trim().split(",")) {
      const [first, last = first] = part.split("-").map(Number);
      for (let rank = first!; rank <= last!; rank++) own[rank]!.push(text!);
    }
  }
  return own;
}

Deno.test("screen: 64 noisy ranks on a narrow terminal", async () => {
  const lines = 30;
  const script = `i=0; while [ $i -lt ${lines} ]; do i=$((i+1))
    echo "step $i of rank $RANK: $(printf %0$((RANK + 1))d 0)"; echo "epoch $i"; done`;
  await using screen = await Screen.open(Screen.job(["--nproc-per-node=64", "--fold=never"], script), {
    columns: 40,
    rows: 20,
  });
  await screen.waitFor(/rc=0/, 60_000);
  const own = linesByRank(await screen.history(), 64);
  for (const [rank, said] of own.entries()) {
    const expected = Array.from({ length: lines }, (_, i) => [
      `step ${i + 1} of rank ${rank}: ${"0".repeat(rank + 1)}`,
      `epoch ${i + 1}`,
    ]);
    assertEquals(said, expected.flat(), `rank ${rank}`);
  }
});

Deno.test("screen: 8 noisy ranks, folded, and a window that changes its size meanwhile", async () => {
  const lines = 100;
  const script = together(8) +
    `together a; i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo "all $i"; echo "only $RANK: $i"; done`;
  await using screen = await Screen.open(Screen.job(["--nproc-per-node=8"], script), WIDE);
  await screen.resize(50, 10);
  await screen.waitFor(/rc=0/);
  await screen.resize(100, 30);
  const history = await screen.history();
  assertMatch(history, /^\[ranks \d[\d,-]*\] all \d+$/m);
  for (const [rank, said] of linesByRank(history, 8).entries()) {
    const expected = Array.from({ length: lines }, (_, i) => [`all ${i + 1}`, `only ${rank}: ${i + 1}`]);
    assertEquals(said, expected.flat(), `rank ${rank}`);
  }
});

Deno.test("screen: a stopped terminal (Ctrl-S) never holds a worker up, and lost lines are counted", async () => {
  // More than the console's queue holds; the file says that the worker has ended.
  const script =
    `until [ -e stopped ]; do sleep 0.02; done; seq -f "line %g xxxxxxxxxxxxxxxxxxxxxxxxxxxxx" 1 600000; : >ended
    until [ -e goes_on ]; do sleep 0.02; done; echo last`;
  await using screen = await Screen.open(Screen.job(["-t", "1"], script), WIDE);
  await screen.waitFor(/muster: 1 worker started/);
  await screen.press("C-s");
  await Deno.writeTextFile(`${screen.directory}/stopped`, "");
  const deadline = performance.now() + 30_000;
  while (!await Deno.stat(`${screen.directory}/ended`).catch(() => null)) {
    assert(performance.now() < deadline, "The worker waits for the terminal");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await screen.press("C-q");
  await Deno.writeTextFile(`${screen.directory}/goes_on`, "");
  await screen.waitFor(/rc=0/, 60_000);
  assertMatch(await screen.history(), /\n… [\d,]+ lines dropped: the console did not read\n(.*\n)*.*last\n/);
});
