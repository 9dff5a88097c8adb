/**
 * `deno task test [--interop | --no-interop] [FILE…]`: the one gate, the same on a laptop and in CI.
 * Format, lint and types first, then the tests without PyTorch, then those against it (tests/interop).
 * Where PyTorch is missing the latter are left out, in one clear line; with CI=true nothing is left out and
 * the lock file is frozen. The last line is `N passed, N failed`, summed over everything that ran; each of the
 * three checks counts as one. Files name the only tests to run, and skip the checks.
 */

import { INTEROP_DIRECTORY, pytorchIsInstalled, TORCH_HOME } from "../tests/interop/harness.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const isContinuousIntegration = Deno.env.get("CI") === "true";
const lockArguments = isContinuousIntegration ? ["--frozen"] : [];

interface Tally {
  passed: number;
  failed: number;
}

async function main(): Promise<number> {
  const flags = Deno.args.filter((argument) => argument.startsWith("--"));
  const files = Deno.args.filter((argument) => !argument.startsWith("--"));
  const unknown = flags.filter((flag) => flag !== "--interop" && flag !== "--no-interop");
  if (unknown.length > 0) {
    console.error(`Unknown option ${unknown[0]}: use --interop, --no-interop or names of test files`);
    return 2;
  }
  const onlyInterop = flags.includes("--interop");
  const tally: Tally = { passed: 0, failed: 0 };

  if (files.length > 0) {
    await runTests(files, tally);
  } else {
    if (!onlyInterop) {
      await runCheck("format", ["fmt", "--check"], tally);
      await runCheck("lint", ["lint", "--quiet"], tally);
      await runCheck("types", ["check", "--quiet", ...lockArguments, "."], tally);
      await runTests(["tests", `--ignore=${INTEROP_DIRECTORY}`], tally);
    }
    if (flags.includes("--no-interop")) {
      console.log("\nLeft out as asked: tests/interop, the tests against PyTorch");
    } else if (onlyInterop || isContinuousIntegration || pytorchIsInstalled()) {
      // They fail by themselves, with the reason, where PyTorch is missing.
      await runTests([INTEROP_DIRECTORY], tally);
    } else {
      console.log(
        `\nLeft out: tests/interop, the tests against PyTorch, which is not at ${TORCH_HOME} (.ci/run installs it)`,
      );
    }
  }
  console.log(`\n${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0 ? 0 : 1;
}

/** One `deno` command that is right or wrong as a whole. */
async function runCheck(name: string, args: readonly string[], tally: Tally): Promise<void> {
  const succeeded = await runDeno(args);
  console.log(`${name}: ${succeeded ? "ok" : "FAILED"}`);
  if (succeeded) tally.passed++;
  else tally.failed++;
}

/** Types are checked by then, and `deno check` has seen the test files too. */
async function runTests(args: readonly string[], tally: Tally): Promise<void> {
  const junitPath = await Deno.makeTempFile({ prefix: "muster-tests-", suffix: ".xml" });
  try {
    const succeeded = await runDeno([
      ...["test", "-A", "--no-check", "--parallel", "--sanitize-ops", "--sanitize-resources"],
      ...[...lockArguments, `--junit-path=${junitPath}`, ...args],
    ]);
    const counted = countTests(await Deno.readTextFile(junitPath));
    tally.passed += counted.passed;
    // A file that can't be loaded and a runner that dies leave no test case behind.
    tally.failed += counted.failed === 0 && !succeeded ? 1 : counted.failed;
  } finally {
    await Deno.remove(junitPath);
  }
}

/** Sums of a JUnit file; the ignored are in its `tests`, but neither passed nor failed. */
function countTests(junit: string): Tally {
  const root = junit.match(/<testsuites [^>]*>/)?.[0] ?? "";
  const attribute = (name: string) => Number(root.match(new RegExp(` ${name}="(\\d+)"`))?.[1] ?? 0);
  const ignored = junit.match(/<skipped\b/g)?.length ?? 0;
  const failed = attribute("failures") + attribute("errors");
  return { passed: attribute("tests") - failed - ignored, failed };
}

async function runDeno(args: readonly string[]): Promise<boolean> {
  const command = new Deno.Command(Deno.execPath(), { args: [...args], cwd: ROOT, stdin: "null" });
  return (await command.spawn().status).success;
}

Deno.exit(await main());
