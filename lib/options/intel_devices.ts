/**
 * Intel's GPUs (`xpu`), from the render nodes of the kernel's drivers. Like PyTorch, integrated GPUs count only where
 * there is no other. Sources: `torch.xpu._enum_zes_device_infos` of PyTorch 2.15; Intel's page "Exposing the device
 * hierarchy"; the Level Zero specification, "Affinity mask". Tried on recorded trees only.
 */

import { type DevicesFound, devicesFound } from "./detection.ts";
import { type FileView, numbersAfter } from "./file_view.ts";
import { type MachineView, variable } from "./machine_view.ts";

const MASK = "ZE_AFFINITY_MASK";

export interface IntelFound extends DevicesFound {
  /** Whether the devices share the CPU's chip. */
  readonly isIntegrated: boolean;
}

/** Intel GPUs that a SYCL program started now would see. */
export function findIntelDevices(machine: MachineView): IntelFound {
  const isComposite = variable(machine, "ZE_FLAT_DEVICE_HIERARCHY")?.toUpperCase() === "COMPOSITE";
  const devices = numbersAfter("renderD", machine.files.list("/dev/dri"))
    .map((node) => renderNode(machine.files, node))
    .filter((device) => device !== null)
    // Each tile of a large GPU is a device of its own, unless the composite hierarchy is asked for.
    .flatMap((device) => Array.from({ length: isComposite ? 1 : device.tiles }, () => device))
    .sort((a, b) => Number(a.isIntegrated) - Number(b.isIntegrated));

  const value = variable(machine, MASK);
  const visible = parseAffinityMask(value);
  const left = devices.filter((_, index) => visible?.has(index) ?? true);
  const discrete = left.filter((device) => !device.isIntegrated).length;
  const isIntegrated = discrete === 0 && left.length > 0;
  const counted = devices.filter((device) => device.isIntegrated === (discrete === 0));
  const masks = value === undefined ? [] : [{ name: MASK, value }];
  const counts = { present: counted.length, count: isIntegrated ? left.length : discrete };
  return {
    ...devicesFound(isIntegrated ? "integrated Intel GPU" : "Intel GPU", counts, { masks }),
    isIntegrated,
  };
}

/** Null: not Intel's. */
function renderNode(files: FileView, node: number): { isIntegrated: boolean; tiles: number } | null {
  const device = `/sys/class/drm/renderD${node}/device`;
  if (files.readText(`${device}/vendor`)?.trim() !== "0x8086") return null;
  const slot = /^PCI_SLOT_NAME=(.*)$/m.exec(files.readText(`${device}/uevent`) ?? "")?.[1];
  // The xe driver shows tiles as folders of the device.
  const tiles = numbersAfter("tile", files.list(device)).length;
  return { isIntegrated: slot?.startsWith("0000:00:02.") ?? false, tiles: Math.max(1, tiles) };
}

/** Indices of devices; of `0.1`, a tile in the composite hierarchy, the device counts. Null: no mask. */
function parseAffinityMask(value: string | undefined): ReadonlySet<number> | null {
  if (value === undefined || value.trim() === "") return null;
  const indices = value.split(",").map((entry) => /^\d+/.exec(entry.trim())?.[0]).filter((text) =>
    text !== undefined
  );
  return new Set(indices.map(Number));
}
