/** Where the system finds a program by its name. Source: execvp(3), and what Python's `subprocess` does without PATH. */

import { type MachineView, variable } from "./machine_view.ts";

const PATH_DEFAULT = "/bin:/usr/bin";

/** The first executable of that name on PATH, as a path; null: none is there. A name with a slash is a path already. */
export function findOnPath(name: string, machine: MachineView): string | null {
  for (const directory of searchPath(machine)) {
    const path = `${directory}/${name}`;
    if (machine.files.isExecutable(path)) return path;
  }
  return null;
}

/** The directories of PATH in their order; an empty entry is the working directory. */
export function searchPath(machine: MachineView): string[] {
  return (variable(machine, "PATH") ?? PATH_DEFAULT).split(":").map((directory) => directory || ".");
}
