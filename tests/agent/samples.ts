/**
 * What real programs printed when they failed, and what muster makes of it. The texts are recorded from PyTorch
 * 2.15 by tests/interop/report_samples_test.ts (`MUSTER_REWRITE_SAMPLES=1` writes them anew), those of NCCL, which
 * needs GPUs, are taken from public issues (named below).
 */

import type { FailureKind } from "../../lib/agent/explain.ts";
import type { ExitStatus } from "../../lib/supervise/exit_status.ts";

const DIRECTORY = new URL("./samples/", import.meta.url);

export interface Sample {
  /** A function of tests/interop/report_worker.py, or the name of a text without one. */
  readonly name: string;
  readonly kind: FailureKind;
  readonly summary: RegExp;
  readonly isConsequence?: boolean;
  /** The signal that ends the program; without one it ends with code 1. */
  readonly signal?: "SIGABRT" | "SIGSEGV";
  /** How many run together, and which one's output is the sample: rank 0's, rank 1 fails in its place. */
  readonly ranks?: 1 | 2;
  readonly sampledRank?: number;
}

/** Recorded by the interop test. */
export const RECORDED: readonly Sample[] = [
  { name: "import_error", kind: "module-not-found", summary: /^ModuleNotFoundError: No module named 'a_mod/ },
  {
    name: "plain_exception",
    kind: "exception",
    summary: /^ValueError: the learning rate must be positive: got -1$/,
  },
  { name: "chained_exception", kind: "exception", summary: /^RuntimeError: The checkpoint can't be read$/ },
  { name: "exit_with_text", kind: "exit-code", summary: /^ended itself with exit code 1$/ },
  { name: "syntax_error", kind: "exception", summary: /^SyntaxError: '\(' was never closed$/ },
  { name: "recorded_exception", kind: "exception", summary: /^ValueError: recorded on rank 0$/ },
  { name: "thread_then_exit", kind: "exception", summary: /^ValueError: the real one$/ },
  { name: "ignored_exception", kind: "exception", summary: /^ValueError: the real one$/ },
  { name: "exception_group", kind: "disk-full", summary: /^ExceptionGroup: two shards failed/ },
  {
    name: "python_port_in_use",
    kind: "port-in-use",
    summary: /^OSError: \[Errno 98\] Address already in use$/,
  },
  {
    name: "port_in_use",
    kind: "port-in-use",
    summary: /DistNetworkError: The server socket has failed to listen/,
  },
  {
    name: "cuda_out_of_memory",
    kind: "device-out-of-memory",
    summary: /OutOfMemoryError: CUDA out of memory/,
  },
  {
    name: "no_driver",
    kind: "device-unusable",
    summary: /^RuntimeError: Found no NVIDIA driver on your system/,
  },
  {
    name: "data_loader_raises",
    kind: "exception",
    summary: /^ZeroDivisionError: Caught ZeroDivisionError in .*: division by zero$/,
  },
  {
    name: "data_loader_killed",
    kind: "loader-process-killed",
    summary: /DataLoader worker .*(?:exited unexpectedly|killed by)/,
  },
  {
    name: "segfault_with_faulthandler",
    kind: "signal",
    summary: /^SIGSEGV \(11\): memory was used that isn't there/,
    signal: "SIGSEGV",
  },
  {
    name: "terminate_cpp",
    kind: "signal",
    summary: /^SIGABRT \(6\): std::out_of_range: vector::_M_range_check$/,
    signal: "SIGABRT",
  },
  { name: "peer_raises", kind: "lost-peer", summary: /connection to a peer/, isConsequence: true, ranks: 2 },
  { name: "peer_exits", kind: "lost-peer", summary: /connection to a peer/, isConsequence: true, ranks: 2 },
  { name: "peer_is_late", kind: "late-peer", summary: /collective operation/, isConsequence: true, ranks: 2 },
  {
    name: "store_goes_away",
    kind: "lost-peer",
    summary: /connection to the store/,
    isConsequence: true,
    ranks: 2,
    sampledRank: 1,
  },
  { name: "peer_never_comes", kind: "missing-peer", summary: /a peer did not come/, isConsequence: true },
  {
    name: "store_key_never_comes",
    kind: "missing-peer",
    summary: /a peer did not come/,
    isConsequence: true,
  },
  { name: "store_is_not_there", kind: "store-unreachable", summary: /nobody answered/, isConsequence: true },
];

/**
 * Recorded by hand: the first needs a /dev/shm of 1 MiB, the second is how `store_goes_away` ends when the reset comes
 * before the orderly end.
 */
export const RECORDED_BY_HAND: readonly Sample[] = [
  { name: "shared_memory_full", kind: "shared-memory-full", summary: /^\/dev\/shm is full/ },
  { name: "store_resets", kind: "lost-peer", summary: /connection to the store/, isConsequence: true },
];

/**
 * From issues on GitHub, shortened: huggingface/picotron_tutorial#6, NVIDIA/nccl#1928, NVIDIA/nccl#1514,
 * hiyouga/LlamaFactory#7233, verl-project/verl#161, karpathy/nanoGPT#470, vllm-project/vllm#4108,
 * jade-hpc-gpu/jade-hpc-gpu.github.io#194, ultralytics/ultralytics#7716, ademakdogan/nails_segmentation#8,
 * hpcaitech/Open-Sora#40, lllyasviel/Fooocus#1313.
 */
export const FROM_ISSUES: readonly Sample[] = [
  {
    name: "nccl_watchdog",
    kind: "late-peer",
    summary: /collective operation timed out/,
    isConsequence: true,
    signal: "SIGABRT",
  },
  { name: "nccl_internal_error", kind: "lost-peer", summary: /connection to a peer/, isConsequence: true },
  { name: "nccl_remote_error", kind: "lost-peer", summary: /connection to a peer/, isConsequence: true },
  {
    name: "nccl_shared_memory",
    kind: "shared-memory-full",
    summary: /^NCCL could not make a segment in \/dev\/shm/,
  },
  { name: "nccl_duplicate_device", kind: "device-shared", summary: /^two workers use one GPU/ },
  { name: "device_assert", kind: "device-assertion", summary: /CUDA error: device-side assert triggered/ },
  {
    name: "device_illegal_access",
    kind: "device-failed",
    summary: /CUDA error: an illegal memory access was encountered/,
    signal: "SIGABRT",
  },
  { name: "device_ecc", kind: "device-failed", summary: /^CUDA error: the GPU's memory has an error/ },
  { name: "device_launch_failure", kind: "device-failed", summary: /CUDA error: unspecified launch failure/ },
  { name: "device_no_kernel", kind: "device-unusable", summary: /no kernel image is available/ },
  { name: "device_ordinal", kind: "device-unusable", summary: /CUDA error: invalid device ordinal/ },
  {
    name: "device_driver_old",
    kind: "device-unusable",
    summary: /The NVIDIA driver on your system is too old/,
  },
];

/** Of the kernel's log: recorded here, but for the last two, from NVIDIA/NVSentinel#155 and NVIDIA/open-gpu-kernel-modules#1150. */
export const KERNEL_LOG = "kernel_log";

export const SAMPLES: readonly Sample[] = [...RECORDED, ...RECORDED_BY_HAND, ...FROM_ISSUES];

export function sampleStatus({ signal }: Sample): ExitStatus {
  return signal === undefined ? { kind: "exited", code: 1 } : { kind: "signalled", signal };
}

/** The lines that the program printed on stderr. */
export function sampleLines(name: string): string[] {
  return Deno.readTextFileSync(new URL(`${name}.txt`, DIRECTORY)).trimEnd().split("\n");
}

export function writeSample(name: string, text: string): void {
  Deno.mkdirSync(DIRECTORY, { recursive: true });
  Deno.writeTextFileSync(new URL(`${name}.txt`, DIRECTORY), text);
}
