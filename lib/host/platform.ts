/**
 * Where muster runs: Linux with glibc on x86-64 and arm64; macOS for development, without what `/proc` gives
 * (processes that escaped their group are not found). Everything else is said at start, not found out in a job.
 */

/** Of `Deno.build`, what the decision needs. */
export interface Build {
  readonly os: string;
  readonly arch: string;
  /** The C library: "gnu" or "musl"; absent on systems with one only. */
  readonly env?: string;
}

/** `refused`: end with exit code 71. `untested`: warn and go on. */
export interface PlatformProblem {
  readonly kind: "refused" | "untested";
  readonly message: string;
}

const WORKS = "muster is made for Linux with glibc on x86-64 and arm64 (and macOS, for development)";

/** What to say about a start on `build`, or null where all is as it should be. */
export function platformProblem(build: Build): PlatformProblem | null {
  if (build.os === "darwin") return null;
  if (build.os !== "linux") {
    return {
      kind: "refused",
      message: `Cannot run on ${build.os}: ${WORKS}; on Windows, use it inside WSL 2`,
    };
  }
  if (build.env === "musl") {
    return {
      kind: "untested",
      message:
        `This system has musl as its C library: ${WORKS}; orphans are not reaped and workers inherit raised limits here`,
    };
  }
  return null;
}
