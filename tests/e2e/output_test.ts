/**
 * Output that is large, odd or cut off by a crash: whole in files, bounded and marked on the console. A script's `$$$$` is
 * the shell's `$$`, since torchrun's macros are replaced in it.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromUtf8 } from "../../lib/core/bytes.ts";
import { CONSOLE_LINE_BYTES_MAX } from "../../lib/logs/line_framer.ts";
import { LAUNCHERS, type Run, runLauncher } from "../interop/harness.ts";

interface Outcome extends Run {
  /** Content of a file below the attempt's directory. */
  readonly file: (name: string) => Uint8Array;
}

/** Runs a job of shell workers that keeps its logs. */
async function job(
  options: readonly string[],
  script: string,
  check: (outcome: Outcome) => void,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "muster-output-" });
  try {
    const args = [
      "--standalone",
      `--log-dir=${directory}/logs`,
      ...options,
      "--no-python",
      "sh",
      "-c",
      script,
    ];
    const run = await runLauncher("muster", args, { cwd: directory });
    const [name] = [...Deno.readDirSync(`${directory}/logs`)].map((entry) => entry.name);
    check({ ...run, file: (path) => Deno.readFileSync(`${directory}/logs/${name}/attempt_0/${path}`) });
    assertEquals(run.survivors, []);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("output: 64 workers that crash at once lose no line, and none is out of its stream's order", async () => {
  // Together, since the first crash stops those that are still being started.
  const script = `trap '' TERM; : >at.$RANK; set -- at.*; until [ $# = 64 ]; do sleep 0.02; set -- at.*; done
    seq -f "$RANK out %g" 1 10000; seq -f "$RANK err %g" 1 200 >&2; kill -SEGV $$$$`;
  await job(["--nproc-per-node=64", "-t", "3"], script, ({ code, stdout, file }) => {
    assertEquals(code, 1);
    const shown = new Map<string, string[]>();
    for (const line of stdout.trimEnd().split("\n")) {
      const label = line.slice(0, line.indexOf(":") + 1);
      if (!shown.has(label)) shown.set(label, []);
      shown.get(label)!.push(line.slice(label.length));
    }
    const expected = (rank: number, name: string, count: number) =>
      Array.from({ length: count }, (_, i) => `${rank} ${name} ${i + 1}\n`).join("");
    for (let rank = 0; rank < 64; rank++) {
      const out = expected(rank, "out", 10_000);
      assert(fromUtf8(file(`${rank}/stdout.log`)) === out, `stdout.log of rank ${rank} differs`);
      assert(
        fromUtf8(file(`${rank}/stderr.log`)) === expected(rank, "err", 200),
        `stderr.log of rank ${rank} differs`,
      );
      assert(
        shown.get(`[default${rank}]:`)!.join("\n") + "\n" === out,
        `The console of rank ${rank} differs`,
      );
    }
  });
});

Deno.test("output: a line of 100 MB is whole in its file, and capped and marked on the console", async () => {
  const bytes = 100_000_000;
  const script = `head -c ${bytes} /dev/zero | tr '\\0' x; echo; echo after`;
  await job(["-t", "1"], script, ({ code, stdout, file }) => {
    assertEquals(code, 0);
    const log = file("0/stdout.log");
    assertEquals(log.length, bytes + "\nafter\n".length);
    assert(log.subarray(0, bytes).every((byte) => byte === 120));
    const [long, after] = stdout.split("\n");
    assertEquals(after, "[default0]:after");
    const left = (bytes - CONSOLE_LINE_BYTES_MAX).toLocaleString("en-US");
    assertMatch(long!.slice(0, 20), /^\[default0\]:x+$/);
    assertEquals(
      long!.slice("[default0]:".length + CONSOLE_LINE_BYTES_MAX),
      `… ${left} bytes of this line left out`,
    );
  });
});

Deno.test("output: NUL bytes and invalid UTF-8 pass as they are, to files and consoles", async () => {
  const script = `printf 'a\\0b\\377\\n\\303(\\n'; printf '\\355\\240\\200\\n' >&2`;
  const odd = [97, 0, 98, 255, 10, 0xc3, 0x28, 10];
  await job(["-t", "1", "-r", "2"], script, ({ file }) => {
    assertEquals([...file("0/stdout.log")], odd);
    assertEquals([...file("0/stderr.log")], [0xed, 0xa0, 0x80, 10]);
  });
  for (const options of [[], ["-t", "3"]]) {
    const [program, ...args] = LAUNCHERS.muster;
    const { stdout } = await new Deno.Command(program, {
      args: [...args, "--standalone", ...options, "--no-python", "sh", "-c", script],
      stderr: "null",
    }).output();
    const label = options.length === 0 ? [] : [...new TextEncoder().encode("[default0]:")];
    assertEquals([...stdout], [...label, ...odd.slice(0, 5), ...label, ...odd.slice(5)]);
  }
});

Deno.test("output: the last words of a killed worker are kept, also without a newline", async () => {
  const script = `printf 'whole\\nlast words'; printf 'last error' >&2; kill -KILL $$$$`;
  for (const options of [["-t", "3"], ["-r", "3"], ["-t", "1", "-r", "2"]]) {
    await job(options, script, ({ code, stdout, stderr, file }) => {
      assertEquals(code, 1);
      assertEquals(fromUtf8(file("0/stdout.log")), "whole\nlast words");
      assertEquals(fromUtf8(file("0/stderr.log")), "last error");
      assertEquals(stdout, options[0] === "-t" ? "[default0]:whole\n[default0]:last words" : "");
      assertMatch(stderr, /last error/);
    });
  }
  const plain = await runLauncher("muster", ["--standalone", "--no-python", "sh", "-c", script]);
  assertEquals(plain.stdout, "whole\nlast words");
  assertMatch(plain.stderr, /^last error/);
});
