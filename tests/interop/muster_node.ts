/** A launcher of ours as one node of a job: started, watched, killed; nothing of it is left when a test ends. */

import { killMarked, type Mark, markedProcesses, newMark } from "../e2e/processes.ts";
import { LAUNCHERS, plainEnvironment } from "./harness.ts";

export interface MusterNode extends AsyncDisposable {
  readonly code: Promise<number>;
  /** What launcher and workers have printed so far. */
  readonly output: string;
  /** A directory of its own, `$D` for the script. */
  readonly directory: string;
  /** Resolves once the output holds `pattern`. */
  says(pattern: RegExp): Promise<void>;
  /** SIGTERM to the launcher. */
  terminate(): void;
  /** Stops everything of this node, as if its machine were paused, until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** SIGKILL to everything of this node, as if its machine had gone. */
  kill(): void;
}

const SAYS_MS = 40_000;

function signalMarked(mark: Mark, signal: Deno.Signal): void {
  for (const { pid } of markedProcesses(mark)) Deno.kill(pid, signal);
}

/** The workers are `sh -c script`. `nodes`: where the new node is added. */
export function startMuster(args: readonly string[], script: string, nodes: MusterNode[] = []): MusterNode {
  const directory = Deno.makeTempDirSync({ prefix: "muster-node-" }), mark = newMark();
  const [program, ...leading] = LAUNCHERS.muster;
  const child = new Deno.Command(program!, {
    args: [...leading, ...args, "--no-python", "sh", "-c", script],
    clearEnv: true,
    env: { ...plainEnvironment(), ...mark.env, TMPDIR: directory, D: directory },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const gather = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  };
  const ended = Promise.all([child.status, gather(child.stdout), gather(child.stderr)]);
  const node: MusterNode = {
    directory,
    code: ended.then(([{ code }]) => code),
    get output() {
      return output;
    },
    async says(pattern) {
      const deadline = performance.now() + SAYS_MS;
      while (!pattern.test(output)) {
        if (performance.now() > deadline) throw new Error(`Did not say ${pattern}:\n${output}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    terminate: () => child.kill("SIGTERM"),
    freeze: () => signalMarked(mark, "SIGSTOP"),
    thaw: () => signalMarked(mark, "SIGCONT"),
    kill: () => killMarked(mark),
    async [Symbol.asyncDispose]() {
      killMarked(mark);
      await ended;
      await Deno.remove(directory, { recursive: true }).catch(() => {});
    },
  };
  nodes.push(node);
  return node;
}
