/** What looking for one vendor's devices gives. */

export type Detection =
  | DevicesFound
  /** The files do not tell: the host is to run this command and to ask again with what it printed. */
  | { readonly kind: "command"; readonly command: readonly string[] };

export interface DevicesFound {
  readonly kind: "devices";
  /** Devices that a worker will see. */
  readonly count: number;
  /** Devices that are there, masks left aside. */
  readonly present: number;
  /** What was found and what a mask left of it: "8 NVIDIA GPUs, 2 of them in CUDA_VISIBLE_DEVICES=0,1". */
  readonly because: string;
  /** What the user should know. */
  readonly notices: readonly string[];
}

/** Where the devices are that a worker will see. */
export type Location =
  | {
    readonly kind: "located";
    /** What was found, as in `DevicesFound`. */
    readonly because: string;
    /** PCI addresses such as `0000:1b:00.0`, in the order of the devices' indices; none: no device. */
    readonly addresses: readonly string[];
    readonly notices: readonly string[];
  }
  | { readonly kind: "command"; readonly command: readonly string[] }
  /** There are devices; `because` says why nobody knows where. */
  | { readonly kind: "unknown"; readonly because: string };

/** A mask that was applied. */
export interface Mask {
  readonly name: string;
  readonly value: string;
}

/** Puts a finding together; `what` is the singular of the devices' name. */
export function devicesFound(
  what: string,
  counts: { readonly present: number; readonly count: number },
  details: { readonly masks?: readonly Mask[]; readonly notices?: readonly string[] } = {},
): DevicesFound {
  const { present, count } = counts;
  const masks = (details.masks ?? []).map(({ name, value }) => `${name}=${value}`).join(" and ");
  const found = `${present === 0 ? "no" : present} ${what}${present === 1 ? "" : "s"}`;
  const left = masks === "" || present === 0 ? "" : `, ${count === 0 ? "none" : count} of them in ${masks}`;
  return { kind: "devices", count, present, because: `${found}${left}`, notices: details.notices ?? [] };
}
