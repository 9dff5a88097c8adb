/**
 * How a host leaves: its key goes, and with the end of the job the record too. Of a job that ended well a mark stays for a
 * while, so that a node that comes late does not begin the job anew.
 */

import { type EndMark, type HostKeys, removeRequest } from "./host_keys.ts";
import type { LeaseId, V3Request } from "./v3_wire.ts";

/**
 * How long nodes that come after a job's end are told of it: long enough for one that was slow to start, and no longer, since
 * the same id may be meant for a new job.
 */
export const ENDED_TTL_SECONDS = 120;

export type DeparturePurpose = "grant-ended" | "remove";

export class HostDeparture {
  readonly #keys: HostKeys;
  /** Create revision of the host key. */
  readonly #hostRevision: number;
  readonly #over: boolean;
  readonly #ask: (purpose: DeparturePurpose, request: V3Request) => void;
  /** Null: no mark is left. */
  #exitCode: number | null;
  #mark: EndMark | null = null;

  constructor(
    keys: HostKeys,
    hostRevision: number,
    { over, exitCode }: { readonly over: boolean; readonly exitCode: number | null },
    ask: (purpose: DeparturePurpose, request: V3Request) => void,
  ) {
    this.#keys = keys;
    this.#hostRevision = hostRevision;
    this.#over = over;
    this.#exitCode = exitCode;
    this.#ask = ask;
  }

  /** Asks for what is missing; again when an answer did not come: who has left already is not made to leave twice. */
  goOn(): void {
    if (this.#exitCode !== null && this.#mark === null) {
      return this.#ask("grant-ended", { kind: "lease-grant", ttlSeconds: ENDED_TTL_SECONDS });
    }
    this.#ask(
      "remove",
      removeRequest(this.#keys, this.#hostRevision, { over: this.#over, mark: this.#mark }),
    );
  }

  granted(lease: LeaseId): void {
    if (this.#exitCode !== null) this.#mark = { exitCode: this.#exitCode, lease };
    this.goOn();
  }

  /** etcd gives no lease for it. */
  leaveNoMark(): void {
    this.#exitCode = null;
  }
}
