import { assertEquals } from "@std/assert";
import {
  findMemoryCgroup,
  machineOutOfMemoryKills,
  memoryLimitBytes,
  outOfMemoryKills,
  type ReadText,
} from "../../lib/host/cgroup.ts";

/** Files by path, as they were found in the place that the name of the tree says. */
type Tree = Readonly<Record<string, string>>;

const reader = (tree: Tree): ReadText => (path) => tree[path] ?? null;

function factsOf(tree: Tree) {
  const read = reader(tree);
  const cgroup = findMemoryCgroup(read);
  return cgroup === null ? null : {
    version: cgroup.version,
    directory: cgroup.directory,
    kills: outOfMemoryKills(cgroup, read),
    limit: memoryLimitBytes(cgroup, read),
  };
}

const V2_MOUNT = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const V2_EVENTS = "low 0\nhigh 0\nmax 41\noom 2\noom_kill 3\noom_group_kill 0\n";

/** Recorded: version 1 with version 2 beside it (no memory controller there). */
const V1_HYBRID: Tree = {
  "/proc/self/cgroup": "9:name=systemd:/\n6:freezer:/\n4:memory:/jobs/f174c9\n1:cpu:/\n0::/\n",
  "/proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n" +
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n" +
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n" +
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
  "/sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 9\n",
  "/sys/fs/cgroup/memory/jobs/f174c9/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
  "/sys/fs/cgroup/memory/jobs/f174c9/memory.stat":
    "cache 0\nrss 4096\nhierarchical_memory_limit 268435456\nhierarchical_memsw_limit 9223372036854771712\n",
};

Deno.test("findMemoryCgroup() takes version 1 where the controller is there", () => {
  assertEquals(factsOf(V1_HYBRID), {
    version: 1,
    directory: "/sys/fs/cgroup/memory/jobs/f174c9",
    kills: 2,
    limit: 268_435_456,
  });
});

Deno.test("memoryLimitBytes() knows how version 1 writes that there is no limit", () => {
  const file = "/sys/fs/cgroup/memory/jobs/f174c9/memory.stat";
  assertEquals(
    factsOf({ ...V1_HYBRID, [file]: "hierarchical_memory_limit 9223372036854771712\n" })?.limit,
    null,
  );
});

Deno.test("findMemoryCgroup() finds a container's version 1 group, whose path names what lies above", () => {
  const tree: Tree = {
    "/proc/self/cgroup": "11:cpu,cpuacct:/docker/0a1b\n4:memory:/docker/0a1b\n",
    "/proc/self/mountinfo":
      "612 610 0:33 /docker/0a1b /sys/fs/cgroup/memory ro,nosuid master:15 - cgroup cgroup rw,memory\n",
    "/sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "/sys/fs/cgroup/memory/memory.stat": "hierarchical_memory_limit 1073741824\n",
  };
  assertEquals(factsOf(tree), {
    version: 1,
    directory: "/sys/fs/cgroup/memory",
    kills: 1,
    limit: 1_073_741_824,
  });
});

Deno.test("findMemoryCgroup() reads version 2 of a systemd service, and the tightest limit above it", () => {
  const directory = "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/step_0";
  const tree: Tree = {
    "/proc/self/cgroup": "0::/system.slice/slurmstepd.scope/job_7/step_0\n",
    "/proc/self/mountinfo": V2_MOUNT,
    [`${directory}/memory.events`]: V2_EVENTS,
    [`${directory}/memory.max`]: "max\n",
    "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/memory.max": "8589934592\n",
    "/sys/fs/cgroup/system.slice/memory.max": "17179869184\n",
  };
  assertEquals(factsOf(tree), { version: 2, directory, kills: 3, limit: 8_589_934_592 });
});

Deno.test("findMemoryCgroup() reads version 2 in a container with a cgroup namespace", () => {
  const tree: Tree = {
    "/proc/self/cgroup": "0::/\n",
    "/proc/self/mountinfo": V2_MOUNT,
    "/sys/fs/cgroup/memory.events": V2_EVENTS,
    "/sys/fs/cgroup/memory.max": "2147483648\n",
  };
  assertEquals(factsOf(tree), { version: 2, directory: "/sys/fs/cgroup", kills: 3, limit: 2_147_483_648 });
});

Deno.test("findMemoryCgroup() falls back on the mount where the path leads out of it", () => {
  const tree: Tree = {
    "/proc/self/cgroup": "0::/../../user.slice\n",
    "/proc/self/mountinfo": V2_MOUNT,
    "/sys/fs/cgroup/memory.events": V2_EVENTS,
  };
  assertEquals(factsOf(tree)?.directory, "/sys/fs/cgroup");
});

Deno.test("findMemoryCgroup() knows nothing in the root of version 2, which counts nothing", () => {
  assertEquals(factsOf({ "/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": V2_MOUNT }), null);
});

Deno.test("findMemoryCgroup() knows nothing without /proc", () => {
  assertEquals(factsOf({}), null);
});

Deno.test("findMemoryCgroup() reads a mount point with a blank in its name", () => {
  const tree: Tree = {
    "/proc/self/cgroup": "0::/\n",
    "/proc/self/mountinfo": V2_MOUNT.replace("/sys/fs/cgroup", "/mnt/my\\040cgroup"),
    "/mnt/my cgroup/memory.events": V2_EVENTS,
  };
  assertEquals(factsOf(tree)?.directory, "/mnt/my cgroup");
});

Deno.test("outOfMemoryKills() is unknown on kernels before 4.13, which have no counter", () => {
  const file = "/sys/fs/cgroup/memory/jobs/f174c9/memory.oom_control";
  assertEquals(factsOf({ ...V1_HYBRID, [file]: "oom_kill_disable 0\nunder_oom 0\n" })?.kills, null);
});

Deno.test("machineOutOfMemoryKills() reads the kernel's own counter", () => {
  const read = reader({ "/proc/vmstat": "pgfault 12\noom_kill 4\noom_kill_disable 0\n" });
  assertEquals(machineOutOfMemoryKills(read), 4);
  assertEquals(machineOutOfMemoryKills(reader({})), null);
});
