import { assertEquals } from "@std/assert";
import { countVisible, parseVisibleDevices } from "../../lib/options/visible_devices.ts";

const GPUS = ["GPU-8932f937-d72c", "GPU-46b12f05-1111", "GPU-46b12f05-2222"];

/** Checks how many of the three GPUs a mask leaves. */
function check(mask: string | undefined, count: number): void {
  assertEquals(countVisible(parseVisibleDevices(mask), GPUS), count, `${mask}`);
}

Deno.test("countVisible() counts all devices without a mask, none with an empty one", () => {
  check(undefined, 3);
  check("", 0);
});

Deno.test("countVisible() counts indices up to the first that is not there", () => {
  check("0,1,2", 3);
  check("2", 1);
  check("2, 0", 2);
  check("0,3,1", 1);
  check("3", 0);
});

Deno.test("countVisible() stops at -1 and at what is no number", () => {
  check("-1", 0);
  check("0,2,-1,1", 2);
  check("0,,1", 1);
  check("NoDevFiles", 0);
});

Deno.test("countVisible() reads numbers as C does", () => {
  check("1gpu2,2ampere", 2);
  check("+1", 1);
});

Deno.test("countVisible() finds nothing when a device is named twice", () => {
  check("0,1,0", 0);
  check("GPU-8932f937,GPU-8932f937", 0);
  check("GPU-8932f937,GPU-8932f937-d7", 0);
});

Deno.test("countVisible() knows GPUs by the beginning of their names", () => {
  check("GPU-8932f937-d72c", 1);
  check("GPU-46b12f05-2,GPU-8", 2);
});

Deno.test("countVisible() stops at names that are unknown, ambiguous or of another kind", () => {
  check("GPU-8,GPU-00", 1);
  check("GPU-46b12f05", 0);
  check("GPU-8,1", 1);
});

Deno.test("parseVisibleDevices() keeps MIG names apart from indices", () => {
  assertEquals(parseVisibleDevices("MIG-a,MIG-b,0"), {
    kind: "identifiers",
    identifiers: ["MIG-a", "MIG-b"],
  });
});
