import { assertEquals } from "@std/assert";
import { affinityCpuCount, cgroupCpuLimit, cpuListText, parseCpuList } from "../../lib/options/cpus.ts";
import { fileTree, recordedTree } from "./file_tree.ts";

const view = (name: string) => fileTree(recordedTree(name));

Deno.test("affinityCpuCount() counts the mask", () => {
  assertEquals(affinityCpuCount(view("cpus_cgroup_v1")), 2);
  assertEquals(affinityCpuCount(view("cpus_cgroup_v1_limit")), 8);
});

Deno.test("affinityCpuCount() leaves out CPUs that are not online", () => {
  assertEquals(affinityCpuCount(view("cpus_cgroup_v2_limit")), 8);
});

Deno.test("affinityCpuCount() knows when the system does not say", () => {
  assertEquals(affinityCpuCount(fileTree({})), null);
});

Deno.test("cgroupCpuLimit() is null without a limit", () => {
  assertEquals(cgroupCpuLimit(view("cpus_cgroup_v1")), null);
  assertEquals(cgroupCpuLimit(fileTree({})), null);
});

Deno.test("cgroupCpuLimit() finds the limit of a container", () => {
  assertEquals(cgroupCpuLimit(view("cpus_cgroup_v1_limit")), 1.5);
});

Deno.test("cgroupCpuLimit() finds the tightest limit above the launcher", () => {
  assertEquals(cgroupCpuLimit(view("cpus_cgroup_v2_limit")), 4);
});

Deno.test("parseCpuList() and cpuListText() are each other's reverse", () => {
  for (const text of ["", "0", "0-3,8", "1,3,5-6", "0-127"]) {
    assertEquals(cpuListText(parseCpuList(`${text}\n`)), text);
  }
  assertEquals(parseCpuList("0-2,8\n"), [0, 1, 2, 8]);
});
