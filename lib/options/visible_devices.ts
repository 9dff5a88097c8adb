/**
 * Masks such as CUDA_VISIBLE_DEVICES, read as the vendors' runtimes and PyTorch read them. Source:
 * `torch.cuda._parse_visible_devices` and `_transform_uuid_to_ordinals` of PyTorch 2.15, and the CUDA programming
 * guide, "CUDA environment variables".
 */

export type VisibleDevices =
  /** No mask. */
  | { readonly kind: "all" }
  | { readonly kind: "indices"; readonly indices: readonly number[] }
  /** `GPU-…` or `MIG-…`, in full or the beginning of it. */
  | { readonly kind: "identifiers"; readonly identifiers: readonly string[] };

export function parseVisibleDevices(mask: string | undefined): VisibleDevices {
  if (mask === undefined) return { kind: "all" };
  for (const prefix of ["GPU-", "MIG-"]) {
    if (mask.startsWith(prefix)) return { kind: "identifiers", identifiers: parseIdentifiers(mask, prefix) };
  }
  return { kind: "indices", indices: parseIndices(mask) };
}

/** How many of `devices`, given by their identifiers, a mask leaves visible. */
export function countVisible(visible: VisibleDevices, devices: readonly string[]): number {
  return visibleIndices(visible, devices).length;
}

/**
 * Which of `devices`, given by their identifiers, a mask leaves visible, in its order. What follows the first entry
 * that names no device does not count; a device that is named twice makes the whole mask empty.
 */
export function visibleIndices(visible: VisibleDevices, devices: readonly string[]): readonly number[] {
  switch (visible.kind) {
    case "all":
      return devices.map((_, index) => index);
    case "indices": {
      const wrong = visible.indices.findIndex((index) => index >= devices.length);
      return wrong < 0 ? visible.indices : visible.indices.slice(0, wrong);
    }
    case "identifiers": {
      const chosen = new Set<number>();
      for (const identifier of visible.identifiers) {
        const matches = devices.flatMap((device, index) => device.startsWith(identifier) ? [index] : []);
        const [match] = matches;
        if (match === undefined || matches.length > 1) break;
        if (chosen.has(match)) return [];
        chosen.add(match);
      }
      return [...chosen];
    }
  }
}

/** Entries count up to the first without the prefix; an entry that is there twice makes the list empty. */
function parseIdentifiers(mask: string, prefix: string): string[] {
  const identifiers: string[] = [];
  for (const entry of mask.split(",")) {
    if (identifiers.includes(entry)) return [];
    if (!entry.startsWith(prefix)) break;
    identifiers.push(entry);
  }
  return identifiers;
}

/** C's strtoul: the number at the beginning of an entry counts, whatever follows it; none, or a negative one, ends the list. */
function parseIndices(mask: string): number[] {
  const indices: number[] = [];
  for (const entry of mask.split(",")) {
    const index = Number(/^[+-]?\d+/.exec(entry.trim())?.[0] ?? -1);
    if (indices.includes(index)) return [];
    if (index < 0) break;
    indices.push(index);
  }
  return indices;
}
