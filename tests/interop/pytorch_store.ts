/** PyTorch's own TCPStore servers in a process of their own: Python only hosts them, all traffic is the caller's. */

import { plainEnvironment, PYTHON } from "./harness.ts";

export interface PytorchStores {
  /** One for each server. */
  readonly ports: readonly number[];
  readonly pid: number;
  /** Ends the process; it has ended when this resolves. */
  close(): Promise<void>;
}

/**
 * PyTorch's server asks DNS for the name of every peer, on its only thread: up to seconds for each connection. With no
 * attempt allowed (resolv.conf(5)) the look-up ends at once, and the server goes by the address.
 */
const NO_NAME_SERVER = { RES_OPTIONS: "attempts:0", TORCH_CPP_LOG_LEVEL: "ERROR" };

const HOST = `
import os, socket, sys, torch.distributed as dist
libuv = sys.argv[1] == "libuv"
make = lambda: dist.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False, use_libuv=libuv)
stores = [make() for _ in range(int(sys.argv[2]))]
if sys.argv[3] == "at-once":
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            with socket.socket(fileno=os.dup(fd)) as listener:
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass
print(*[store.port for store in stores], flush=True)
sys.stdin.read()
`;

export interface PytorchStoresOptions {
  readonly backend: "libuv" | "legacy";
  /** How many servers, each with a thread of its own; 1 by default. */
  readonly count?: number;
  /**
   * Sockets get TCP_NODELAY, by way of the listening ones. PyTorch's server leaves it unset and sends each reply by
   * itself, so that who sends several requests at once waits for his own delayed acknowledgement, 40 ms a time.
   */
  readonly answersAtOnce?: boolean;
  /** A command that the process is to run under. */
  readonly under?: readonly string[];
}

/** Starts servers on free ports of 127.0.0.1. */
export async function startPytorchStores(options: PytorchStoresOptions): Promise<PytorchStores> {
  const { backend, count = 1, answersAtOnce = false, under = [] } = options;
  const commandLine = [
    ...under,
    PYTHON,
    "-c",
    HOST,
    backend,
    String(count),
    answersAtOnce ? "at-once" : "as-it-is",
  ];
  const child = new Deno.Command(commandLine[0]!, {
    args: commandLine.slice(1),
    clearEnv: true,
    env: { ...plainEnvironment(), ...NO_NAME_SERVER },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  const close = async () => {
    await reader.cancel();
    await child.stdin.close();
    await child.status;
  };
  const { value } = await reader.read();
  const ports = new TextDecoder().decode(value).trim().split(" ").map(Number);
  if (ports.length === count && ports.every((port) => port > 0)) return { ports, pid: child.pid, close };
  await close();
  throw new Error(`PyTorch's store did not start: ${commandLine.join(" ")}`);
}
