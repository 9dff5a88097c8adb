/** What store answers at a job's endpoint where no host of ours does: torchrun's agents' with a record of the job, or one alone. */

import type { MeetingPlan } from "../options/launch_plan.ts";
import { CONTROL_PREAMBLE } from "../store/control_wire.ts";
import { StoreClient, StoreConnectionError } from "./store_client.ts";
import { NODES_KEY } from "./torch_store.ts";

/** How often to look: a host of ours is heard of sooner; PyTorch's server leaves what it does not understand without an answer. */
const LOOK_EVERY_MS = 1_000;
/** How long a store may take to answer. */
const LOOK_MS = 2_000;
/** A store alone hangs up at once. */
const HANG_UP_MS_MIN = 200;
const HANG_UP_ROUND_TRIPS = 4;

export interface StoreSight {
  /** torchrun's agents have begun the job there. */
  readonly isTorchruns: boolean;
  /** It is `muster store`, or a store of PyTorch 2.2 or older. */
  readonly isLone: boolean;
}

/** Tells what store answers, again and again from its start until it is closed; once closed it does not start. */
export class StoreWatch {
  readonly #jobId: string;
  readonly #meeting: MeetingPlan;
  readonly #onSight: (sight: StoreSight) => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isLooking = false;
  #isClosed = false;

  constructor(jobId: string, meeting: MeetingPlan, onSight: (sight: StoreSight) => void) {
    this.#jobId = jobId;
    this.#meeting = meeting;
    this.#onSight = onSight;
  }

  start(): void {
    if (!this.#isClosed) this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const sight = await lookAtStore(this.#jobId, this.#meeting);
    this.#isLooking = false;
    if (sight !== null && !this.#isClosed) this.#onSight(sight);
  }
}

/** Null: no store has answered. */
async function lookAtStore(jobId: string, { endpoints, backend }: MeetingPlan): Promise<StoreSight | null> {
  const { host, port } = endpoints[0]!;
  const isStatic = backend === "static";
  try {
    const client = await StoreClient.connect({ host, port, timeoutMs: LOOK_MS, keyPrefix: "" });
    const sign = isStatic ? NODES_KEY : `/torch.rendezvous.${jobId}`;
    const askedAt = performance.now();
    const isTorchruns = await client.check([sign]);
    client.close();
    const hangUpMs = Math.max(HANG_UP_MS_MIN, HANG_UP_ROUND_TRIPS * (performance.now() - askedAt));
    return { isTorchruns, isLone: !isStatic && await isLoneStore(host, port, hangUpMs) };
  } catch (error) {
    if (!(error instanceof StoreConnectionError)) throw error;
    return null;
  }
}

/**
 * Whether the store at this place is `muster store`, where nodes can meet as torchrun's agents do: it hangs up on our
 * greeting at once. A host of ours waits for more, PyTorch's servers leave it unanswered.
 */
async function isLoneStore(hostname: string, port: number, hangUpMs: number): Promise<boolean> {
  const socket = await Deno.connect({ hostname, port, autoSelectFamily: true }).catch(() => null);
  if (socket === null) return false;
  let isOver = false;
  const close = () => {
    if (!isOver) socket.close();
    isOver = true;
  };
  const timer = setTimeout(close, hangUpMs);
  try {
    await socket.write(CONTROL_PREAMBLE);
    return await socket.read(new Uint8Array(1)) === null;
  } catch (error) {
    return error instanceof Deno.errors.ConnectionReset;
  } finally {
    clearTimeout(timer);
    close();
  }
}
