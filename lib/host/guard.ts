/**
 * The guard: one small shell in a session of its own that outlives the launcher by a moment. It reads the process
 * groups of the workers from a pipe; when the pipe ends without a goodbye, the launcher is dead, by whatever
 * cause, and the guard kills everything that it started: the groups, and what carries the launcher's mark.
 *
 * Rules: it kills nothing that it can't tell to be ours (start time or mark is checked first), and a guard that
 * dies is replaced at once and told everything again.
 */

import { utf8 } from "../core/bytes.ts";
import { SystemError } from "../core/errors.ts";
import { processInfo } from "./process_table.ts";

/**
 * Lines of the pipe: `+ PID TICKS` a group was started (its leader's start time in clock ticks), `=` all groups
 * are gone, `x` the launcher ends by itself. Looks again for a moment, since a fork that the launcher had begun
 * may still become a worker.
 */
const GUARD_SCRIPT = `
trap '' HUP INT QUIT TERM TSTP TTIN TTOU PIPE
id=$1 groups=
while read -r op pid ticks; do
  case $op in
    +) groups="$groups $pid:$ticks" ;;
    =) groups= ;;
    x) exit 0 ;;
  esac
done
for group in $groups; do
  pid=\${group%:*} ticks=\${group#*:}
  if read -r stat 2>/dev/null < "/proc/$pid/stat"; then
    set -f; set -- \${stat##*) }; set +f
    [ "\${20}" = "$ticks" ] || [ "$ticks" = 0 ] || continue
  fi
  kill -KILL -- "-$pid" 2>/dev/null
done
for pause in 0.02 0.05 0.1 0.15 0; do
  for file in $(grep -lsF "$id" /proc/[0-9]*/environ 2>/dev/null); do
    pid=\${file#/proc/}; kill -KILL "\${pid%/environ}" 2>/dev/null
  done
  sleep "$pause" 2>/dev/null || sleep 1
done
`;

function spawnShell(args: string[]): Deno.ChildProcess {
  const options = { args, cwd: "/", stdin: "piped", stdout: "null", stderr: "null", detached: true } as const;
  try {
    return new Deno.Command("/bin/sh", options).spawn();
  } catch (error) {
    throw new SystemError(
      `Cannot start the guard that ends the workers if muster is killed: ${(error as Error).message}; ` +
        "it needs a POSIX shell at /bin/sh",
    );
  }
}

export class Guard {
  readonly #launcherId: string;
  readonly #onReplaced: (status: Deno.CommandStatus) => void;
  readonly #groups = new Map<number, number>();
  #child: Deno.ChildProcess | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  /** Told to the guard when this turn ends; until then the mark alone leads it to the newest workers. */
  #unwritten = "";
  #closing = false;

  /** `onReplaced` is told when a guard died and another took its place. */
  constructor(launcherId: string, onReplaced: (status: Deno.CommandStatus) => void) {
    this.#launcherId = launcherId;
    this.#onReplaced = onReplaced;
    this.#start();
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The worker `pid` leads a new process group. Call it right after the spawn. */
  add(pid: number): void {
    const ticks = processInfo(pid)?.startTicks ?? 0;
    this.#groups.set(pid, ticks);
    this.#write(`+ ${pid} ${ticks}\n`);
  }

  /** Every group is gone: their numbers may now name others' processes. */
  clear(): void {
    if (this.#groups.size === 0) return;
    this.#groups.clear();
    this.#write("=\n");
  }

  /** Says goodbye: the guard ends without killing anything. */
  async close(): Promise<void> {
    this.#closing = true;
    try {
      await this.#writer?.write(utf8("x\n"));
      await this.#writer?.close();
    } catch {
      // It is dead already, which is what was wanted.
    }
    await this.#child?.status;
  }

  #start(): void {
    const child = spawnShell(["-c", GUARD_SCRIPT, "muster-guard", this.#launcherId]);
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    child.status.then((status) => {
      if (this.#closing) return;
      this.#writer?.abort().catch(() => {});
      this.#start();
      for (const [pid, ticks] of this.#groups) this.#write(`+ ${pid} ${ticks}\n`);
      this.#onReplaced(status);
    });
  }

  /** Lines of one turn go out together: of many workers that start, or that are told to a new guard. */
  #write(line: string): void {
    if (this.#unwritten === "") queueMicrotask(() => this.#flush());
    this.#unwritten += line;
  }

  #flush(): void {
    const lines = utf8(this.#unwritten);
    this.#unwritten = "";
    // A failed write means that the guard just died; its replacement is told everything.
    this.#writer?.write(lines).catch(() => {});
  }
}
