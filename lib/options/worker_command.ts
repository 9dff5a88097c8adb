/**
 * The command that every worker runs (torchrun.md 1.6), and what would keep it from running: a program that is not
 * there is found out before anything is started, not by every worker after every restart.
 */

import type { UsageProblem } from "../core/errors.ts";
import { safeSubstitute } from "../core/template.ts";
import { accept, type Checked, quote, refuse } from "./checked.ts";
import type { Findings } from "./findings.ts";
import { findInterpreter, type Interpreter } from "./interpreter.ts";
import type { WorkerCommand } from "./launch_plan.ts";
import type { MachineView } from "./machine_view.ts";
import type { Options } from "./options.ts";
import { findOnPath } from "./path_lookup.ts";

/** An argument as the worker with `localRank` gets it: Python's `Template.safe_substitute` with `local_rank`. */
export function substituteLocalRank(argument: string, localRank: number): string {
  return safeSubstitute(argument, { local_rank: String(localRank) });
}

export interface CommandResult {
  /** Null when there is a problem. */
  readonly command: WorkerCommand | null;
  /** Why this program: the interpreter's origin; null without Python. */
  readonly because: string | null;
}

/** The command for options that have been parsed, for workers with the local ranks 0 to `workerCount` − 1. */
export function workerCommand(
  options: Options,
  workerCount: number,
  machine: MachineView,
  { problems }: Pick<Findings, "problems">,
): CommandResult {
  const { noPython, runPath, trainingScript: script } = options;
  const scriptArguments = [
    ...(options.useEnv ? [] : ["--local-rank=${local_rank}"]),
    ...options.trainingScriptArgs,
  ];
  const { cwd } = machine;
  if (noPython && !runPath) {
    const program = findProgram(script, machine);
    if (program.kind === "value") {
      const common = { fixedArguments: [], scriptArguments, cwd };
      return { command: { executable: program.value, displayName: script, ...common }, because: null };
    }
    problems.push(program.problem);
    return { command: null, because: null };
  }

  // Python itself runs a file as `runpy.run_path` does, a directory or an archive with a `__main__` included.
  const isModule = options.module && !runPath;
  const scriptProblem = isModule ? null : checkScript(script, workerCount, machine);
  if (scriptProblem !== null) problems.push(scriptProblem);
  const interpreter = findInterpreter(options.python, machine);
  if (interpreter.kind === "problem") {
    problems.push(interpreter.problem);
    return { command: null, because: null };
  }
  const { executable, because } = interpreter.value;
  const command = {
    executable,
    fixedArguments: isModule ? ["-u", "-m"] : ["-u"],
    scriptArguments: [script, ...scriptArguments],
    displayName: pythonName(options, interpreter.value),
    cwd,
  };
  return { command, because };
}

/** What torchrun's failure report calls a Python program (torchrun.md 3.6). */
function pythonName(options: Options, { executable, because }: Interpreter): string {
  if (options.runPath) return "run_script_path";
  if (because === "PYTHON_EXEC") return executable;
  const words = [options.trainingScript, ...options.trainingScriptArgs];
  return words.find((word) => !word.startsWith("-")) ?? "";
}

/** The program of `--no-python`, which is looked for as the system does. */
function findProgram(name: string, machine: MachineView): Checked<string> {
  const { files, cwd } = machine;
  if (!name.includes("/")) {
    // The name is kept: the system finds the program again, and the program sees how it was called.
    if (findOnPath(name, machine) !== null) return accept(name);
    const isHere = name !== "" && files.kind(name) !== "missing";
    return refuse(
      `There is no program ${quote(name)} on PATH`,
      isHere ? `The one in ${cwd} is ./${name}` : undefined,
    );
  }
  if (files.kind(name) === "missing") return refuse(missing(name, cwd));
  if (files.kind(name) === "directory") return refuse(`${quote(name)} is a directory, not a program`);
  if (files.isExecutable(name)) return accept(name);
  return refuse(
    `${quote(name)} is not executable`,
    `Run chmod +x ${name}, or leave out --no-python if it is a Python script`,
  );
}

/** What keeps Python from running the file. Python reads a name like `-c` or `-` as an option of its own. */
function checkScript(script: string, workerCount: number, machine: MachineView): UsageProblem | null {
  if (script === "") return { message: "The script's name is empty" };
  if (script.startsWith("-")) return null;
  const ranks = script.includes("$") ? Array.from({ length: workerCount }, (_, rank) => rank) : [0];
  for (const path of new Set(ranks.map((rank) => substituteLocalRank(script, rank)))) {
    const kind = machine.files.kind(path);
    if (kind === "missing") return missingScript(path, machine);
    const hasMain = () => machine.files.list(path).some((name) => /^__main__\.pyc?$/.test(name));
    if (kind === "directory" && !hasMain()) {
      return { message: `The script ${quote(path)} is a directory without a __main__.py` };
    }
  }
  return null;
}

function missingScript(script: string, { files, cwd }: MachineView): UsageProblem {
  const message = missing(script, cwd);
  if (files.kind(`${script}.py`) === "file") return { message, hint: `Did you mean ${script}.py?` };
  const isModule = /^[A-Za-z_][\w.]*$/.test(script) && !script.endsWith(".py");
  return isModule ? { message, hint: `For a Python module add -m, for a program --no-python` } : { message };
}

function missing(path: string, cwd: string): string {
  return path.startsWith("/")
    ? `There is no file ${quote(path)}`
    : `There is no file ${quote(path)} in ${cwd}`;
}
