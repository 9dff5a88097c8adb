/** PyTorch releases beside 2.15 whose store clients and servers are tried; `scripts/install_old_torch.ts` gets them. */

import type { Dialect } from "../../lib/store/wire.ts";
import { PYTHON, TORCH_HOME } from "./harness.ts";

/** Where each release has its folder, `torch-RELEASE`. */
export const RELEASES_HOME = TORCH_HOME.replace(/\/[^/]*$/, "");

/** Oldest first. */
export const OLD_RELEASES = ["1.13", "2.0.1", "2.1.0", "2.2.0", "2.6.0"] as const;

export type Release = typeof OLD_RELEASES[number] | "2.15";

/** One of PyTorch's store servers. */
export interface PytorchServer {
  readonly release: Release;
  /** Null: the release has only the one. */
  readonly backend: "libuv" | "legacy" | null;
  /** What it and the release's clients speak. */
  readonly dialect: Dialect;
}

export const PYTORCH_SERVERS: readonly PytorchServer[] = [
  { release: "1.13", backend: null, dialect: "a" },
  { release: "2.0.1", backend: null, dialect: "a" },
  { release: "2.1.0", backend: null, dialect: "b" },
  { release: "2.2.0", backend: "legacy", dialect: "c" },
  { release: "2.2.0", backend: "libuv", dialect: "c" },
  { release: "2.15", backend: "legacy", dialect: "c" },
  { release: "2.15", backend: "libuv", dialect: "c" },
];

/** As recordings and tests call it. */
export function nameOf({ release, backend }: PytorchServer): string {
  return backend === null ? release : `${release}-${backend}`;
}

/** The Python that imports this release. */
export function pythonOf(release: Release): string {
  return release === "2.15" ? PYTHON : `${RELEASES_HOME}/torch-${release}/bin/python`;
}

/** As `interopTest`, for a test that needs `release`. */
export function releaseTest(release: Release, name: string, body: () => Promise<void>): void {
  const isInstalled = isThere(pythonOf(release));
  if (!isInstalled && Deno.env.get("CI") !== "true") {
    console.log(`Left out: "${name}" needs PyTorch ${release} at ${pythonOf(release)}`);
    Deno.test({ name, ignore: true, fn: () => {} });
    return;
  }
  socketTest(name, () => {
    if (!isInstalled) throw new Error(`No ${pythonOf(release)}: scripts/install_old_torch.ts installs it`);
    return body();
  });
}

const SERVER = `
import sys, torch.distributed as dist
options = {} if len(sys.argv) < 2 else {"use_libuv": sys.argv[1] == "libuv"}
store = dist.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False, **options)
print(store.port, flush=True)
sys.stdin.read()
`;
import { socketTest } from "../host/socket_case.ts";

/** Runs `body` while a PyTorch release serves a store on 127.0.0.1; the server ends when its stdin does. */
export async function withPytorchServer(
  { release, backend }: PytorchServer,
  body: (port: number) => Promise<void>,
): Promise<void> {
  const child = new Deno.Command(pythonOf(release), {
    args: ["-c", SERVER, ...(backend === null ? [] : [backend])],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  try {
    const { value } = await reader.read();
    const port = Number(new TextDecoder().decode(value ?? new Uint8Array()));
    if (!(port > 0)) throw new Error(`PyTorch ${release} serves no store`);
    await body(port);
  } finally {
    await reader.cancel();
    await child.stdin.close();
    await child.status;
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
