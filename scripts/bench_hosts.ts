/**
 * `deno task bench hosts [--rounds N] [--only muster | torchrun] [NAME …]`: four hosts in network namespaces, plain workers that never
 * notice a lost peer, and what each launcher makes of a failure, a loss, a newcomer. Both launchers take turns in one run; times are
 * medians from the event to the last worker of the right world running. The wait that the job's own settings ask for (last call,
 * keep-alive) is part of them and told beside. Names choose among the scenarios.
 */

import { parseArgs } from "@std/cli/parse-args";
import { pytorchIsInstalled } from "../tests/interop/harness.ts";
import type { HostsLauncher } from "../tests/hosts/job.ts";
import { whyNoHosts, withNetwork } from "../tests/hosts/network.ts";
import { type Scenario, SCENARIOS } from "../tests/hosts/scenarios.ts";

interface Result {
  readonly times: (number | null)[];
  note: string;
}

async function main(): Promise<number> {
  const { _: names, rounds, only, verbose } = parseArgs(Deno.args, {
    string: ["only", "rounds"],
    boolean: ["verbose"],
    default: { rounds: "1" },
  });
  const missing = whyNoHosts();
  if (missing !== null) {
    console.error(`bench hosts: needs ${missing}`);
    return 1;
  }
  const launchers = (["torchrun", "muster"] as const).filter((name) =>
    (only === undefined || only === name) && (name === "muster" || pytorchIsInstalled())
  );
  const wanted = SCENARIOS.filter(({ name }) =>
    names.length === 0 || names.some((part: string | number) => name.includes(`${part}`))
  );
  console.log(
    `${navigator.hardwareConcurrency} cores, load ${Deno.loadavg()[0]!.toFixed(1)}; median of ${rounds}`,
  );
  for (const scenario of wanted) {
    const results = new Map<HostsLauncher, Result>(launchers.map((name) => [name, { times: [], note: "" }]));
    for (let round = 0; round < Number(rounds); round++) {
      for (const [launcher, result] of results) await measure(scenario, launcher, result, verbose);
    }
    print(scenario, results);
  }
  return 0;
}

async function measure(
  scenario: Scenario,
  launcher: HostsLauncher,
  result: Result,
  isVerbose: boolean,
): Promise<void> {
  try {
    await withNetwork(async (network) => {
      const { elapsedMs, note, job } = await scenario.run(network, launcher, scenario.limitMs);
      result.times.push(elapsedMs);
      result.note = note;
      if (isVerbose) console.log(job.text());
    });
  } catch (error) {
    result.times.push(null);
    result.note = isVerbose ? `${error}` : `${error}`.split("\n")[0]!;
  }
}

function print(scenario: Scenario, results: ReadonlyMap<HostsLauncher, Result>): void {
  const goal = `${scenario.goalMs} ms${scenario.askedMs > 0 ? ` + ${scenario.askedMs} ms asked for` : ""}`;
  console.log(`\n${scenario.name} (goal: ${goal})`);
  const torchrun = median(results.get("torchrun")?.times ?? []);
  for (const [launcher, { times, note }] of results) {
    const value = median(times);
    const text = value === null ? `not in ${scenario.limitMs / 1000} s` : `${value.toFixed(0)} ms`;
    const ratio = launcher === "muster" && torchrun !== null && value !== null
      ? `${(torchrun / value).toFixed(1)}× less`
      : "";
    const isReached = value !== null && value <= scenario.goalMs + scenario.askedMs;
    const verdict = launcher === "muster" ? (isReached ? "reached" : "MISSED") : "";
    console.log(
      `  ${launcher.padEnd(10)}${text.padStart(14)}${ratio.padStart(14)}  ${
        [verdict, note].filter(Boolean).join("; ")
      }`,
    );
  }
}

/** A time that never came counts as the longest. */
function median(times: readonly (number | null)[]): number | null {
  return times.toSorted((a, b) => (a ?? Infinity) - (b ?? Infinity))[Math.floor(times.length / 2)] ?? null;
}

Deno.exit(await main());
