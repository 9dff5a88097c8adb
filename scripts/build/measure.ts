/** How long a command takes to start, do next to nothing and end. */

export interface StartCommand {
  readonly command: string;
  readonly arguments: readonly string[];
  /** Laid over the environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Milliseconds of one run. Throws when it fails: a failed start is always fast. */
export async function startMs(start: StartCommand): Promise<number> {
  const before = performance.now();
  const { code, stderr } = await new Deno.Command(start.command, {
    args: [...start.arguments],
    env: { ...start.environment },
    stdin: "null",
    stdout: "null",
  }).output();
  const elapsed = performance.now() - before;
  if (code !== 0) {
    throw new Error(`${start.command} ended with exit code ${code}: ${new TextDecoder().decode(stderr)}`);
  }
  return elapsed;
}

/** The median of `rounds` runs of each, in turn, so that a slow moment of the machine meets all of them. */
export async function medianStartMs(starts: readonly StartCommand[], rounds: number): Promise<number[]> {
  const measured: number[][] = starts.map(() => []);
  for (const start of starts) await startMs(start); // warm
  for (let round = 0; round < rounds; round++) {
    for (const [index, start] of starts.entries()) measured[index]!.push(await startMs(start));
  }
  return measured.map((times) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!);
}
