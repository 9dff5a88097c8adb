/**
 * The record of a job, as its present host keeps it in etcd: written only while the host key is the one that this host made,
 * one write at a time, and under a lease of its own. That lease lives long enough for another host to follow, and no
 * longer: a job whose nodes were all killed is not gone on with when its id is used again.
 */

import { holdsJob, type HostKeys, type HostView, saveRequest } from "./host_keys.ts";
import type { LeaseId, V3Request } from "./v3_wire.ts";

/** How long a record outlives the last sign of its host. */
export const RECORD_TTL_SECONDS = 600;
/** Between two signs. */
export const KEEP_RECORD_MS = 120_000;

export type RecordPurpose = "grant-record" | "keep-record" | "save";

interface Wish {
  /** Null: the record of the host before, which is taken over and told to nobody. */
  readonly id: number | null;
  readonly job: Uint8Array;
}

export class RecordKeeper {
  readonly #keys: HostKeys;
  readonly #ask: (purpose: RecordPurpose, request: V3Request) => void;
  readonly #onSaved: (id: number) => void;
  /** Create revision of the host key. */
  #hostRevision = 0;
  /** The record's own, as it is known. */
  #revision = 0;
  #lease: LeaseId | null = null;
  #isGranting = false;
  #wanted: Wish | null = null;
  #saving: Wish | null = null;

  constructor(
    keys: HostKeys,
    ask: (purpose: RecordPurpose, request: V3Request) => void,
    onSaved: (id: number) => void,
  ) {
    this.#keys = keys;
    this.#ask = ask;
    this.#onSaved = onSaved;
  }

  /** This node has become the host, as `view` shows. */
  begin(hostRevision: number, { job }: HostView): void {
    this.end();
    this.#hostRevision = hostRevision;
    this.#revision = job?.modRevision ?? 0;
    this.#wanted = job === null ? null : { id: null, job: job.value };
    this.goOn();
  }

  end(): void {
    this.#lease = this.#wanted = this.#saving = null;
    this.#isGranting = false;
  }

  save(id: number, job: Uint8Array): void {
    this.#wanted = { id, job };
    this.goOn();
  }

  keep(): void {
    if (this.#lease !== null) this.#ask("keep-record", { kind: "lease-keep-alive", lease: this.#lease });
  }

  granted(lease: LeaseId): void {
    this.#isGranting = false;
    this.#lease = lease;
    this.goOn();
  }

  saved(revision: number): void {
    const saving = this.#saving;
    this.#saving = null;
    if (saving === null) return;
    this.#revision = revision;
    if (this.#wanted === saving) this.#wanted = null;
    if (saving.id !== null) this.#onSaved(saving.id);
    this.goOn();
  }

  /** The record was not as expected: an attempt of ours has written it whose answer was lost, or we are deposed. */
  notSaved(view: HostView): void {
    const saving = this.#saving;
    if (saving === null || view.host?.createRevision !== this.#hostRevision) return;
    if (holdsJob(view, saving.job) && view.job!.lease === this.#lease) {
      return this.saved(view.job!.modRevision);
    }
    this.#saving = null;
    this.#revision = view.job?.modRevision ?? 0;
    this.goOn();
  }

  /** Nobody knows what has become of it; `goOn` asks again. */
  lost(purpose: RecordPurpose): void {
    if (purpose === "save") this.#saving = null;
    if (purpose === "grant-record") this.#isGranting = false;
  }

  /** Asks for what is wanted and not under way. */
  goOn(): void {
    if (this.#hostRevision === 0 || this.#isGranting || this.#saving !== null) return;
    if (this.#lease === null) {
      this.#isGranting = true;
      return this.#ask("grant-record", { kind: "lease-grant", ttlSeconds: RECORD_TTL_SECONDS });
    }
    if (this.#wanted === null) return;
    this.#saving = this.#wanted;
    const { job } = this.#saving;
    this.#ask(
      "save",
      saveRequest(this.#keys, this.#hostRevision, { job, lease: this.#lease }, this.#revision),
    );
  }
}
