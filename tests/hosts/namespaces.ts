/**
 * One set of namespaces (network, name, mounts, processes) that lives as long as its first process, which lives as long
 * as the pipe that we hold.
 */

import { PATH, run } from "./run.ts";

export class Namespaces {
  private constructor(
    private readonly unshare: Deno.ChildProcess,
    /** The first process, by the machine's own count. */
    readonly pid: number,
    private readonly pipe: WritableStreamDefaultWriter<Uint8Array>,
  ) {}

  /** Makes the namespaces and runs `script`, a shell text, in them. */
  static async start(script: string): Promise<Namespaces> {
    // The first process of a process namespace inherits orphans; that it ignores SIGCHLD has the kernel reap them.
    const init = `set -e; ${script}; echo ready; exec env --ignore-signal=CHLD cat >/dev/null`;
    const unshare = new Deno.Command("unshare", {
      args: [
        ...["--net", "--uts", "--ipc", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
        ...["sh", "-c", init],
      ],
      env: { PATH },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const said = unshare.stdout.getReader();
    const { value } = await said.read();
    await said.cancel();
    const pipe = unshare.stdin.getWriter();
    if (value === undefined) {
      await pipe.close().catch(() => {});
      const { code } = await unshare.status;
      throw new Error(`A host can't be made: code ${code} of ${script}`);
    }
    return new Namespaces(unshare, Number(childrenOf(unshare.pid)[0]), pipe);
  }

  /** What to put before a command line to have it run inside. */
  get enter(): readonly string[] {
    return ["nsenter", "--target", `${this.pid}`, "--mount", "--uts", "--ipc", "--net", "--pid", "--"];
  }

  /** Runs a command inside, to its end. */
  run(commandLine: readonly string[], input = ""): Promise<string> {
    return run([...this.enter, ...commandLine], input);
  }

  /** As `run`, but inside its network only, so that process ids are the machine's. */
  runOnNetwork(commandLine: readonly string[], input = ""): Promise<string> {
    return run(["nsenter", "--target", `${this.pid}`, "--net", "--", ...commandLine], input);
  }

  /** Ends every process inside at once; the namespaces are gone with them. */
  async end(): Promise<void> {
    await this.pipe.close().catch(() => {});
    try {
      this.unshare.kill("SIGKILL");
    } catch {
      // It has ended already, with its first process.
    }
    await this.unshare.status;
  }
}

/** The children of a process, by the machine's own count. */
export function childrenOf(pid: number): number[] {
  return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
}
