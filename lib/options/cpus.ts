/**
 * How many CPUs workers may run on: the affinity mask, as torchrun counts (`torch._utils.cpu_count`), and the limit
 * of the cgroups, which torchrun does not look at and which therefore is only told, never applied.
 */

import type { FileView } from "./file_view.ts";

/** How many CPUs in the launcher's affinity mask are online; null where the system does not say. */
export function affinityCpuCount(files: FileView): number | null {
  return affinityCpus(files)?.length || null;
}

/** The CPUs in the launcher's affinity mask that are online, ascending; null where the system does not say. */
export function affinityCpus(files: FileView): number[] | null {
  const allowed = files.readText("/proc/self/status")?.match(/^Cpus_allowed_list:\s*(\S+)$/m)?.[1];
  if (allowed === undefined) return null;
  // The mask may hold CPUs that could be plugged in later; the kernel leaves those out of sched_getaffinity().
  const online = files.readText("/sys/devices/system/cpu/online");
  const usable = online === null ? null : new Set(parseCpuList(online));
  return parseCpuList(allowed).filter((cpu) => usable?.has(cpu) ?? true);
}

/** CPUs' worth of time that the tightest cgroup above the launcher allows, possibly a fraction; null: no limit. */
export function cgroupCpuLimit(files: FileView): number | null {
  const limits = (files.readText("/proc/self/cgroup") ?? "").split("\n").flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    if (controllers === "") return limitsUpwards("/sys/fs/cgroup", path, (folder) => limitV2(files, folder));
    if (!controllers.split(",").includes("cpu")) return [];
    return limitsUpwards(`/sys/fs/cgroup/${controllers}`, path, (folder) => limitV1(files, folder));
  });
  return limits.length === 0 ? null : Math.min(...limits);
}

/** `0-3,8` to 0, 1, 2, 3, 8. Source: the list format of cpuset(7). */
export function parseCpuList(text: string): number[] {
  return text.trim().split(",").filter((range) => range !== "").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    if (first === undefined || last === undefined || Number.isNaN(first) || Number.isNaN(last)) return [];
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** The reverse of `parseCpuList`, for ascending numbers. */
export { numbersText as cpuListText } from "../core/ranges.ts";

/** Limits of the group at `path` and all above it. In a container the path may be one that only the host knows. */
function limitsUpwards(mount: string, path: string, limit: (folder: string) => number | null): number[] {
  const names = path.split("/").filter((name) => name !== "");
  const folders = [mount, ...names.map((_, index) => `${mount}/${names.slice(0, index + 1).join("/")}`)];
  return folders.map(limit).filter((value) => value !== null);
}

/** `cpu.max` holds quota and period in microseconds, or `max` for no quota. */
function limitV2(files: FileView, folder: string): number | null {
  const [quota, period] = (files.readText(`${folder}/cpu.max`) ?? "").trim().split(" ").map(Number);
  return quotient(quota, period);
}

function limitV1(files: FileView, folder: string): number | null {
  const number = (name: string) => Number(files.readText(`${folder}/${name}`) ?? NaN);
  return quotient(number("cpu.cfs_quota_us"), number("cpu.cfs_period_us"));
}

function quotient(quota: number | undefined, period: number | undefined): number | null {
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : null;
}
