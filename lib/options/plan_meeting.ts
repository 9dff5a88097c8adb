/**
 * Where nodes and workers meet, under which job id. With one machine nothing has to be agreed with others: whatever back
 * end was named, the launcher's store on the loopback address is the place, and no port is taken but the one that
 * static rendezvous names. With several `plan_fleet.ts` has the rest.
 */

import { givenName } from "./checks.ts";
import { checkedValue } from "./checked.ts";
import type { LaunchPlan } from "./launch_plan.ts";
import { type MachineView, variable } from "./machine_view.ts";
import type { ParsedOptions } from "./options.ts";
import type { Findings } from "./findings.ts";
import { planFleet } from "./plan_fleet.ts";
import { chooseRendezvous, type RendezvousChoice } from "./rendezvous_choice.ts";
import { parseEndpoint, parseNodes } from "./values.ts";

export type Meeting = Pick<
  LaunchPlan,
  | "jobId"
  | "rendezvousBackend"
  | "rendezvousEndpoint"
  | "nodesMin"
  | "nodesMax"
  | "nodeRank"
  | "meeting"
  | "store"
>;

/** Null when there is a problem. */
export function planMeeting(parsed: ParsedOptions, machine: MachineView, findings: Findings): Meeting | null {
  const { values } = parsed;
  const nodes = checkedValue(parseNodes(values.nnodes));
  const choice = chooseRendezvous(values);
  const isStatic = choice.backend === "static";
  if (isStatic && (values.nodeRank < 0 || values.nodeRank >= nodes.max)) {
    const source = givenName(parsed, "nodeRank");
    const wanted = nodes.max === 1 ? "0 with one machine" : `from 0 to ${nodes.max - 1}`;
    findings.problems.push({ message: `${source} must be ${wanted}: got ${values.nodeRank}` });
    return null;
  }
  explainChoice(parsed, choice, findings);
  return {
    jobId: jobId(parsed, choice, machine, findings),
    rendezvousBackend: choice.backend,
    rendezvousEndpoint: choice.endpoint,
    nodesMin: nodes.min,
    nodesMax: nodes.max,
    nodeRank: isStatic ? values.nodeRank : 0,
    meeting: nodes.max === 1 ? null : planFleet(parsed, choice, nodes, machine),
    store: {
      port: nodes.max > 1
        ? portOfFleet(isStatic, findings)
        : isStatic
        ? staticPort(parsed, choice, findings)
        : anyPort(parsed, choice, findings),
      // Static rendezvous always shares the launcher's store (torchrun.md 2).
      hostedByLauncher: isStatic || variable(machine, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE") !== "1",
    },
  };
}

/** Among several nodes the workers' store is where rank 0 is: on any free port, or behind the static meeting point. */
function portOfFleet(isStatic: boolean, { reasons }: Findings): number {
  reasons.set("store", isStatic ? "the meeting point itself" : "chosen by the node that has rank 0");
  return 0;
}

function explainChoice(parsed: ParsedOptions, choice: RendezvousChoice, { reasons }: Findings): void {
  const explain = (because: string) => {
    reasons.set("rendezvousBackend", because);
    reasons.set("rendezvousEndpoint", because);
  };
  if (choice.because === "standalone") explain(`because of ${givenName(parsed, "standalone")}`);
  else if (choice.because === "alone") explain("one machine and no --master-port, as under torchrun");
  else if (choice.backend === "static" && givenName(parsed, "rdzvEndpoint") === undefined) {
    reasons.set("rendezvousEndpoint", "--master-addr and --master-port");
  }
}

/** torchrun drops an id that was given wherever there is one machine; we do only where it must: `--standalone`. */
function jobId(
  parsed: ParsedOptions,
  choice: RendezvousChoice,
  machine: MachineView,
  { notices, reasons }: Findings,
): string {
  const { rdzvId } = parsed.values;
  const given = givenName(parsed, "rdzvId");
  if (choice.because === "standalone") {
    reasons.set("jobId", `new, because of ${givenName(parsed, "standalone")}`);
    return machine.uuid;
  }
  if (choice.because === "alone" && (given === undefined || rdzvId === "")) {
    reasons.set("jobId", "new, because no --rdzv-id is given");
    return machine.uuid;
  }
  if (rdzvId !== "") return rdzvId;
  const generated = String(BigInt(`0x${machine.uuid.replaceAll("-", "")}`));
  reasons.set("jobId", `new, because ${given} is empty`);
  notices.push(`${given} is empty, so the job is called ${generated}`);
  return generated;
}

function staticPort(parsed: ParsedOptions, choice: RendezvousChoice, { notices, reasons }: Findings): number {
  const { host, port } = checkedValue(parseEndpoint(choice.endpoint));
  const source = givenName(parsed, "rdzvEndpoint") ?? givenName(parsed, "masterAddr");
  if (source !== undefined && !/^(localhost|127\..*|::1)$/i.test(host)) {
    notices.push(`${source} is not used with one machine: the workers meet at 127.0.0.1:${port}`);
  }
  const portSource = givenName(parsed, "rdzvEndpoint") ?? givenName(parsed, "masterPort");
  reasons.set(
    "store",
    portSource === undefined ? "torchrun's port for static rendezvous" : `the port of ${portSource}`,
  );
  return port!;
}

function anyPort(parsed: ParsedOptions, choice: RendezvousChoice, { notices, reasons }: Findings): number {
  if (choice.backend.startsWith("etcd")) {
    const source = givenName(parsed, "rdzvBackend");
    notices.push(`${source} ${choice.backend} is not used with one machine: etcd is not contacted`);
  }
  reasons.set("store", "the job has one machine");
  return 0;
}
