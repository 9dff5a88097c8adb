/**
 * Builds what is shipped into `dist/`: `muster.js` for `deno run`, `muster` as one executable, and a tarball for
 * read-only images; prints the size and the start time of each.
 *
 *     deno task build              all three
 *     deno task compile            muster.js, and `muster` by `deno compile` where that is possible
 *
 * Options: `--out DIRECTORY`; `--runtime FILE --machine "Linux aarch64"` packs for another machine (FILE is Deno's
 * executable for it, from npm package @deno/linux-arm64-glibc); `--entry FILE` builds another program; `--rounds N`
 * starts each artefact N times for its median.
 */

import { parseArgs } from "@std/cli/parse-args";
import { VERSION } from "../lib/core/version.ts";
import { type Artefacts, machineName, writeArtefacts } from "./build/artefacts.ts";
import { bundle } from "./build/bundle.ts";
import { compile } from "./build/compile.ts";
import { medianStartMs, type StartCommand, startMs } from "./build/measure.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const flags = parseArgs(Deno.args, {
  boolean: ["compile"],
  string: ["out", "entry", "runtime", "machine", "rounds"],
  default: {
    out: `${ROOT}dist`,
    entry: `${ROOT}main.ts`,
    runtime: Deno.execPath(),
    machine: machineName(Deno.build),
    rounds: "15",
  },
  unknown: (argument) => stop(`Unknown argument ${argument}: see the options at the top of scripts/build.ts`),
});
const { machine } = flags;
if (flags.compile && machine !== machineName(Deno.build)) {
  stop("deno compile is for this machine only: leave out --machine");
}
await Deno.mkdir(flags.out, { recursive: true });
const [directory, entry] = [Deno.realPathSync(flags.out), Deno.realPathSync(flags.entry)];

try {
  const code = await bundle({ root: ROOT, entry, version: VERSION });
  const artefacts = await writeArtefacts({
    version: VERSION,
    code,
    runtimePath: flags.runtime,
    machine,
    directory,
  });
  if (flags.compile) await compileInstead(artefacts);
  await report(artefacts);
} catch (error) {
  stop(error instanceof Error ? error.message : String(error));
}

function stop(reason: string): never {
  console.error(`Cannot build: ${reason}`);
  Deno.exit(1);
}

/** What is compiled is the bundle: Deno's own search through the packages' modules overflows its stack. */
async function compileInstead({ script, packed: output }: Artefacts): Promise<void> {
  const result = await compile({ root: ROOT, entry: script, output });
  if (result.kind === "compiled") return;
  console.log(
    `deno compile is not possible here (${result.reason}): the bundle compiles, and ${output} is packed instead`,
  );
}

async function report({ script, packed, tarball }: Artefacts): Promise<void> {
  if (machine !== machineName(Deno.build)) {
    console.log(`muster ${VERSION} for ${machine}, runtime ${flags.runtime}`);
    for (const path of [script, packed, tarball]) console.log(`${path}  ${size(path)}`);
    return;
  }
  console.log(`muster ${VERSION} for ${machine}, runtime Deno ${Deno.version.deno}`);
  const directory = await Deno.makeTempDir();
  try {
    const cache = { MUSTER_CACHE: `${directory}/cache` };
    const version = ["--version"];
    const untar = { command: "tar", arguments: ["xzf", tarball, "-C", directory, "--strip-components=1"] };
    await startMs(untar);
    const start: StartCommand = { command: packed, arguments: version, environment: cache };
    const firstMs = await startMs(start);
    const [sourceMs, scriptMs, packedMs, treeMs] = await medianStartMs([
      { command: Deno.execPath(), arguments: ["run", "-A", entry, ...version] },
      { command: Deno.execPath(), arguments: ["run", "-A", script, ...version] },
      start,
      { command: `${directory}/muster`, arguments: version },
    ], Number(flags.rounds)) as [number, number, number, number];
    const line = (path: string, ms: number, more = "") =>
      console.log(
        `${path}  ${size(path)}, starts in ${ms.toFixed(1)} ms (${(ms / scriptMs).toFixed(2)} ×)${more}`,
      );
    console.log(
      `deno run ${entry}  starts in ${sourceMs.toFixed(1)} ms (${(sourceMs / scriptMs).toFixed(2)} ×)`,
    );
    line(script, scriptMs, ", the measure: deno run -A");
    line(packed, packedMs, `, the first time in ${(firstMs / 1000).toFixed(2)} s`);
    line(tarball, treeMs, " once unpacked");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function size(path: string): string {
  const bytes = Deno.statSync(path).size;
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
