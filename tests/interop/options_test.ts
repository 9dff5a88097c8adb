/**
 * The command line, compared with torchrun's own parser: the table of options with its list of them, and thousands
 * of generated lines with what its parse_args and the start of its run make of them. Where the two differ on
 * purpose, DIFFERENCES says so and why; README repeats that table.
 */

import { assert, assertEquals } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { checkedValue } from "../../lib/options/checked.ts";
import type { StreamMasks } from "../../lib/options/launch_plan.ts";
import { type Dialect, optionTable } from "../../lib/options/option_table.ts";
import type { Options } from "../../lib/options/options.ts";
import { parseCommandLine } from "../../lib/options/parse.ts";
import { chooseRendezvous } from "../../lib/options/rendezvous_choice.ts";
import { parseRendezvousConf } from "../../lib/options/rendezvous_conf.ts";
import { parseNodes, parseRankList, parseStreamMasks } from "../../lib/options/values.ts";
import { type CommandLine, drawCommandLine, singleValues } from "./command_lines.ts";
import { FIXTURES, interopTest, PYTHON, runProgram } from "./harness.ts";

const SEED = 20250117;
const GENERATED_LINES = 2000;

/** What a parser makes of a line. */
type Answer =
  | { readonly kind: "help" }
  | { readonly kind: "refused"; readonly reason: string }
  | {
    readonly kind: "accepted";
    readonly values: Readonly<Record<string, unknown>>;
    /** What torchrun's run makes of the values: nodes, rendezvous, streams. */
    readonly meaning: Readonly<Record<string, unknown>>;
  };

interface Oracle {
  readonly options: Readonly<Record<Dialect, readonly { readonly spellings: readonly string[] }[]>>;
  readonly answers: readonly Answer[];
}

interface Difference {
  readonly what: string;
  readonly why: string;
  /** A line that shows it. */
  readonly example: readonly string[];
  readonly applies: (torchrun: Answer, muster: Answer, line: CommandLine) => boolean;
}

/** All deliberate differences in what is accepted and what it means. */
const DIFFERENCES: readonly Difference[] = [
  {
    what: "`muster train.py --r=16` starts `train.py` with `--r=16`.",
    why:
      "Under Python 3.11, torchrun looks for abbreviations of its own options in the script's arguments too, " +
      "and stops at an ambiguous one.",
    example: ["train.py", "--r=16"],
    applies: (torchrun, _, { args }) => {
      const word = ambiguousWord(torchrun);
      return word !== undefined && args.lastIndexOf(word) > args.findIndex((arg) => arg === "train.py");
    },
  },
  {
    what: "`--nproc=2` is `--nproc-per-node=2`.",
    why:
      "Under Python 3.11, torchrun calls an abbreviation ambiguous that fits both spellings of one option.",
    example: ["--nproc=2", "train.py"],
    applies: (torchrun) => {
      const fitting = /could match (.*)/.exec(reason(torchrun))?.[1]?.split(", ") ?? [];
      return new Set(fitting.map((spelling) => spelling.replaceAll("_", "-"))).size === 1;
    },
  },
  {
    what: "`--redirects 10:3` and `--tee 10:3` may name local ranks above 9.",
    why: "torchrun's pattern has room for one digit.",
    example: ["--redirects=0:1,10:3", "train.py"],
    applies: (torchrun, muster) =>
      muster.kind === "accepted" && /does not match: <\^\[0123\]/.test(reason(torchrun)),
  },
  {
    what: "`--role=--` is the value `--`.",
    why: "Under Python 3.11, torchrun makes an empty list of it.",
    example: ["--role=--", "train.py"],
    applies: (_, __, { args }) => args.some((arg) => /^-[^=]*=?--$/.test(arg) && arg !== "--"),
  },
  {
    what: "`--nproc-per-node` may be `cuda`, `npu` or `hpu`.",
    why:
      "torchrun calls NVIDIA's and AMD's devices `gpu`, and knows the others only where PyTorch has a plug-in of " +
      "that name.",
    example: ["--nproc-per-node=cuda", "train.py"],
    applies: (torchrun, muster) =>
      muster.kind === "accepted" &&
      /Unsupported nproc_per_node value: (cuda|npu|hpu)$/.test(reason(torchrun)),
  },
  {
    what: "`--nnodes=2:8:2` is from 2 to 8 nodes in steps of 2.",
    why: "torchrun knows no steps.",
    example: ["--nnodes=2:8:2", "--rdzv-backend=c10d", "train.py"],
    applies: (torchrun, muster) =>
      muster.kind === "accepted" &&
      /nnodes=[^:]*:[^:]*:[^:]* is not in "MIN:MAX" format/.test(reason(torchrun)),
  },
  {
    what: "`--logs-specs` takes the path of a TypeScript or JavaScript module.",
    why: "torchrun's names are plug-ins in the workers' Python, which the launcher does not ask.",
    example: ["--logs-specs=logs.ts", "train.py"],
    applies: (torchrun, muster, { args }) =>
      args.some((arg) => /^--logs[-_]specs=.*\.ts$/.test(arg)) && muster.kind === "accepted" &&
      /Could not find entrypoint under 'torchrun.logs_specs/.test(reason(torchrun)),
  },
  {
    what: "`--help` is answered wherever it stands before the script.",
    why: "torchrun stops at the first mistake before it.",
    example: ["--max-restarts=x", "--help"],
    applies: (torchrun, muster) => muster.kind === "help" && torchrun.kind === "refused",
  },
  {
    what: "A whole number beyond 2^53 counts as 2^53 - 1.",
    why: "Python's numbers have no end.",
    example: ["--max-restarts=99999999999999999999", "train.py"],
    applies: (torchrun) =>
      torchrun.kind === "accepted" && Object.values(torchrun.values).some((value) => Number(value) > 2 ** 53),
  },
];

const prng = new Prng(SEED);
const LINES: readonly CommandLine[] = [
  ...DIFFERENCES.map(({ example }): CommandLine => ({ args: example, environment: {}, dialect: "torchrun" })),
  ...singleValues(),
  ...Array.from({ length: GENERATED_LINES }, () => drawCommandLine(prng)),
];

let asked: Promise<Oracle> | undefined;
/** One Python for both tests. */
const askedOnce = () => asked ??= askTorchrun(LINES);

interopTest("parseCommandLine() and torchrun's parser agree on thousands of lines", async () => {
  const { answers } = await askedOnce();
  const tally = { accepted: 0, help: 0, refused: 0, different: 0 };
  for (const [index, line] of LINES.entries()) {
    const torchrun = answers[index]!;
    const muster = answerOfMuster(line);
    const difference = DIFFERENCES.find(({ applies }) =>
      !agree(torchrun, muster) && applies(torchrun, muster, line)
    );
    if (index < DIFFERENCES.length) {
      assertEquals(difference?.what, DIFFERENCES[index]!.what, `Not shown by ${JSON.stringify(line)}`);
    }
    tally[difference === undefined ? torchrun.kind : "different"]++;
    if (difference !== undefined) continue;
    const message = `seed ${SEED}, line ${index}: ${JSON.stringify({ line, torchrun, muster })}`;
    assertEquals(muster.kind, torchrun.kind, message);
    if (muster.kind === "accepted") assertEquals(muster, torchrun, message);
  }
  // A generator that draws nothing but nonsense would prove nothing.
  assert(tally.accepted > 500 && tally.refused > 500, JSON.stringify(tally));
});

interopTest("optionTable() lists torchrun's options with its spellings, defaults and variables", async () => {
  const { options } = await askedOnce();
  for (const dialect of ["torchrun", "legacy"] as const) {
    const ours = optionTable(dialect).filter((spec) => !spec.isOwn).map((spec) => ({
      destination: snakeCase(spec.name),
      spellings: [...spec.spellings].sort(),
      default: spec.default,
      choices: spec.name === "printCompletion"
        ? ["bash", "zsh", "tcsh"]
        : spec.name === "help"
        ? null
        : spec.choices,
      takesValue: spec.kind !== "flag" && spec.kind !== "mode",
      readsVariable: spec.variable !== null,
    }));
    const theirs = options[dialect].map((option) => ({ ...option, spellings: [...option.spellings].sort() }));
    assertEquals(new Set<unknown>(ours), new Set<unknown>(theirs));
  }
});

async function askTorchrun(lines: readonly CommandLine[]): Promise<Oracle> {
  const directory = await Deno.makeTempDir({ prefix: "muster-options-" });
  try {
    const run = await runProgram([PYTHON, `${FIXTURES}/parse_args_oracle.py`], {
      stdin: JSON.stringify(lines),
      cwd: directory,
      env: { LOGLEVEL: "CRITICAL" },
    });
    assertEquals(run.code, 0, run.stderr);
    return JSON.parse(run.stdout);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** muster's answer, in torchrun's words. */
function answerOfMuster(line: CommandLine): Answer {
  const { options, problems, request } = parseCommandLine(line.args, line.environment, line.dialect);
  if (request !== null) return { kind: "help" };
  if (options === null || problems.length > 0) return { kind: "refused", reason: JSON.stringify(problems) };
  const torchruns = new Set(
    optionTable(line.dialect).filter((spec) => !spec.isOwn).map((spec) => spec.name as string),
  );
  const values: Record<string, unknown> = { print_completion: null };
  for (const [name, value] of Object.entries(options.values)) {
    if (!torchruns.has(name) && !name.startsWith("trainingScript")) continue;
    values[snakeCase(name)] = typeof value === "number" ? spelledNumber(value) : value;
  }
  return { kind: "accepted", values, meaning: meaning(options.values) };
}

function meaning(values: Options): Record<string, unknown> {
  const { backend, endpoint } = chooseRendezvous(values);
  const nodes = checkedValue(parseNodes(values.nnodes));
  const conf = Object.fromEntries(checkedValue(parseRendezvousConf(values.rdzvConf)));
  delete conf.rank;
  delete conf.timeout;
  return {
    nodes: [nodes.min, nodes.max],
    backend,
    endpoint,
    conf,
    redirects: plainMasks(checkedValue(parseStreamMasks(values.redirects))),
    tee: plainMasks(checkedValue(parseStreamMasks(values.tee))),
    filter: checkedValue(parseRankList(values.localRanksFilter)),
  };
}

function plainMasks(masks: StreamMasks): unknown {
  return typeof masks === "number" ? masks : Object.fromEntries(masks);
}

/** Numbers that JSON lacks as Python writes them. */
function spelledNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value).toLowerCase().replace("infinity", "inf");
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function agree(torchrun: Answer, muster: Answer): boolean {
  if (torchrun.kind !== "accepted" || muster.kind !== "accepted") return torchrun.kind === muster.kind;
  try {
    assertEquals(muster, torchrun);
    return true;
  } catch {
    return false;
  }
}

function reason(answer: Answer): string {
  return answer.kind === "refused" ? answer.reason : "";
}

function ambiguousWord(answer: Answer): string | undefined {
  return /ambiguous option: (.*) could match/.exec(reason(answer))?.[1];
}
