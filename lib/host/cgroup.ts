/**
 * What the kernel's control groups say about memory: kills for lack of it, and the limit.
 *
 * Rules: everything is read through a function, so that recorded trees can be tested; whatever can't be found or
 * read is null. Sources: cgroups(7), the kernel's admin-guide/cgroup-v2.rst (`memory.events`, `memory.max`) and
 * admin-guide/cgroup-v1/memory.rst (`memory.oom_control`, `memory.stat`).
 */

/** A file's text, or null when it can't be read. */
export type ReadText = (path: string) => string | null;

/** The memory cgroup that this process is in, as far as the file system shows it. */
export interface MemoryCgroup {
  readonly version: 1 | 2;
  readonly directory: string;
  /** Where the hierarchy is mounted: no ancestor lies above it. */
  readonly mountPoint: string;
}

const COUNTER_FILES = { 1: "memory.oom_control", 2: "memory.events" } as const;

/** Version 1 where both are mounted and it has the memory controller, which is where the counting is done then. */
export function findMemoryCgroup(readText: ReadText): MemoryCgroup | null {
  const mounts = parseMounts(readText("/proc/self/mountinfo") ?? "");
  const paths = parseCgroupPaths(readText("/proc/self/cgroup") ?? "");
  for (const version of [1, 2] as const) {
    const path = version === 1 ? paths.memory : paths.unified;
    if (path === undefined) continue;
    for (const mount of mounts.filter((candidate) => candidate.version === version)) {
      // In a container the process's path may name what lies above the mount: then the mount itself is the place.
      for (const directory of [join(mount.mountPoint, below(path, mount.root)), mount.mountPoint]) {
        if (readText(`${directory}/${COUNTER_FILES[version]}`) === null) continue;
        return { version, directory, mountPoint: mount.mountPoint };
      }
    }
  }
  return null;
}

/** Processes of the cgroup that were killed for lack of memory, since it was made. */
export function outOfMemoryKills({ version, directory }: MemoryCgroup, readText: ReadText): number | null {
  return numberAfter("oom_kill", readText(`${directory}/${COUNTER_FILES[version]}`));
}

/** The least of the limits that hold for the cgroup; null: none. */
export function memoryLimitBytes(cgroup: MemoryCgroup, readText: ReadText): number | null {
  if (cgroup.version === 1) {
    const limit = numberAfter("hierarchical_memory_limit", readText(`${cgroup.directory}/memory.stat`));
    return limit === null || limit > LIMIT_BYTES_MAX ? null : limit;
  }
  const limits: number[] = [];
  let directory = cgroup.directory;
  while (directory.length >= cgroup.mountPoint.length) {
    const text = readText(`${directory}/memory.max`)?.trim();
    if (text !== undefined && /^\d+$/.test(text)) limits.push(Number(text));
    directory = directory.slice(0, directory.lastIndexOf("/"));
  }
  return limits.length === 0 ? null : Math.min(...limits);
}

/** Processes of the whole machine that were killed for lack of memory, since its start. */
export function machineOutOfMemoryKills(readText: ReadText): number | null {
  return numberAfter("oom_kill", readText("/proc/vmstat"));
}

/** Version 1 writes "no limit" as the largest multiple of the page size. */
const LIMIT_BYTES_MAX = 2 ** 60;

interface Mount {
  readonly version: 1 | 2;
  /** Which part of the hierarchy the mount shows. */
  readonly root: string;
  readonly mountPoint: string;
}

/** Source: proc_pid_mountinfo(5). */
function parseMounts(mountinfo: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of mountinfo.split("\n")) {
    // A machine may have hundreds of other mounts, and this is read before a job starts.
    const separator = line.indexOf(" - cgroup");
    if (separator < 0) continue;
    const [, , , root, mountPoint] = line.slice(0, separator).split(" ");
    const [type, , options] = line.slice(separator + " - ".length).split(" ");
    if (root === undefined || mountPoint === undefined) continue;
    const isVersion1 = type === "cgroup" && (options ?? "").split(",").includes("memory");
    if (!isVersion1 && type !== "cgroup2") continue;
    mounts.push({
      version: isVersion1 ? 1 : 2,
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
    });
  }
  return mounts;
}

/** Lines of "id:controllers:path"; version 2 has id 0 and no controllers. Source: cgroups(7). */
function parseCgroupPaths(text: string): { memory: string | undefined; unified: string | undefined } {
  let memory: string | undefined;
  let unified: string | undefined;
  for (const line of text.split("\n")) {
    const [, controllers, ...path] = line.split(":");
    if (controllers === undefined) continue;
    if (controllers === "") unified = path.join(":");
    else if (controllers.split(",").includes("memory")) memory = path.join(":");
  }
  return { memory, unified };
}

function below(path: string, root: string): string {
  if (root === "/") return path;
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : "/";
}

function join(mountPoint: string, path: string): string {
  return path === "/" || path === "" ? mountPoint : `${mountPoint}${path}`;
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}

function numberAfter(name: string, text: string | null): number | null {
  const digits = text?.match(new RegExp(`^${name} (\\d+)$`, "m"))?.[1];
  return digits === undefined ? null : Number(digits);
}
