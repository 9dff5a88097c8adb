/**
 * `deno task bench [store | tee | hosts | rendezvous | etcd] […]`: measures the launcher side by side with torchrun in one
 * run. Each figure is the median of several jobs, with the contenders taking turns, so that a busy moment of the machine
 * hits all; the best one tells how much it was hit. `bare Deno` is a script that starts the same workers and nothing
 * else. `store` and `tee` measure the store and the relay of output, `hosts` and `rendezvous` jobs over several machines,
 * `etcd` what a job pays for etcd, each in a script of its own (bench_store.ts and so on).
 */

import { type Contender, type Contenders, findContenders } from "./bench/contenders.ts";
import * as figures from "./bench/figures.ts";

interface Figure {
  readonly name: string;
  readonly unit: "ms" | "MiB";
  readonly measure: (contender: Contender) => Promise<number>;
  readonly rounds: number;
  /** torchrun takes seconds; it gets fewer rounds. */
  readonly torchrunRounds: number;
  readonly measuresBare: boolean;
  /** What every form of muster must reach. */
  readonly goal:
    | { readonly kind: "times less than torchrun"; readonly factor: number }
    | { readonly kind: "at most"; readonly limit: number }
    | { readonly kind: "at most more than bare"; readonly limit: number };
}

const FIGURES: readonly Figure[] = [
  {
    name: "a job of 2 workers that do nothing",
    unit: "ms",
    measure: figures.shortestJobMs,
    rounds: 15,
    torchrunRounds: 5,
    measuresBare: true,
    goal: { kind: "times less than torchrun", factor: 30 },
  },
  {
    name: "launcher's peak memory",
    unit: "MiB",
    measure: figures.peakMemoryMiB,
    rounds: 3,
    torchrunRounds: 3,
    measuresBare: false,
    goal: { kind: "times less than torchrun", factor: 8 },
  },
  {
    name: "from a worker's death to all 4 started again",
    unit: "ms",
    measure: figures.restartMs,
    rounds: 9,
    torchrunRounds: 3,
    measuresBare: true,
    goal: { kind: "at most more than bare", limit: 20 },
  },
  {
    name: "start of 64 workers, the launcher's own included",
    unit: "ms",
    measure: figures.manyWorkersMs,
    rounds: 7,
    torchrunRounds: 2,
    measuresBare: true,
    goal: { kind: "at most", limit: 150 },
  },
  {
    name: "CPU of an idle job in 10 s",
    unit: "ms",
    measure: figures.idleCpuMs,
    rounds: 1,
    torchrunRounds: 1,
    measuresBare: false,
    goal: { kind: "at most", limit: 0 },
  },
];

interface Sample {
  readonly median: number;
  readonly best: number;
}

async function main(): Promise<void> {
  const contenders = findContenders();
  for (const line of contenders.missing) console.log(`bench: ${line}`);
  const [load] = Deno.loadavg();
  const cores = navigator.hardwareConcurrency;
  console.log(`${cores} cores, load ${load!.toFixed(1)}, ${Deno.build.target}, Deno ${Deno.version.deno}\n`);
  // Unpacks the executable and fills the code caches: second starts are what counts.
  for (const contender of contenders.muster) await figures.shortestJobMs(contender);
  for (const figure of FIGURES) print(figure, contenders, await measureInTurns(figure, contenders));
}

async function measureInTurns(
  figure: Figure,
  { torchrun, bare, muster }: Contenders,
): Promise<Map<Contender, Sample>> {
  const references = [...(torchrun === null ? [] : [torchrun]), ...(figure.measuresBare ? [bare] : [])];
  const values = new Map<Contender, number[]>([...references, ...muster].map((contender) => [contender, []]));
  for (let round = 0; round < figure.rounds; round++) {
    for (const [contender, measured] of values) {
      if (contender === torchrun && round >= figure.torchrunRounds) continue;
      measured.push(await figure.measure(contender));
    }
  }
  return new Map([...values].map(([contender, measured]) => {
    const sorted = measured.toSorted((a, b) => a - b);
    return [contender, { median: sorted[Math.floor(sorted.length / 2)]!, best: sorted[0]! }];
  }));
}

function print(
  figure: Figure,
  { torchrun, bare, muster }: Contenders,
  samples: Map<Contender, Sample>,
): void {
  console.log(`${figure.name} (${goalText(figure)})`);
  const reference = torchrun === null ? undefined : samples.get(torchrun)?.median;
  for (const [contender, { median, best }] of samples) {
    const ratio = reference === undefined || contender === torchrun || median === 0
      ? ""
      : `${(reference / median).toFixed(1)}× less`;
    const verdict = muster.includes(contender)
      ? isReached(figure, median, { torchrun: reference, bare: samples.get(bare)?.median })
      : "";
    const columns = [
      `  ${contender.name.padEnd(12)}`,
      `${digits(median)} ${figure.unit}`.padStart(10),
      figure.rounds > 1 ? `(best ${digits(best)})`.padStart(14) : "",
      ratio.padStart(14),
      `  ${verdict}`,
    ];
    console.log(columns.join("").trimEnd());
  }
}

function digits(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0);
}

function goalText({ goal, unit }: Figure): string {
  switch (goal.kind) {
    case "times less than torchrun":
      return `goal: at most 1/${goal.factor} of torchrun's`;
    case "at most":
      return `goal: at most ${goal.limit} ${unit}`;
    case "at most more than bare":
      return `goal: at most ${goal.limit} ${unit} more than bare Deno`;
  }
}

function isReached(
  { goal }: Figure,
  value: number,
  references: { readonly torchrun: number | undefined; readonly bare: number | undefined },
): "reached" | "MISSED" | "" {
  const outcome = (isGood: boolean) => isGood ? "reached" : "MISSED";
  switch (goal.kind) {
    case "times less than torchrun":
      return references.torchrun === undefined ? "" : outcome(references.torchrun / value >= goal.factor);
    case "at most":
      return outcome(value <= goal.limit);
    case "at most more than bare":
      return outcome(value - references.bare! <= goal.limit);
  }
}

const [part, ...rest] = Deno.args;
if (part !== undefined && ["store", "tee", "hosts", "rendezvous", "etcd"].includes(part)) {
  const script = new URL(`bench_${part}.ts`, import.meta.url).pathname;
  const { code } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", script, ...rest] }).spawn()
    .status;
  Deno.exit(code);
}
await main();
