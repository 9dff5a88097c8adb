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

const FIND_THE_PEER =
  "The cause is with another worker, on this node or on another; see what that one printed.";

/** In order of trust: the first that matches counts. */
export const KNOWN_CAUSES: readonly KnownCause[] = [
  {
    kind: "shared-memory-full",
    pattern: /unable to allocate shared memory\(shm\)/,
    summary: "/dev/shm is full; data loaders hand their batches over through it",
    advice: "Make it larger (docker run --shm-size=8g or --ipc=host; in Kubernetes an emptyDir with medium " +
      "Memory at /dev/shm), or use fewer data loader processes.",
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
