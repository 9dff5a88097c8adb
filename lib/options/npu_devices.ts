/**
 * Accelerators that PyTorch knows through plug-ins: Huawei's Ascend (`npu`) and Intel's Gaudi (`hpu`). Sources:
 * Huawei's page on ASCEND_RT_VISIBLE_DEVICES; Habana's page "Multiple workloads on a single Docker"; the kernel's
 * habanalabs driver for `/sys/class/accel`. Tried on recorded trees only.
 */

import { type DevicesFound, devicesFound } from "./detection.ts";
import { type FileView, numbersAfter } from "./file_view.ts";
import { type MachineView, variable } from "./machine_view.ts";

/** Ascend devices. Their mask is read up to its first character that is neither digit nor comma. */
export function findAscendDevices(machine: MachineView): DevicesFound {
  const name = "ASCEND_RT_VISIBLE_DEVICES";
  const value = variable(machine, name);
  const present = numbersAfter("davinci", machine.files.list("/dev")).length;
  if (value === undefined) return devicesFound("Ascend NPU", { present, count: present });
  const indices = /^(?:\d+(?:,\d+)*)?/.exec(value)![0].split(",").filter((text) => text !== "").map(Number);
  const wrong = indices.findIndex((index, at) => index >= present || indices.indexOf(index) !== at);
  const count = wrong < 0 ? indices.length : wrong;
  return devicesFound("Ascend NPU", { present, count }, { masks: [{ name, value }] });
}

/** Gaudi devices. Their mask holds module ids, which are not the numbers of the device nodes. */
export function findGaudiDevices(machine: MachineView): DevicesFound {
  const name = "HABANA_VISIBLE_MODULES";
  const value = variable(machine, name);
  const modules = gaudiModules(machine.files);
  const present = modules.length;
  if (value === undefined || value.trim() === "" || value.trim() === "all") {
    return devicesFound("Gaudi HPU", { present, count: present });
  }
  const wanted = new Set(value.split(",").map((text) => text.trim()).filter((text) => /^\d+$/.test(text)));
  // A module without an id could be any of those that are asked for.
  const named = [...wanted].filter((id) => modules.includes(id)).length;
  const unnamed = modules.filter((id) => id === null).length;
  const count = Math.min(wanted.size, named + unnamed);
  return devicesFound("Gaudi HPU", { present, count }, { masks: [{ name, value }] });
}

/** The module id of each Gaudi, null where it is not known. Other vendors' accelerators share the folder. */
function gaudiModules(files: FileView): (string | null)[] {
  const legacy = numbersAfter("hl", files.list("/dev")).map((number) => `/sys/class/habanalabs/hl${number}`);
  const accelerators = numbersAfter("accel", files.list("/dev/accel"))
    .map((number) => `/sys/class/accel/accel${number}`)
    .filter((folder) => files.readText(`${folder}/device/vendor`)?.trim() === "0x1da3");
  return [...accelerators, ...legacy].map((folder) => {
    const id = files.readText(`${folder}/device/module_id`) ?? files.readText(`${folder}/module_id`);
    return id?.trim() ?? null;
  });
}
