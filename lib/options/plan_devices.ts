/** `--gpus`: the devices that the workers see, chosen among those that the launcher may use. */

import { quote } from "./checked.ts";
import type { Findings } from "./findings.ts";
import { type MachineView, variable } from "./machine_view.ts";
import type { Options } from "./options.ts";

export interface DeviceChoice {
  /** The devices as the workers' mask names them; null: as inherited. */
  readonly chosen: readonly string[] | null;
  /** The machine as a worker will see it. */
  readonly machine: MachineView;
}

/** Masks that the launcher was started with; like torchrun, an empty HIP mask is none. */
export function inheritedDevices(
  machine: MachineView,
): { readonly cuda: string | null; readonly hip: string | null } {
  return {
    cuda: variable(machine, "CUDA_VISIBLE_DEVICES") ?? null,
    hip: variable(machine, "HIP_VISIBLE_DEVICES") || null,
  };
}

/** An index counts within the inherited mask, so that a job that was given 4 to 7 can't take 0. */
export function chooseDevices(
  { gpus, nprocPerNode }: Options,
  machine: MachineView,
  { problems }: Findings,
): DeviceChoice {
  if (gpus === null) return { chosen: null, machine };
  const refuse = (message: string, hint?: string): DeviceChoice => {
    problems.push(hint === undefined ? { message } : { message, hint });
    return { chosen: null, machine };
  };
  const masks: Record<string, string> = {
    xpu: "ZE_AFFINITY_MASK",
    npu: "ASCEND_RT_VISIBLE_DEVICES",
    hpu: "HABANA_VISIBLE_MODULES",
  };
  const mask = Object.hasOwn(masks, nprocPerNode) ? masks[nprocPerNode] : undefined;
  if (mask !== undefined) return refuse(`--gpus is for NVIDIA and AMD GPUs: for ${nprocPerNode} set ${mask}`);

  const names = gpus.split(",").map((name) => name.trim());
  const wrong = names.find((name) => !/^(\d+|(GPU|MIG)-[\w/-]+)$/.test(name));
  if (wrong !== undefined) {
    return refuse(`--gpus must be indices or names of GPUs, such as 0,2,5: got ${quote(gpus)}`);
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    return refuse(`--gpus names ${twice} twice, which hides all GPUs: got ${quote(gpus)}`);
  }

  const { cuda, hip } = inheritedDevices(machine);
  const inherited = (hip ?? cuda)?.split(",").map((name) => name.trim()) ?? null;
  const chosen = names.map((name) =>
    inherited === null || !/^\d+$/.test(name) ? name : inherited[Number(name)]
  );
  const outside = names.find((_, index) => chosen[index] === undefined);
  if (outside !== undefined) {
    const source = hip === null ? "CUDA_VISIBLE_DEVICES" : "HIP_VISIBLE_DEVICES";
    return refuse(
      `--gpus names device ${outside}, but ${source}=${hip ?? cuda} leaves ${inherited?.length}`,
      `Indices count within ${source}`,
    );
  }
  const list = chosen.filter((name) => name !== undefined);
  const value = list.join(",");
  const environment = {
    ...machine.environment,
    CUDA_VISIBLE_DEVICES: value,
    ...(hip === null ? {} : { HIP_VISIBLE_DEVICES: value }),
  };
  return { chosen: list, machine: { ...machine, environment } };
}

/** torchrun finds this out after the rendezvous, when other workers have been started already. */
export function checkVirtualRanks(
  chosen: readonly string[] | null,
  workerCount: number,
  machine: MachineView,
  { problems }: Findings,
): void {
  const { cuda, hip } = inheritedDevices(machine);
  const inherited = hip ?? cuda;
  const visible = chosen ?? inherited?.split(",");
  if (visible === undefined || workerCount <= visible.length) return;
  const source = chosen === null
    ? `${hip === null ? "CUDA" : "HIP"}_VISIBLE_DEVICES=${inherited}`
    : `--gpus=${chosen.join(",")}`;
  problems.push({ message: `local_rank ${visible.length} exceeds available GPUs in ${source}` });
}
