/**
 * Which Python runs the workers. torchrun is a Python program and takes its own; we look where the user expects it:
 * `--python`, `PYTHON_EXEC` (which torchrun reads too), the environment that is active, PATH. Links are not followed:
 * Python finds its environment by the name under which it is started.
 */

import { accept, type Checked, quote, refuse } from "./checked.ts";
import { type MachineView, variable } from "./machine_view.ts";
import { findOnPath, searchPath } from "./path_lookup.ts";

export interface Interpreter {
  readonly executable: string;
  /** Where it is from, such as "VIRTUAL_ENV". */
  readonly because: string;
}

/** `python` is the value of `--python`, if there is one. */
export function findInterpreter(python: string | null, machine: MachineView): Checked<Interpreter> {
  const named = python ?? variable(machine, "PYTHON_EXEC") ?? "";
  if (python !== null || named !== "") {
    return namedInterpreter(named, python === null ? "PYTHON_EXEC" : "--python", machine);
  }
  for (const name of activeEnvironments(machine)) {
    const executable = `${variable(machine, name)}/bin/python`;
    if (machine.files.isExecutable(executable)) return accept({ executable, because: name });
  }
  for (const name of ["python3", "python"]) {
    const executable = findOnPath(name, machine);
    if (executable !== null) return accept({ executable, because: `${name} on PATH` });
  }
  return refuse(
    "There is no Python to run the script: no environment is active, and PATH has neither python3 nor python",
    "Activate the environment, name the interpreter with --python, or start a program of its own with --no-python",
  );
}

function namedInterpreter(name: string, source: string, machine: MachineView): Checked<Interpreter> {
  if (!name.includes("/")) {
    const executable = name === "" ? null : findOnPath(name, machine);
    if (executable !== null) return accept({ executable, because: source });
    return refuse(`${source} names no interpreter: PATH has no program ${quote(name)}`);
  }
  switch (machine.files.kind(name)) {
    case "missing":
      return refuse(`${source} names no interpreter: there is no ${quote(name)}`);
    case "directory":
      return refuse(
        `${source} names no interpreter: ${quote(name)} is a directory`,
        `An environment's interpreter is its bin/python`,
      );
    default:
      if (machine.files.isExecutable(name)) return accept({ executable: name, because: source });
      return refuse(`${source} names no interpreter: ${quote(name)} is not executable`);
  }
}

/** The variables of active environments, the one first that was activated last: activation puts it in front of PATH. */
function activeEnvironments(machine: MachineView): string[] {
  const path = searchPath(machine);
  const position = (name: string) => {
    const at = path.indexOf(`${variable(machine, name)}/bin`);
    return at < 0 ? path.length : at;
  };
  return ["VIRTUAL_ENV", "CONDA_PREFIX"]
    .filter((name) => (variable(machine, name) ?? "") !== "")
    .sort((a, b) => position(a) - position(b));
}
