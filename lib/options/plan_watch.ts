/** How the job is watched from outside: events, metrics, health checks. */

import { checkedValue, quote } from "./checked.ts";
import type { Findings } from "./findings.ts";
import type { WatchSettings } from "./launch_plan.ts";
import { type MachineView, variable } from "./machine_view.ts";
import type { ParsedOptions } from "./options.ts";
import { checkTarget } from "./plan_output.ts";
import { parsePythonInteger } from "./python_numbers.ts";
import { parseListenAddress } from "./values.ts";

const HEALTH_VARIABLE = "TORCHELASTIC_HEALTH_CHECK_PORT";

export function planWatch(
  { values }: ParsedOptions,
  machine: MachineView,
  findings: Findings,
): WatchSettings {
  const { events, metricsFile, metricsPort } = values;
  if (events !== null) checkTarget(events, "--events", machine, findings);
  if (metricsFile !== null) checkTarget(metricsFile, "--metrics-file", machine, findings);
  return {
    eventsPath: events,
    // The other handlers of torchrun's table, null and dynamic_rendezvous, write nothing (events/handlers.py).
    torchEvents: values.eventLogHandler === "console",
    metrics: metricsPort === null ? null : checkedValue(parseListenAddress(metricsPort)),
    metricsPath: metricsFile,
    healthPort: healthPort(machine, findings),
  };
}

/** torchrun goes on without a health check where the value is no number (local_elastic_agent.py). */
function healthPort(machine: MachineView, { notices }: Findings): number | null {
  const text = variable(machine, HEALTH_VARIABLE) || null;
  if (text === null) return null;
  const port = parsePythonInteger(text);
  if (port !== null && port >= 0 && port <= 65535) return port;
  notices.push(
    `${HEALTH_VARIABLE} must be a port, from 0 to 65535: got ${quote(text)}; no health check is served`,
  );
  return null;
}
