/**
 * Starts a worker: the leader of a session and process group of its own, with the limits, ignored and blocked
 * signals that the launcher itself was started with.
 *
 * Deno's spawn covers most of it. A small `sh` in front, which ends by `exec`, covers the rest: streams that are
 * opened by path (log files, terminals), and signals that were blocked at the launcher's start, which Deno's own
 * way of making a session would unblock.
 */

import { unreachable } from "../core/assert.ts";
import { signalName } from "../core/errors.ts";
import type { ExitStatus } from "../supervise/exit_status.ts";
import type { StreamTarget } from "./output.ts";
import { signalSet } from "./process_table.ts";
import type { WithWorkerLimits } from "./worker_limits.ts";

export interface SpawnRequest {
  readonly executable: string;
  readonly arguments: readonly string[];
  /** Laid over the inherited environment, which is never rebuilt: names and values that are not UTF-8 survive. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly stdin: "null" | "inherit";
  readonly stdout: StreamTarget;
  readonly stderr: StreamTarget;
}

export interface WorkerChild {
  readonly pid: number;
  readonly stdout: ReadableStream<Uint8Array> | null;
  readonly stderr: ReadableStream<Uint8Array> | null;
  readonly ended: Promise<ExitStatus>;
}

/** Signals that were blocked when the launcher started: a worker must find them blocked. */
const BLOCKED_AT_START = signalSet("SigBlk").size > 0;

/**
 * Opens the streams, then becomes the worker. A terminal is opened write-only: so it does not become the worker's
 * controlling one (tty_open() in Linux), which torchrun's workers do not have either.
 */
const TRAMPOLINE = `
open_stdout() { case $1 in file) exec >>"$2" ;; terminal) exec >"$2" ;; esac; }
open_stderr() { case $1 in file) exec 2>>"$2" ;; terminal) exec 2>"$2" ;; stdout) exec 2>&1 ;; esac; }
open_stdout "$1" "$2"; open_stderr "$3" "$4"; shift 4; exec "$@"`;

/** Starts the worker. Throws what the system said, as a sentence, when it can't be started. */
export function spawnWorker(request: SpawnRequest, withLimits: WithWorkerLimits): WorkerChild {
  const { stdout, stderr } = request;
  const sessionLater = BLOCKED_AT_START && hasSetsid();
  const worker = [request.executable, ...request.arguments];
  const inner = sessionLater ? ["setsid", ...worker] : worker;
  const byShell = ![stdout.kind, stderr.kind].every((kind) => ["piped", "inherit", "null"].includes(kind));
  const opened = [stdout.kind, pathOf(stdout), stderr.kind, pathOf(stderr)];
  const whole = byShell ? ["/bin/sh", "-c", TRAMPOLINE, "sh", ...opened, ...inner] : inner;
  const child = withLimits(() =>
    new Deno.Command(whole[0]!, {
      args: whole.slice(1),
      env: { ...request.environment },
      cwd: request.cwd,
      stdin: request.stdin,
      stdout: stdioOf(stdout),
      stderr: stdioOf(stderr),
      detached: !sessionLater,
    }).spawn()
  );
  return {
    pid: child.pid,
    stdout: stdout.kind === "piped" ? child.stdout : null,
    stderr: stderr.kind === "piped" ? child.stderr : null,
    ended: child.status.then(exitStatus, realTimeSignal),
  };
}

/** Why a spawn failed, for a person: the system's reason in place of Deno's. */
export function spawnFailure(request: SpawnRequest, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: string }).code;
  const why = code === "E2BIG"
    ? "its arguments and environment are larger than the system takes"
    : code === "EAGAIN"
    ? "the system allows no more processes (ulimit -u, or the container's pids limit)"
    : code === "EACCES"
    ? "no permission to execute it (chmod +x, or a file system mounted noexec)"
    : code === "ENOENT"
    ? "it was not found, or the interpreter in its first line was not"
    : reason;
  return `Cannot start ${request.executable}: ${why}`;
}

/** Without util-linux or busybox a worker loses its blocked signals. */
function hasSetsid(): boolean {
  return ["/usr/bin/setsid", "/bin/setsid"].some((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

function pathOf(target: StreamTarget): string {
  return target.kind === "file" || target.kind === "terminal" ? target.path : "";
}

function stdioOf(target: StreamTarget): "piped" | "inherit" | "null" {
  switch (target.kind) {
    case "piped":
    case "inherit":
    case "null":
      return target.kind;
    case "file":
    case "terminal":
    case "stdout":
      return "null";
    default:
      return unreachable(target);
  }
}

/** Deno has no names for real-time signals: the status of a process that one of them ended rejects. */
function realTimeSignal(error: unknown): ExitStatus {
  const number = String(error).match(/Invalid signal: (\d+)/)?.[1];
  if (number === undefined) throw error;
  return { kind: "signalled", signal: `signal ${Number(number)}` };
}

function exitStatus(status: Deno.CommandStatus): ExitStatus {
  if (status.signal !== null) {
    const number = status.code - 128;
    return { kind: "signalled", signal: signalName(number) ?? `signal ${number}` };
  }
  return { kind: "exited", code: status.code };
}
