/** What workers and people see when the launcher is on a terminal, which script(1) makes here. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { LAUNCHERS, type RunOptions, runProgram } from "../interop/harness.ts";

/** Runs a job of shell workers on a terminal and returns what the terminal showed. */
async function onTerminal(
  options: readonly string[],
  script: string,
  more: RunOptions & { readonly before?: string } = {},
): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "muster-terminal-" });
  try {
    const job = [...LAUNCHERS.muster, "--standalone", ...options, "--no-python", "sh", "-c", script];
    const quoted = job.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    const session = `stty rows 23 cols 91; ${more.before ?? ""} exec ${quoted}`;
    const run = await runProgram(["script", "-qfec", session, "/dev/null"], { cwd: directory, ...more });
    assertEquals([run.code, run.survivors], [0, []], run.stdout);
    return run.stdout;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("terminal: every worker sees a terminal of the launcher's size that does not control it", async () => {
  const shown = await onTerminal(
    ["--nproc-per-node=2"],
    'test -t 1 && test -t 2 && echo "$RANK: $(stty size <&2)"; (: </dev/tty) 2>/dev/null || echo "$RANK free"',
  );
  // Less the columns that the labels take.
  for (const line of ["0: 23 87\r\n", "1: 23 87\r\n", "0 free\r\n", "1 free\r\n"]) {
    assertStringIncludes(shown, line);
  }
  assertStringIncludes(shown, "muster: ");
});

Deno.test("terminal: the workers' terminals follow the size of the launcher's", async () => {
  const shown = await onTerminal(
    ["--nproc-per-node=2"],
    ': >ready.$RANK; until [ "$(stty size <&2)" = "40 96" ]; do sleep 0.02; done; echo "$RANK follows"',
    {
      before:
        "(until [ -e ready.0 ] && [ -e ready.1 ]; do sleep 0.02; done; stty rows 40 cols 100 </dev/tty) &",
    },
  );
  assertStringIncludes(shown, "0 follows");
  assertStringIncludes(shown, "1 follows");
});

Deno.test("terminal: a lone worker's prompt is shown and answered", async () => {
  const shown = await onTerminal([], 'printf "Name? "; read -r name; echo "Hello $name"', { stdin: "Ada\n" });
  assertMatch(shown, /Name\? .*Hello Ada\r\n/s);
});

Deno.test("terminal: a progress bar is seen state by state while other workers print", async () => {
  const shown = await onTerminal(
    ["--nproc-per-node=2"],
    `if [ $RANK = 0 ]; then
      for state in 10 50 100; do printf "\\rbar $state%%"; : >state.$state; until [ -e go.$state ]; do sleep 0.02; done; done
      echo; : >end
    else
      for state in 10 50 100; do until [ -e state.$state ]; do sleep 0.02; done; sleep 0.1; echo "line $state"; sleep 0.3; : >go.$state; done
    fi`,
  );
  const at = (text: string) => {
    assertStringIncludes(shown, text);
    return shown.indexOf(text);
  };
  assert(at("bar 10%") < at("line 10") && at("line 10") < at("bar 50%") && at("bar 50%") < at("line 50"));
  // The other's line takes the bar's place, and the bar comes back below it.
  const [first, second] = ["\x1b[36m[0]\x1b[39m", "\x1b[33m[1]\x1b[39m"];
  assertStringIncludes(
    shown,
    `\r${first} bar 50%\r\x1b[K${second} line 50\r\n\r${first} bar 100%\r\x1b[K${second} line 100\r\n` +
      `\r${first} bar 100%\r\n`,
  );
});

Deno.test("terminal: colours and odd bytes pass, and no line is inside another's", async () => {
  const shown = await onTerminal(
    ["--nproc-per-node=4"],
    `for i in 1 2 3 4 5 6 7 8; do printf '\\033[3%dm' $((RANK + 1)); printf "rank $RANK line $i"; printf '\\033[0m\\n'; done`,
  );
  const lines = shown.replaceAll(new RegExp("\x1b\\[\\d+m\\[\\d\\]\x1b\\[39m ", "g"), "").split("\r\n");
  for (let rank = 0; rank < 4; rank++) {
    const own = lines.filter((line) => line.startsWith(`\x1b[3${rank + 1}mrank`));
    assertEquals(own, [1, 2, 3, 4, 5, 6, 7, 8].map((i) => `\x1b[3${rank + 1}mrank ${rank} line ${i}\x1b[0m`));
  }
});

Deno.test("terminal: a crashed worker's last words reach the report", async () => {
  const directory = await Deno.makeTempDir({ prefix: "muster-terminal-" });
  try {
    const job = `${LAUNCHERS.muster.join(" ")} --standalone --no-python sh -c 'echo last words >&2; exit 3'`;
    const run = await runProgram(["script", "-qfec", job, "/dev/null"], { cwd: directory });
    assertEquals(run.code, 1);
    assertEquals(run.stdout.split("last words").length - 1, 2, run.stdout);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("terminal: a worker that prints alone has no label, and NO_COLOR takes the colours away", async () => {
  const script = "[ $RANK != 0 ] || echo first";
  const alone = await onTerminal(["--nproc-per-node=2"], script);
  assertMatch(alone, /^first\r$/m);
  const both = await onTerminal(
    ["--nproc-per-node=2"],
    "for i in 1 2 3 4 5 6 7 8 9; do echo line $RANK; sleep 0.05; done",
    {
      env: { NO_COLOR: "1" },
    },
  );
  assertMatch(both, /^\[0\] line 0\r$/m);
  assertMatch(both, /^\[1\] line 1\r$/m);
});
