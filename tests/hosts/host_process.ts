/** A program on a host: its output as lines, its signals, its end. */

import { plainEnvironment } from "../interop/harness.ts";
import { childrenOf } from "./namespaces.ts";
import { PATH } from "./run.ts";

export class HostProcess {
  /** What it wrote so far, on both streams, in the order of arrival. */
  readonly lines: string[] = [];
  readonly status: Promise<Deno.CommandStatus>;
  /** Set once it has ended. */
  end: Deno.CommandStatus | null = null;
  readonly #nsenter: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  readonly #waiters = new Set<() => void>();

  constructor(readonly host: string, commandLine: readonly string[], env: Readonly<Record<string, string>>) {
    this.#nsenter = new Deno.Command(commandLine[0]!, {
      args: commandLine.slice(1),
      clearEnv: true,
      env: { ...plainEnvironment(), PATH: `${plainEnvironment().PATH}:${PATH}`, ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reading = Promise.all([this.#read(this.#nsenter.stdout), this.#read(this.#nsenter.stderr)]);
    this.status = this.#nsenter.status.then((status) => {
      this.end = status;
      this.#wake();
      return status;
    });
  }

  /** The program itself, by the machine's own count; nsenter is its parent. */
  get pid(): number {
    const [pid] = childrenOf(this.#nsenter.pid);
    if (pid === undefined) throw new Error(`Nothing runs on ${this.host}\n${this.text()}`);
    return pid;
  }

  kill(signal: Deno.Signal): void {
    Deno.kill(this.pid, signal);
    // nsenter stops itself with the program, but does not hear of its going on.
    if (signal === "SIGCONT") this.#nsenter.kill(signal);
  }

  /** Lets it hear that the program has ended, when both were stopped. */
  wake(): void {
    if (this.end === null) this.#nsenter.kill("SIGCONT");
  }

  text(): string {
    return this.lines.join("\n");
  }

  /** Resolves to what `find` makes of the output, as soon as it makes something; null after `timeoutMs`. */
  async until<T>(find: () => T | null, timeoutMs: number): Promise<T | null> {
    return await untilFound([this], find, timeoutMs);
  }

  /** When it and everything that holds its output has ended. */
  async ended(): Promise<void> {
    await Promise.all([this.status, this.#reading]);
  }

  onChange(waiter: () => void): () => void {
    this.#waiters.add(waiter);
    return () => this.#waiters.delete(waiter);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      this.lines.push(...parts);
      this.#wake();
    }
    if (rest !== "") this.lines.push(rest);
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }
}

/** Looks whenever one of the processes wrote something or ended, until `find` returns something or time is over. */
export function untilFound<T>(
  processes: readonly HostProcess[],
  find: () => T | null,
  timeoutMs: number,
): Promise<T | null> {
  return new Promise((resolve) => {
    const stops: (() => void)[] = [];
    const settle = (value: T | null) => {
      for (const stop of stops) stop();
      clearTimeout(timer);
      resolve(value);
    };
    const look = () => {
      const found = find();
      if (found !== null) settle(found);
    };
    const timer = setTimeout(() => settle(find()), timeoutMs);
    stops.push(...processes.map((process) => process.onChange(look)));
    look();
  });
}
