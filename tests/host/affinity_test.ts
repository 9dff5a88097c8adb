import { assert, assertEquals } from "@std/assert";
import { spawnOnCpus, throughTaskset } from "../../lib/host/affinity.ts";
import { spawnFailure, type SpawnRequest, spawnWorker } from "../../lib/host/child.ts";
import { fileView } from "../../lib/host/file_view.ts";
import { affinityCpus, cpuListText } from "../../lib/options/cpus.ts";

const REQUEST: SpawnRequest = {
  executable: "grep",
  arguments: ["^Cpus_allowed_list", "/proc/self/status"],
  environment: {},
  cwd: "/",
  stdin: "null",
  stdout: { kind: "piped" },
  stderr: { kind: "null" },
};

const CPUS = affinityCpus(fileView)!;
const withoutLimits = <T>(spawn: () => T): T => spawn();

/** The affinity of every thread of this process. */
function ownThreads(): string[] {
  return [...Deno.readDirSync("/proc/self/task")].flatMap(({ name }) =>
    fileView.readText(`/proc/self/task/${name}/status`)?.match(/^Cpus_allowed_list:\s*(\S+)$/m)?.[1] ?? []
  );
}

Deno.test("spawnOnCpus() binds each worker from its start, and no thread of the launcher", async () => {
  const lists = await Promise.all([CPUS[0]!, CPUS.at(-1)!, CPUS[0]!].map(async (cpu) => {
    const child = spawnOnCpus(REQUEST, [cpu], withoutLimits);
    const [text] = await Promise.all([new Response(child.stdout).text(), child.ended]);
    return text;
  }));
  const line = (cpu: number) => `Cpus_allowed_list:\t${cpu}\n`;
  assertEquals(lists, [line(CPUS[0]!), line(CPUS.at(-1)!), line(CPUS[0]!)]);
  assert(ownThreads().every((list) => list === cpuListText(CPUS)), ownThreads().join(" "));
});

Deno.test("spawnOnCpus() says that CPUs are not there, and gives its own affinity back", () => {
  const absent = CPUS.at(-1)! + 4096;
  let failure = "";
  try {
    spawnOnCpus(REQUEST, [absent], withoutLimits);
  } catch (error) {
    failure = spawnFailure(REQUEST, error);
  }
  assertEquals(failure, `Cannot start grep: the system lets nothing run on the CPUs ${absent} any more`);
  assert(ownThreads().every((list) => list === cpuListText(CPUS)), ownThreads().join(" "));
});

Deno.test("throughTaskset() binds by a program that becomes the worker", async () => {
  const child = spawnWorker(throughTaskset(REQUEST, [CPUS.at(-1)!]), withoutLimits);
  const [text] = await Promise.all([new Response(child.stdout).text(), child.ended]);
  assertEquals(text, `Cpus_allowed_list:\t${CPUS.at(-1)}\n`);
});

Deno.test("launch() binds each worker of a plan to its CPUs", async () => {
  const cpus = [CPUS.at(-1)!, CPUS[0]!];
  const fixture = new URL("fixtures/bound_job.ts", import.meta.url).pathname;
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", fixture, ...cpus.map(String)],
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(output.stdout);
  assertEquals(output.code, 0, new TextDecoder().decode(output.stderr));
  const wanted = cpus.map((cpu, rank) => `[default${rank}]:Cpus_allowed_list:\t${cpu}`);
  assertEquals(text.trimEnd().split("\n").sort(), wanted.sort());
});
