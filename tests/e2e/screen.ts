/** A terminal that a test looks at as a person would: tmux shows what a program's output has made of the screen. */

import { assert, assertEquals } from "@std/assert";
import { LAUNCHERS } from "../interop/harness.ts";
import { killMarked, newMark } from "./processes.ts";

const RECORDED = new URL("./screens/", import.meta.url);
/** With this variable, views are recorded anew. Look at what changed before you commit it. */
const RECORD = Deno.env.get("MUSTER_RECORD_SCREENS") === "1";

export interface ScreenOptions {
  readonly columns: number;
  readonly rows: number;
  readonly env?: Readonly<Record<string, string>>;
}

export class Screen implements AsyncDisposable {
  readonly #directory: string;
  readonly #mark = newMark();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Starts `script` in a shell on a new terminal; at its end the last line is `rc=` and the exit code. */
  static async open(script: string, { columns, rows, env = {} }: ScreenOptions): Promise<Screen> {
    const screen = new Screen(await Deno.makeTempDir({ prefix: "muster-screen-" }));
    await Deno.writeTextFile(`${screen.#directory}/conf`, "set -g history-limit 100000\nset -g status off\n");
    const variables = Object.entries({ ...env, ...screen.#mark.env }).flatMap(([name, value]) => [
      ...["-e", `${name}=${value}`],
    ]);
    const session = `cd ${screen.#directory}; ${script}\necho "rc=$?"; exec sleep 1000`;
    const size = ["-x", String(columns), "-y", String(rows)];
    await screen.#tmux("new-session", "-d", ...size, ...variables, session);
    return screen;
  }

  /** The launcher with workers that run a shell script: a line for `open`. */
  static job(options: readonly string[], script: string): string {
    const words = [...LAUNCHERS.muster, "--standalone", ...options, "--no-python", "sh", "-c", script];
    return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  }

  /** Where the program runs. */
  get directory(): string {
    return this.#directory;
  }

  /** What is to be seen now, without blanks at lines' ends and empty lines at the end. */
  async shown(): Promise<string> {
    return tidied(await this.#tmux("capture-pane", "-p"));
  }

  /** Everything since the start, wrapped lines in one. */
  async history(): Promise<string> {
    return tidied(await this.#tmux("capture-pane", "-p", "-J", "-S", "-"));
  }

  /** Keys by tmux's names, such as `C-c`. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** Waits until the history matches. */
  async waitFor(pattern: RegExp, timeoutMs = 30_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!pattern.test(await this.history())) {
      assert(performance.now() < deadline, `Not shown: ${pattern}\n${await this.history()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server").catch(() => {});
    killMarked(this.#mark);
    await Deno.remove(this.#directory, { recursive: true });
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    const socket = ["-S", `${this.#directory}/socket`, "-f", `${this.#directory}/conf`];
    const { success, stdout, stderr } = await new Deno.Command("tmux", { args: [...socket, ...args] })
      .output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    if (!success) throw new Error(`tmux ${args[0]}: ${decode(stderr)}`);
    return decode(stdout);
  }
}

function tidied(text: string): string {
  return text.split("\n").map((line) => line.trimEnd()).join("\n").trimEnd();
}

/** What differs from run to run, replaced by what it is; the report, which has tests of its own, by one line. */
function settled(view: string): string {
  return view
    .replaceAll(/^=+\n[\s\S]*\n=+$/gm, "(the report)")
    .replaceAll(/pid \d+/g, "pid PID")
    .replaceAll(/started: job [\s\S]*? each\n/g, "started: (job and store)\n")
    .replaceAll(/started: job [^\n]*\n/g, "started: (job and store)\n");
}

/**
 * Compares what `view` returns with the recorded view of that name. What is folded depends on moments, which a
 * machine under load doesn't keep: some try out of several must be the same.
 */
export async function assertView(name: string, view: () => Promise<string>): Promise<void> {
  const tries = 5;
  const path = new URL(`${name}.txt`, RECORDED);
  for (let left = tries; left > 0; left--) {
    const seen = `${settled(await view())}\n`;
    if (RECORD) return await Deno.writeTextFile(path, seen);
    const expected = await Deno.readTextFile(path);
    if (seen === expected) return;
    if (left === 1) assertEquals(seen, expected);
  }
}
