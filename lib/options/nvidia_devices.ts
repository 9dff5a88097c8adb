/**
 * NVIDIA's GPUs, from the files of the driver and `/dev`, without CUDA. In a container `/proc/driver/nvidia` may list
 * the whole machine: only the device nodes say which GPUs were given to it. Sources: the driver's README, "Using the
 * /proc file system interface"; NVIDIA's MIG user guide, "Device nodes and capabilities", "CUDA device enumeration".
 * Tried on recorded trees only.
 */

import { type Detection, type DevicesFound, devicesFound, type Location } from "./detection.ts";
import { type FileView, numbersAfter } from "./file_view.ts";
import { type MachineView, variable } from "./machine_view.ts";
import { countVisible, parseVisibleDevices, type VisibleDevices, visibleIndices } from "./visible_devices.ts";

const MASK = "CUDA_VISIBLE_DEVICES";

export interface NvidiaOptions {
  /** `--virtual-local-rank`: each worker is given one entry of the mask. */
  readonly virtualLocalRank: boolean;
}

interface Gpus {
  /** `GPU-…`, in the order of the driver; empty where it is not known. */
  readonly uuids: readonly string[];
  /** PCI addresses in the same order; empty where they are not known. */
  readonly addresses: readonly string[];
  /** How many models there are among them. */
  readonly models: number;
  /** MIG compute instances that can be reached. */
  readonly migInstances: number;
}

interface Seen {
  readonly kind: "seen";
  readonly gpus: Gpus;
  readonly visible: VisibleDevices;
}

/** NVIDIA GPUs that a CUDA program started now would see. */
export function findNvidiaDevices(machine: MachineView, options: NvidiaOptions): Detection {
  const seen = lookForGpus(machine);
  if (seen.kind === "command") return seen;
  return visibleAmong(seen, machine, options);
}

/**
 * The PCI addresses of what `findNvidiaDevices` finds. CUDA numbers GPUs of one model by their addresses, GPUs of
 * several with the fastest first unless CUDA_DEVICE_ORDER says otherwise (CUDA programming guide, "CUDA environment
 * variables").
 */
export function locateNvidiaDevices(machine: MachineView, options: NvidiaOptions): Location {
  const seen = lookForGpus(machine);
  if (seen.kind === "command") return seen;
  const { gpus, visible } = seen;
  const { because, count } = visibleAmong(seen, machine, options);
  if (count === 0) return { kind: "located", because, addresses: [], notices: [] };
  if (gpus.addresses.length === 0) {
    return { kind: "unknown", because: "the NVIDIA driver does not say at which PCI address its GPUs are" };
  }
  if (isMig(gpus, visible)) {
    const [address, ...others] = gpus.addresses;
    if (others.length > 0) {
      return { kind: "unknown", because: "nothing says on which GPU a MIG instance is" };
    }
    return { kind: "located", because, addresses: Array(count).fill(address), notices: [] };
  }
  const indices = visibleIndices(visible, gpus.uuids);
  const isOrdered = gpus.models < 2 || variable(machine, "CUDA_DEVICE_ORDER") === "PCI_BUS_ID";
  const notices = isOrdered || indices.length < 2 ? [] : [
    "There are GPUs of several models, which CUDA may number in another order than their addresses': with " +
    "CUDA_DEVICE_ORDER=PCI_BUS_ID it is the same",
  ];
  return { kind: "located", because, addresses: indices.map((index) => gpus.addresses[index]!), notices };
}

function visibleAmong({ gpus, visible }: Seen, machine: MachineView, options: NvidiaOptions): DevicesFound {
  const value = variable(machine, MASK);
  const masks = value === undefined ? [] : [{ name: MASK, value }];
  const present = gpus.uuids.length;
  if (isMig(gpus, visible)) return migFound(gpus, visible, { masks, options });
  const count = countVisible(visible, gpus.uuids);
  return devicesFound("NVIDIA GPU", { present, count }, { masks });
}

/** The GPUs and the mask, or the command that has to be run first. */
function lookForGpus(
  machine: MachineView,
): Seen | { readonly kind: "command"; readonly command: readonly string[] } {
  const visible = parseVisibleDevices(variable(machine, MASK));
  const gpus = gpusInFiles(machine.files);
  if (gpus !== "unknown" && !namesAreNeeded(gpus, visible)) return { kind: "seen", gpus, visible };
  const { commandOutput } = machine;
  if (commandOutput === undefined) return { kind: "command", command: [nvidiaSmi(machine.files), "-L"] };
  const none: Gpus = { uuids: [], addresses: [], models: 0, migInstances: 0 };
  const inFiles = gpus === "unknown" ? none : gpus;
  if (commandOutput === null) return { kind: "seen", gpus: inFiles, visible };
  const listed = gpusInListing(commandOutput);
  // Both are in the order of the addresses.
  const isSame = listed.uuids.length === inFiles.uuids.length;
  const addresses = isSame ? inFiles.addresses : [];
  return { kind: "seen", gpus: { ...listed, addresses, models: inFiles.models }, visible };
}

/** `unknown`: the driver is there, but its files do not say which GPUs may be used. */
function gpusInFiles(files: FileView): Gpus | "unknown" {
  const nodes = numbersAfter("nvidia", files.list("/dev"));
  const root = "/proc/driver/nvidia/gpus";
  const listed = files.list(root).flatMap((address) => {
    const information = files.readText(`${root}/${address}/information`) ?? "";
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*?)\\s*$`, "m").exec(information)?.[1];
    const minor = Number(field("Device Minor") ?? NaN);
    // The driver shows question marks for the UUID of a GPU that nobody has used yet.
    const uuid = field("GPU UUID")?.replace(/.*\?.*/, "") ?? "";
    return field("GPU Excluded") === "Yes" ? [] : [{ uuid, minor, address, model: field("Model") }];
  });
  if (listed.length > 0) {
    // No node: a container that was given no GPU, or a host on which nobody has used one yet.
    if (nodes.length === 0) return "unknown";
    const given = listed.filter(({ minor }) => Number.isNaN(minor) || nodes.includes(minor));
    return {
      uuids: given.map(({ uuid }) => uuid),
      addresses: given.map(({ address }) => address),
      models: new Set(given.map(({ model }) => model)).size,
      migInstances: migInstances(files, nodes),
    };
  }
  // Under WSL the driver is Windows'.
  if (nodes.length === 0 && files.kind("/dev/dxg") !== "missing") return "unknown";
  // Jetson boards have one GPU, without a number.
  const isJetson = ["/dev/nvhost-gpu", "/dev/nvgpu"].some((path) => files.kind(path) !== "missing");
  const count = nodes.length === 0 && isJetson ? 1 : nodes.length;
  const uuids = Array.from({ length: count }, () => "");
  return { uuids, addresses: [], models: 0, migInstances: migInstances(files, nodes) };
}

/** Compute instances on the GPUs with these minor numbers; those without a capability node were not given to us. */
function migInstances(files: FileView, minors: readonly number[]): number {
  const nodes = numbersAfter("nvidia-cap", files.list("/dev/nvidia-caps"));
  let count = 0;
  for (const minor of minors) {
    const root = `/proc/driver/nvidia/capabilities/gpu${minor}/mig`;
    for (const gpuInstance of numbersAfter("gi", files.list(root))) {
      for (const instance of numbersAfter("ci", files.list(`${root}/gi${gpuInstance}`))) {
        const access = files.readText(`${root}/gi${gpuInstance}/ci${instance}/access`) ?? "";
        const node = Number(/^DeviceFileMinor:\s*(\d+)/m.exec(access)?.[1] ?? NaN);
        if (nodes.length === 0 || Number.isNaN(node) || nodes.includes(node)) count++;
      }
    }
  }
  return count;
}

/** `nvidia-smi -L`: a line for each GPU, an indented one for each MIG instance of it. */
function gpusInListing(listing: string): Pick<Gpus, "uuids" | "migInstances"> {
  const uuids = [...listing.matchAll(/^GPU \d+:.*\(UUID: (GPU-[^)]*)\)/gm)].map((match) => match[1]!);
  return { uuids, migInstances: listing.match(/^\s+MIG .*\(UUID: MIG-/gm)?.length ?? 0 };
}

/** Whether a mask names GPUs whose names are not known. */
function namesAreNeeded(gpus: Gpus, visible: VisibleDevices): boolean {
  if (visible.kind !== "identifiers" || !visible.identifiers[0]?.startsWith("GPU-")) return false;
  return gpus.uuids.includes("");
}

function isMig(gpus: Gpus, visible: VisibleDevices): boolean {
  if (visible.kind === "identifiers" && visible.identifiers[0]?.startsWith("MIG-")) {
    return gpus.uuids.length > 0;
  }
  return gpus.migInstances > 0;
}

/** With MIG a CUDA process sees one instance and no other GPU, however many there are. */
function migFound(
  gpus: Gpus,
  visible: VisibleDevices,
  { masks, options }: { masks: { name: string; value: string }[]; options: NvidiaOptions },
): DevicesFound {
  const named = visible.kind === "identifiers" && visible.identifiers[0]?.startsWith("MIG-")
    ? visible.identifiers.length
    : null;
  const present = Math.max(gpus.migInstances, named ?? 0);
  if (named !== null && options.virtualLocalRank) {
    return devicesFound("NVIDIA MIG instance", { present, count: named }, { masks });
  }
  const count = named === null ? Math.min(1, countVisible(visible, gpus.uuids)) : 1;
  const notices = count === 0 || present === 1 ? [] : [
    `A CUDA process sees one of the ${present} MIG instances: for a worker on each, list them in ${MASK} ` +
    `(MIG-…,MIG-…) and add --virtual-local-rank`,
  ];
  return devicesFound("NVIDIA MIG instance", { present, count }, { masks, notices });
}

/** Windows' own is not on PATH everywhere. */
function nvidiaSmi(files: FileView): string {
  const windows = "/usr/lib/wsl/lib/nvidia-smi";
  return files.isExecutable(windows) ? windows : "nvidia-smi";
}
