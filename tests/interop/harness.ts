/**
 * What the tests against real PyTorch share: where it is, how torchrun and muster are run side by side in equal
 * surroundings, and that nothing of a run is left behind, however the test ends.
 */

import { killMarked, newMark, type ProcessInfo, waitUntilGone } from "../e2e/processes.ts";

export const ROOT = new URL("../..", import.meta.url).pathname;
export const INTEROP_DIRECTORY = "tests/interop";
export const FIXTURES = `${ROOT}${INTEROP_DIRECTORY}/fixtures`;

/** Where `.ci/run` puts what the tests need, outside the checkout. */
export const TEST_HOME = Deno.env.get("MUSTER_TEST_HOME") ??
  `${Deno.env.get("HOME") ?? "/tmp"}/.cache/muster-test`;

/** The virtual environment with PyTorch 2.15, outside the checkout; `.ci/run` makes it. */
export const TORCH_HOME = `${TEST_HOME}/torch-2.15`;
export const PYTHON = `${TORCH_HOME}/bin/python3`;
export const TORCHRUN = `${TORCH_HOME}/bin/torchrun`;

/** How the launchers are started: program and leading arguments. */
export const LAUNCHERS = {
  torchrun: [TORCHRUN],
  "torch.distributed.launch": [PYTHON, "-m", "torch.distributed.launch"],
  muster: [Deno.execPath(), "run", "-A", "--quiet", `${ROOT}main.ts`],
  "muster launch": [Deno.execPath(), "run", "-A", "--quiet", `${ROOT}main.ts`, "launch"],
} as const;

export type LauncherName = keyof typeof LAUNCHERS;

export function pytorchIsInstalled(): boolean {
  try {
    return Deno.statSync(TORCHRUN).isFile;
  } catch {
    return false;
  }
}

/** How a test is made known: `Deno.test`, or `socketTest` where it serves sockets itself. */
type Test = (name: string, body: () => Promise<void> | void) => void;

/**
 * `Deno.test` for a test that needs PyTorch. Where it is missing the test is left out and says so; with CI=true
 * it fails instead.
 */
export function interopTest(name: string, body: () => Promise<void> | void, test: Test = Deno.test): void {
  const installed = pytorchIsInstalled();
  if (!installed && Deno.env.get("CI") !== "true") {
    console.log(`Left out: "${name}" needs PyTorch at ${TORCH_HOME}`);
    Deno.test({ name, ignore: true, fn: () => {} });
    return;
  }
  test(name, () => {
    if (!installed) throw new Error(`No PyTorch at ${TORCH_HOME}: .ci/run installs it`);
    return body();
  });
}

export interface Run {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What the program had started and left running a second after its own end. */
  readonly survivors: readonly ProcessInfo[];
}

/** How long a launcher's workers may live on after it: "gone within a second". */
const SURVIVORS_GRACE_MS = 1000;

export interface RunOptions {
  /** Added to the plain surroundings that both launchers get. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Text for stdin; without it stdin is /dev/null. */
  readonly stdin?: string;
  /** After this time the run counts as hung, is killed whole, and the call fails. */
  readonly timeoutMs?: number;
  /** Called once the launcher is started, with its pid; its promise is awaited together with the end. */
  readonly whileRunning?: (pid: number) => Promise<void>;
}

/** Where launchers keep what must outlive them; `scripts/test.ts` removes it. */
const STATE_DIRECTORY = Deno.env.get("MUSTER_STATE_DIRECTORY");

/**
 * The surroundings of every run: small and equal for both launchers, so that what a worker sees beyond them is the
 * launcher's doing.
 */
export function plainEnvironment(): Record<string, string> {
  return {
    PATH: `${TORCH_HOME}/bin:/usr/local/bin:/usr/bin:/bin`,
    HOME: Deno.env.get("HOME") ?? "/tmp",
    LANG: "C.UTF-8",
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache/deno`,
    DENO_NO_UPDATE_CHECK: "1",
    ...(STATE_DIRECTORY === undefined ? {} : { MUSTER_STATE_DIRECTORY: STATE_DIRECTORY }),
  };
}

/** Runs a launcher to its end. Nothing it started is left afterwards. */
export function runLauncher(
  launcher: LauncherName,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Run> {
  return runProgram([...LAUNCHERS[launcher], ...args], options);
}

/** Runs any program to its end, with everything it started gone afterwards. */
export async function runProgram(commandLine: readonly string[], options: RunOptions = {}): Promise<Run> {
  const timeoutMs = options.timeoutMs ?? 60_000;
  const mark = newMark();
  // torchrun leaves a directory behind on every run.
  const temporaryDirectory = await Deno.makeTempDir({ prefix: "muster-run-" });
  const child = new Deno.Command(commandLine[0]!, {
    args: commandLine.slice(1),
    clearEnv: true,
    env: { ...plainEnvironment(), TMPDIR: temporaryDirectory, ...options.env, ...mark.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let isHung = false;
  const timer = setTimeout(() => {
    isHung = true;
    killMarked(mark);
  }, timeoutMs);
  try {
    if (options.stdin !== undefined) await writeAll(child.stdin, options.stdin);
    const texts = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    const [status] = await Promise.all([child.status, options.whileRunning?.(child.pid)]);
    const survivors = await waitUntilGone(mark, SURVIVORS_GRACE_MS);
    killMarked(mark);
    const [stdout, stderr] = await texts;
    if (isHung) {
      throw new Error(`Not ended after ${timeoutMs} ms: ${commandLine.join(" ")}\n${stdout}\n${stderr}`);
    }
    return { code: status.code, signal: status.signal, stdout, stderr, survivors };
  } finally {
    clearTimeout(timer);
    killMarked(mark);
    await Deno.remove(temporaryDirectory, { recursive: true });
  }
}

/** `Promise.all` that waits for every run even when one fails, so that none goes on into the next test. */
export async function allEnded<T extends readonly unknown[]>(
  runs: readonly [...{ [K in keyof T]: Promise<T[K]> }],
): Promise<[...T]> {
  await Promise.allSettled(runs);
  return await Promise.all(runs) as [...T];
}

/**
 * A port on which nobody listens; for options that name a port. It is below those that the system gives away by itself
 * (32768 and on), so that nobody else gets it before it is used, or while a member of a cluster is down.
 */
export function freePort(): number {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 10_000 + crypto.getRandomValues(new Uint16Array(1))[0]! % 22_000;
    try {
      Deno.listen({ hostname: "0.0.0.0", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error("No port is free");
}

/** Resolves once `path` is there. */
export function waitForFile(path: string, timeoutMs?: number): Promise<void> {
  const isThere = async () => {
    try {
      await Deno.stat(path);
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return false;
    }
  };
  return waitUntil(isThere, `${path} is there`, timeoutMs);
}

/** Resolves once `condition` holds; fails when it does not within a time that no healthy run comes near. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function writeAll(stream: WritableStream<Uint8Array>, text: string): Promise<void> {
  const writer = stream.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
}
