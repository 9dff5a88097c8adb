/**
 * `deno task bench [store | tee] […]`: measures the launcher side by side with torchrun in one run. Each figure is
 * the median of several jobs, with the contenders taking turns, so that a busy moment of the machine hits all.
 * `store` and `tee` measure the store and the relay of output (bench_store.ts, bench_tee.ts).
 */

import { type Contender, findContenders } from "./bench/contenders.ts";
import * as figures from "./bench/figures.ts";

interface Figure {
  readonly name: string;
  readonly unit: "ms" | "MiB";
  readonly measure: (contender: Contender) => Promise<number>;
  readonly rounds: number;
  /** torchrun takes seconds; it gets fewer rounds. */
  readonly torchrunRounds: number;
  /** What issue and README promise, tested on every form of muster. */
  readonly goal:
    | { readonly kind: "times less than torchrun"; readonly factor: number }
    | { readonly kind: "at most"; readonly limit: number };
}

const FIGURES: readonly Figure[] = [
  {
    name: "a job of 2 workers that do nothing",
    unit: "ms",
    measure: figures.shortestJobMs,
    rounds: 15,
    torchrunRounds: 5,
    goal: { kind: "times less than torchrun", factor: 30 },
  },
  {
    name: "launcher's peak memory",
    unit: "MiB",
    measure: figures.peakMemoryMiB,
    rounds: 3,
    torchrunRounds: 3,
    goal: { kind: "times less than torchrun", factor: 8 },
  },
  {
    name: "from a worker's death to all 4 started again",
    unit: "ms",
    measure: figures.restartMs,
    rounds: 9,
    torchrunRounds: 3,
    goal: { kind: "at most", limit: 20 },
  },
  {
    name: "start of 64 workers, the launcher's own included",
    unit: "ms",
    measure: figures.manyWorkersMs,
    rounds: 7,
    torchrunRounds: 2,
    goal: { kind: "at most", limit: 150 },
  },
  {
    name: "CPU of an idle job in 10 s",
    unit: "ms",
    measure: figures.idleCpuMs,
    rounds: 1,
    torchrunRounds: 1,
    goal: { kind: "at most", limit: 0 },
  },
];

async function main(): Promise<void> {
  const { torchrun, muster, missing } = findContenders();
  for (const line of missing) console.log(`bench: ${line}`);
  console.log(`${navigator.hardwareConcurrency} cores, ${Deno.build.target}, Deno ${Deno.version.deno}\n`);
  // Unpacks the executable and fills the code caches: second starts are what counts.
  for (const contender of muster) await figures.shortestJobMs(contender);

  for (const figure of FIGURES) {
    const medians = await measureInTurns(figure, torchrun === null ? muster : [torchrun, ...muster]);
    const reference = torchrun === null ? undefined : medians.get(torchrun.name);
    console.log(`${figure.name} (${goalText(figure)})`);
    for (const [name, value] of medians) {
      const columns = [
        `  ${name.padEnd(12)}`,
        `${value.toFixed(value < 100 ? 1 : 0)} ${figure.unit}`.padStart(10),
        reference === undefined || name === torchrun?.name ? "" : ratioText(reference, value).padStart(14),
        name === torchrun?.name ? "" : `  ${isReached(figure, value, reference)}`,
      ];
      console.log(columns.join("").trimEnd());
    }
  }
}

/** The median of each contender, measured turn by turn. */
async function measureInTurns(
  figure: Figure,
  contenders: readonly Contender[],
): Promise<Map<string, number>> {
  const samples = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < figure.rounds; round++) {
    for (const contender of contenders) {
      if (contender.name === "torchrun" && round >= figure.torchrunRounds) continue;
      samples.get(contender.name)!.push(await figure.measure(contender));
    }
  }
  return new Map([...samples].map(([name, values]) => [name, median(values)]));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function goalText({ goal, unit }: Figure): string {
  if (goal.kind === "at most") return `goal: at most ${goal.limit} ${unit}`;
  return `goal: at most 1/${goal.factor} of torchrun's`;
}

function ratioText(reference: number, value: number): string {
  return value === 0 ? "" : `${(reference / value).toFixed(1)}× less`;
}

function isReached({ goal }: Figure, value: number, reference: number | undefined): string {
  if (goal.kind === "at most") return value <= goal.limit ? "reached" : "MISSED";
  if (reference === undefined) return "";
  return reference / value >= goal.factor ? "reached" : "MISSED";
}

const [part, ...rest] = Deno.args;
if (part === "store" || part === "tee") {
  const script = new URL(`bench_${part}.ts`, import.meta.url).pathname;
  const { code } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", script, ...rest] }).spawn()
    .status;
  Deno.exit(code);
}
await main();
