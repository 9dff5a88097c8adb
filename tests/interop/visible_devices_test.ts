/** CUDA_VISIBLE_DEVICES, compared with PyTorch's own reading of it on generated masks. */

import { assertEquals } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { countVisible, parseVisibleDevices } from "../../lib/options/visible_devices.ts";
import { interopTest, PYTHON, runProgram } from "./harness.ts";

const DEVICES = ["GPU-8932f937-d72c", "GPU-46b12f05-1111", "GPU-46b12f05-2222", "GPU-0a1b2c3d-4444"];

/** PyTorch's functions, with the driver's list replaced: the same steps as its \`_device_count_nvml\`. */
const SCRIPT = `
import json, os, sys
import torch.cuda as cuda
devices, masks = json.load(sys.stdin)
cuda._raw_device_count_nvml = lambda: len(devices)
cuda._raw_device_uuid_nvml = lambda: devices
counts = []
for mask in masks:
    if mask is None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = mask
    counts.append(cuda._device_count_nvml())
print(json.dumps(counts))
`;

const ENTRIES = [
  ...[
    "0",
    "1",
    "2",
    "3",
    "4",
    "9",
    "-1",
    "-2",
    "",
    " ",
    " 1",
    "2 ",
    "+1",
    "1gpu2",
    "gpu",
    "NoDevFiles",
    "0x1",
    "00",
  ],
  ...[
    "GPU-8932f937",
    "GPU-8932f937-d72c",
    "GPU-46b12f05",
    "GPU-46b12f05-1",
    "GPU-",
    "GPU-ffff",
    "gpu-8932f937",
  ],
];

interopTest("countVisible() equals PyTorch's count on 3,000 generated masks", async () => {
  const prng = new Prng(15);
  const masks = [
    null,
    ...Array.from(
      { length: 3_000 },
      () => Array.from({ length: 1 + prng.below(5) }, () => prng.pick(ENTRIES)).join(","),
    ),
  ];
  const run = await runProgram([PYTHON, "-c", SCRIPT], { stdin: JSON.stringify([DEVICES, masks]) });
  assertEquals(run.code, 0, run.stderr);
  const wanted: number[] = JSON.parse(run.stdout);
  assertEquals(wanted.length, masks.length);
  const wrong = masks.flatMap((mask, index) => {
    const got = countVisible(parseVisibleDevices(mask ?? undefined), DEVICES);
    return got === wanted[index] ? [] : [{ mask, got, wanted: wanted[index] }];
  });
  assertEquals(wrong, []);
});
