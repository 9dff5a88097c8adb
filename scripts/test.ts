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

/**
 * Types are checked by then, and `deno check` has seen the test files too. Tests with real processes and real time share
 * two cores here: what fails beside others is run once more alone, by its name, and counts by that; the names are told.
 */
async function runTests(args: readonly string[], tally: Tally): Promise<void> {
  const first = await runFiles(["--parallel", ...args]);
  tally.passed += first.passed;
  const { failedTests: failed } = first;
  if (first.succeeded || failed.length === 0 || failed.length > RUN_AGAIN_MAX) {
    // A file that can't be loaded and a runner that dies leave no test case behind.
    tally.failed += first.failed === 0 && !first.succeeded ? 1 : first.failed;
    return;
  }
  console.log(`\nFailed beside other tests, so run again alone: ${failed.join("; ")}`);
  const second = await runFiles([`--filter=${filterOf(failed)}`, ...args]);
  const passed = new Set(second.passedTests);
  const recovered = failed.filter((name) => passed.has(name) && !second.failedTests.includes(name));
  tally.failed += first.failed - recovered.length;
  tally.passed += recovered.length;
  for (const name of recovered) console.log(`Failed beside other tests, passed alone: ${name}`);
}

/** More tests than these that fail are no matter of time. */
const RUN_AGAIN_MAX = 12;

/** For exactly these tests. The files that have them are not known: of a test that a helper registers only that is told. */
function filterOf(names: readonly string[]): string {
  return `/^(?:${names.map((name) => RegExp.escape(name)).join("|")})$/`;
}

interface Outcome extends Tally {
  readonly succeeded: boolean;
  readonly passedTests: readonly string[];
  readonly failedTests: readonly string[];
}

async function runFiles(args: readonly string[]): Promise<Outcome> {
  const directory = await Deno.makeTempDir({ prefix: "muster-tests-" });
  const junitPath = `${directory}/junit.xml`;
  // It stays so where a file can't be loaded.
  await Deno.writeTextFile(junitPath, "");
  try {
    const succeeded = await runDeno([
      ...["test", "-A", "--no-check", "--sanitize-ops", "--sanitize-resources"],
      ...[...lockArguments, `--junit-path=${junitPath}`, ...args],
    ], { MUSTER_STATE_DIRECTORY: `${directory}/state` });
    return { succeeded, ...readOutcome(await Deno.readTextFile(junitPath)) };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Sums of a JUnit file; the ignored are in its `tests`, but neither passed nor failed. */
function readOutcome(junit: string): Omit<Outcome, "succeeded"> {
  const root = junit.match(/<testsuites [^>]*>/)?.[0] ?? "";
  const attribute = (name: string) => Number(root.match(new RegExp(` ${name}="(\\d+)"`))?.[1] ?? 0);
  const ignored = junit.match(/<skipped\b/g)?.length ?? 0;
  const failed = attribute("failures") + attribute("errors");
  const cases = [...junit.matchAll(/<testcase name="([^"]*)"[^>]*>\s*<(\/?)(\w+)/g)];
  const namesOf = (isMeant: (element: string) => boolean) =>
    cases.filter(([, , slash, element]) => isMeant(slash! + element!)).map(([, name]) => unescaped(name!));
  return {
    passed: attribute("tests") - failed - ignored,
    failed,
    passedTests: namesOf((element) => element.startsWith("/")),
    failedTests: namesOf((element) => element === "failure" || element === "error"),
  };
}

function unescaped(text: string): string {
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => entities[name]!);
}

async function runDeno(args: readonly string[], env: Record<string, string> = {}): Promise<boolean> {
  const command = new Deno.Command(Deno.execPath(), { args: [...args], env, cwd: ROOT, stdin: "null" });
  return (await command.spawn().status).success;
}

Deno.exit(await main());
