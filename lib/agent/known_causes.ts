/**
 * Texts that programs print when they fail, and what they mean. An entry needs a recorded sample
 * (tests/agent/samples): nothing here is a guess.
 *
 * `isConsequence` marks what a worker prints because *another* one failed: a lost connection, a collective that a
 * peer never joined. Such a worker is named as the cause only when nobody else can be.
 */

export type KnownKind =
  | "module-not-found"
  | "port-in-use"
  | "device-out-of-memory"
  /** A kernel checked its input and found it wrong. */
  | "device-assertion"
  /** The device or its driver failed, or was made to by memory that is not there. */
  | "device-failed"
  /** No such device, or one that this program can't use. */
  | "device-unusable"
  | "device-shared"
  | "shared-memory-full"
  | "disk-full"
  | "loader-process-killed"
  | "lost-peer"
  | "late-peer"
  | "missing-peer"
  | "store-unreachable";

export interface KnownCause {
  readonly kind: KnownKind;
  readonly pattern: RegExp;
  /** What happened, in words, without full stop; null: the exception's own words are the clearest. */
  readonly summary: string | null;
  /** What to do, in whole sentences. */
  readonly advice: string;
  readonly isConsequence: boolean;
}

const MAKE_SHM_LARGER =
  "Make it larger (docker run --shm-size=8g or --ipc=host; in Kubernetes an emptyDir with medium " +
  "Memory at /dev/shm), or use fewer data loader processes.";

const LOOK_AT_THE_DEVICE = "nvidia-smi -q and dmesg | grep -i xid say whether the GPU is to blame; " +
  "CUDA_LAUNCH_BLOCKING=1 shows which call it was.";

const FIND_THE_PEER =
  "The cause is with another worker, on this node or on another; see what that one printed.";

/** In order of trust: the first that matches counts. */
export const KNOWN_CAUSES: readonly KnownCause[] = [
  {
    kind: "shared-memory-full",
    pattern: /unable to allocate shared memory\(shm\)/,
    summary: "/dev/shm is full; data loaders hand their batches over through it",
    advice: MAKE_SHM_LARGER,
    isConsequence: false,
  },
  {
    kind: "loader-process-killed",
    pattern: /DataLoader worker \(pid(?:\(s\))? [\d, ]+\) (?:is killed by signal|exited unexpectedly)/,
    summary: null,
    advice: "A data loader process of this worker was killed, most often for lack of memory: use fewer of " +
      "them (num_workers) or smaller batches, or give the job more memory.",
    isConsequence: false,
  },
  {
    kind: "device-out-of-memory",
    pattern: /CUDA out of memory\./,
    summary: null,
    advice:
      "The device's memory is full: use a smaller batch, and check with nvidia-smi that no older process " +
      "still holds some of it.",
    isConsequence: false,
  },
  {
    kind: "shared-memory-full",
    pattern: /Error while creating shared memory segment \/dev\/shm\/nccl-/,
    summary: "NCCL could not make a segment in /dev/shm, which is most often too small",
    advice: MAKE_SHM_LARGER,
    isConsequence: false,
  },
  {
    kind: "device-assertion",
    pattern: /CUDA error: device-side assert triggered/,
    summary: null,
    advice:
      "A kernel found its input wrong, most often an index that is out of range (labels, token ids, sizes of an " +
      "embedding): CUDA_LAUNCH_BLOCKING=1 shows where.",
    isConsequence: false,
  },
  {
    kind: "device-failed",
    pattern: /CUDA error: uncorrectable ECC error encountered/,
    summary: "CUDA error: the GPU's memory has an error that can't be corrected",
    advice:
      "It is the hardware: take the node out of use until nvidia-smi -q -d ECC,ROW_REMAPPER was looked at.",
    isConsequence: false,
  },
  {
    kind: "device-failed",
    pattern: /CUDA error: (?:an illegal memory access was encountered|unspecified launch failure)/,
    summary: null,
    advice: LOOK_AT_THE_DEVICE,
    isConsequence: false,
  },
  {
    kind: "device-unusable",
    pattern: /CUDA error: invalid device ordinal/,
    summary: null,
    advice:
      "There are more workers than devices that they may see: compare --nproc-per-node with nvidia-smi -L and " +
      "CUDA_VISIBLE_DEVICES, or use --nproc-per-node gpu.",
    isConsequence: false,
  },
  {
    kind: "device-unusable",
    pattern: /CUDA error: no kernel image is available for execution on the device/,
    summary: null,
    advice: "PyTorch, or an extension, was not built for this GPU's generation: install a build that was.",
    isConsequence: false,
  },
  {
    kind: "device-unusable",
    pattern: /Found no NVIDIA driver on your system|The NVIDIA driver on your system is too old/,
    summary: null,
    advice: "nvidia-smi shows the driver that the worker sees; in a container it comes from the machine " +
      "(docker run --gpus all).",
    isConsequence: false,
  },
  {
    kind: "device-shared",
    pattern: /Duplicate GPU detected : rank \d+ and rank \d+ both on CUDA device/,
    summary: "two workers use one GPU, which NCCL can't do",
    advice:
      "Each worker must choose its own: torch.cuda.set_device(LOCAL_RANK), before anything else uses CUDA.",
    isConsequence: false,
  },
  {
    kind: "disk-full",
    pattern: /\[Errno 28\] No space left on device/,
    summary: null,
    advice: "A file system is full: df -h shows which.",
    isConsequence: false,
  },
  {
    kind: "module-not-found",
    pattern: /^ModuleNotFoundError: No module named /m,
    summary: null,
    advice: "Install it for the interpreter that ran the script, or choose another with --python; " +
      "--dry-run shows which one is used.",
    isConsequence: false,
  },
  {
    kind: "port-in-use",
    pattern: /EADDRINUSE|Address already in use/,
    summary: null,
    advice: "Another process listens there (ss -ltnp names it), or all workers use one fixed port: take " +
      "MASTER_PORT from the environment, or add LOCAL_RANK to a port of your own.",
    isConsequence: false,
  },
  {
    kind: "late-peer",
    pattern:
      /gloo\/transport\/\S+ Timed out waiting \d+ms for (?:recv|send) operation|Watchdog caught collective operation timeout/,
    summary: "a collective operation timed out: at least one worker did not join it in time",
    advice:
      "Look for a worker that hung, was slower than the timeout, or took another path through the code.",
    isConsequence: true,
  },
  {
    kind: "lost-peer",
    pattern: /gloo\/transport\/\S+ .*Connection (?:closed|reset) by peer/,
    summary: "the connection to a peer broke",
    advice: FIND_THE_PEER,
    isConsequence: true,
  },
  {
    kind: "lost-peer",
    pattern:
      /NCCL error.*remote process exited or there was a network error|Net : Connection closed by remote/,
    summary: "the connection to a peer broke",
    advice: FIND_THE_PEER,
    isConsequence: true,
  },
  {
    kind: "lost-peer",
    // The one when the server's end is seen in order, the other when something was still on its way to it.
    pattern:
      /Failed to recv, got 0 bytes\. Connection was likely closed|DistNetworkError: Connection reset by peer/,
    summary: "the connection to the store broke: the process that hosts it ended",
    advice: FIND_THE_PEER,
    isConsequence: true,
  },
  {
    kind: "missing-peer",
    pattern: /DistStoreError: (?:wait timeout after \d+ms|Timed out after \d+ seconds waiting for clients)/,
    summary: "a peer did not come: it never joined, or never wrote what this worker waits for in the store",
    advice: FIND_THE_PEER,
    isConsequence: true,
  },
  {
    kind: "store-unreachable",
    pattern: /The client socket has timed out after \d+ms while trying to connect to/,
    summary: "nobody answered at the store's address",
    advice: "Check that the script uses MASTER_ADDR and MASTER_PORT as the launcher set them.",
    isConsequence: true,
  },
];

/** What `text` is known to mean, if it is. */
export function knownCause(text: string): KnownCause | null {
  return KNOWN_CAUSES.find(({ pattern }) => pattern.test(text)) ?? null;
}
