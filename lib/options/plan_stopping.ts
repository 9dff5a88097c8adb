/** How workers are stopped and watched: signals, the grace, torchrun's two watchdogs (torchrun.md 1.3, 2 and 6). */

import { givenName } from "./checks.ts";
import { checkedValue, quote } from "./checked.ts";
import type { Findings } from "./findings.ts";
import type { LaunchPlan } from "./launch_plan.ts";
import { type MachineView, variable } from "./machine_view.ts";
import type { Options, ParsedOptions } from "./options.ts";
import { parsePythonFloat, parsePythonInteger } from "./python_numbers.ts";
import { parseForwardedSignals, parseSignalNames } from "./values.ts";

export type Stopping = Pick<
  LaunchPlan,
  | "signalsToHandle"
  | "forwardSignals"
  | "shutdownTimeoutMs"
  | "keepDaemons"
  | "onTerm"
  | "fileTimer"
  | "uninterruptibleTimeoutMs"
>;

const SHUTDOWN_TIMEOUT_DEFAULT_MS = 30_000;
/** They tell of a fault in the launcher itself; its runtime lets nobody handle them. */
const FAULT_SIGNALS: readonly string[] = ["SIGILL", "SIGFPE", "SIGSEGV"];

export function planStopping(parsed: ParsedOptions, machine: MachineView, findings: Findings): Stopping {
  return {
    ...planSignals(parsed, findings),
    shutdownTimeoutMs: shutdownTimeoutMs(parsed.values, machine, findings),
    keepDaemons: parsed.values.keepDaemons,
    onTerm: parsed.values.onTerm,
    fileTimer: planFileTimer(machine, findings),
    uninterruptibleTimeoutMs: uninterruptibleTimeoutMs(machine, findings),
  };
}

function planSignals(parsed: ParsedOptions, { problems, notices }: Findings) {
  const asked = checkedValue(parseSignalNames(parsed.values.signalsToHandle)).signals;
  const faults = asked.filter((signal) => FAULT_SIGNALS.includes(signal));
  if (faults.length > 0) {
    notices.push(`${givenName(parsed, "signalsToHandle")}: ${faults.join(", ")} cannot be handled; ignored`);
  }
  const signalsToHandle = asked.filter((signal) => !faults.includes(signal));
  const forwarded = checkedValue(parseForwardedSignals(parsed.values.forwardSignals));
  for (const signal of forwarded) {
    if (FAULT_SIGNALS.includes(signal)) {
      problems.push({ message: `--forward-signals: ${signal} cannot be handled, so it cannot be passed on` });
    } else if (signalsToHandle.includes(signal)) {
      notices.push(`--forward-signals: ${signal} is not passed on, because it stops the workers`);
    }
  }
  return { signalsToHandle, forwardSignals: forwarded.filter((signal) => !signalsToHandle.includes(signal)) };
}

function shutdownTimeoutMs(values: Options, machine: MachineView, { problems, reasons }: Findings): number {
  if (values.shutdownTimeout !== null) return values.shutdownTimeout * 1000;
  const name = "TORCH_ELASTIC_SHUTDOWN_TIMEOUT";
  const text = variable(machine, name);
  if (text === undefined) return SHUTDOWN_TIMEOUT_DEFAULT_MS;
  reasons.set("shutdownTimeoutMs", name);
  const seconds = parsePythonInteger(text);
  if (seconds === null) {
    problems.push({ message: `${name} must be a whole number of seconds: got ${quote(text)}` });
  }
  // torchrun takes a negative number here, and then does not wait.
  return Math.max(0, seconds ?? 0) * 1000;
}

function planFileTimer(machine: MachineView, { reasons }: Findings): LaunchPlan["fileTimer"] {
  const name = "TORCHELASTIC_ENABLE_FILE_TIMER";
  if (variable(machine, name) !== "1") return undefined;
  reasons.set("fileTimer", name);
  return { path: variable(machine, "TORCHELASTIC_TIMER_FILE") || null };
}

/** Like torchrun: what is no number, or not above 0, is off. */
function uninterruptibleTimeoutMs(machine: MachineView, { reasons }: Findings): number | null {
  const name = "TORCHELASTIC_UNINTERRUPTIBLE_STATE_TIMEOUT";
  const seconds = parsePythonFloat(variable(machine, name) ?? "") ?? 0;
  if (!(seconds > 0) || seconds === Infinity) return null;
  reasons.set("uninterruptibleTimeoutMs", name);
  return seconds * 1000;
}
