/** Which rendezvous a command line comes to. Source: torchrun's `run` and `get_rdzv_endpoint` (torchrun.md 1.5). */

import { parseNodes } from "./values.ts";
import type { Options } from "./options.ts";

/** What `--rdzv-backend` may name; all but etcd-v3 are torchrun's. */
export const BACKENDS: readonly string[] = ["static", "c10d", "etcd-v3", "etcd-v2", "etcd"];

/** torchrun's port where static rendezvous is asked for without one. */
const MASTER_PORT_DEFAULT = 29500;

export interface RendezvousChoice {
  readonly backend: string;
  readonly endpoint: string;
  /**
   * `standalone`: by the option. `alone`: one machine and nothing said about the rendezvous, which torchrun treats
   * alike. `given`: as the options say.
   */
  readonly because: "standalone" | "alone" | "given";
}

/** The rendezvous in force, for options that have been checked. */
export function chooseRendezvous(options: Options): RendezvousChoice {
  const { rdzvBackend: backend, rdzvEndpoint: endpoint, masterAddr, masterPort } = options;
  const onThisMachine = { backend: "c10d", endpoint: "localhost:0" };
  if (options.standalone) return { ...onThisMachine, because: "standalone" };
  if (backend !== "static" || endpoint !== "") return { backend, endpoint, because: "given" };

  const nodes = parseNodes(options.nnodes);
  if (masterPort === null && nodes.kind === "value" && nodes.value.max === 1) {
    return { ...onThisMachine, because: "alone" };
  }
  return { backend, endpoint: `${masterAddr}:${masterPort ?? MASTER_PORT_DEFAULT}`, because: "given" };
}
