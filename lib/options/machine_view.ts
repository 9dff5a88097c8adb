/** What a plan may know of the machine it is made on: plain values, and questions that are asked only when needed. */

import type { FileView } from "./file_view.ts";

export interface MachineView {
  /** The launcher's own variables. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly files: FileView;
  /** CPUs as the runtime counts them, for systems without `/proc`. */
  readonly cpuCount: number;
  /** A fresh random UUID in its usual form: the source of generated job ids. */
  readonly uuid: string;
  /**
   * What the command printed that an earlier answer asked for (`needs`); null: it could not be run, failed or hung;
   * undefined: it has not been run.
   */
  readonly commandOutput: string | null | undefined;
}

/** A variable's value; undefined where it is missing. Names may not reach what every object has. */
export function variable(machine: MachineView, name: string): string | undefined {
  return Object.hasOwn(machine.environment, name) ? machine.environment[name] : undefined;
}
