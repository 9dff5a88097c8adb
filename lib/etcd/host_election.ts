/**
 * Which agent hosts the job, where etcd decides: one host at a time, each with a greater epoch than the one before, and a
 * record of the job that only the present host can write.
 *
 * The host holds a lease, counted from before the request that got it, so that etcd can only think it longer. When it
 * could not be renewed for two thirds of its time the owner is deposed and has most of the last third to end its world. An
 * owner that does not run meanwhile (frozen, a paused machine) learns of it with the first event after; what it did
 * before that is harmless, since `save` compares the host key's revision: a round counts only once it is saved.
 *
 * Requests whose fate is unknown are settled by looking, never by guessing.
 */

import { assert, unreachable } from "../core/assert.ts";
import type { Prng } from "../core/prng.ts";
import { Deadlines, type InstantMs } from "../core/time.ts";
import type { ElectionEffect, ElectionEvent, ElectionSettings } from "./election_event.ts";
import { HostDeparture } from "./host_departure.ts";
import {
  decodeHost,
  endedWith,
  type Host,
  type HostKeys,
  hostKeys,
  type HostView,
  lookRequest,
  nextEpoch,
  removeRequest,
  takeRequest,
  viewOf,
} from "./host_keys.ts";
import {
  attemptMs,
  backoffMs,
  deposeAt,
  type Lease,
  lifeAfterMs,
  LOOK_AGAIN_LEASES,
  renewEveryMs,
} from "./host_timing.ts";
import { OpenRequests, type Purpose } from "./open_requests.ts";
import { KEEP_RECORD_MS, RecordKeeper } from "./record_keeper.ts";
import type { Change } from "./v3_watch.ts";
import type { KeyValue, LeaseId, V3Answer, V3Request } from "./v3_wire.ts";

interface Reign {
  readonly host: Host;
  /** Create revision of the host key. */
  readonly revision: number;
}

const TIMERS = ["depose", "renew", "keep", "look", "retry", "left"] as const;
type TimerName = typeof TIMERS[number];

/** How long `leave` waits for etcd before it counts as done (a member may be frozen): the lease ends by itself. */
const LEAVE_MS_MAX = 5000;

export class HostElection {
  readonly #settings: ElectionSettings;
  readonly #keys: HostKeys;
  readonly #prng: Prng;
  readonly #timers = new Deadlines<TimerName>();
  readonly #keeper: RecordKeeper;
  #now: InstantMs = 0;
  readonly #open = new OpenRequests();
  #effects: ElectionEffect[] = [];
  /** "host:port". */
  #address = "";
  #standing = false;
  /** It stands no more; with a departure it was the host. */
  #isLeaving = false;
  #departure: HostDeparture | null = null;
  #lease: Lease | null = null;
  #reign: Reign | null = null;
  /** Create revision of the host key that this node lost last. */
  #pastReign = 0;
  /** The newest view; null: none yet. */
  #view: HostView | null = null;
  #isWatching = false;
  /** What was told last: create revision of the host key, 0 for none. */
  #told = -1;
  #failures = 0;

  constructor(settings: ElectionSettings, prng: Prng) {
    this.#settings = settings;
    this.#keys = hostKeys(settings.jobId);
    this.#prng = prng;
    const onSaved = (id: number) => void this.#effects.push({ kind: "saved", id });
    this.#keeper = new RecordKeeper(this.#keys, (...asked) => this.#request(...asked), onSaved);
  }

  /** Its epoch while this node is the host; null: it is not, as far as it can know without being woken. */
  get epoch(): number | null {
    return this.#reign?.host.epoch ?? null;
  }

  step(event: ElectionEvent, now: InstantMs): ElectionEffect[] {
    assert(this.#effects.length === 0, "The election is being stepped already");
    this.#now = now;
    // Before anything else, whatever the event: it may be the first after a long freeze.
    this.#wake(now);
    this.#take(event, now);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  nextWakeup(): InstantMs | undefined {
    return this.#timers.next();
  }

  #take(event: ElectionEvent, now: InstantMs): void {
    switch (event.kind) {
      case "stand":
        this.#address = event.address;
        this.#standing = true;
        if (this.#view !== null && this.#view.host === null) return this.#campaign(now);
        this.#told = -1;
        return this.#look();
      case "answered":
      case "unanswered": {
        const open = this.#open.take(event.id);
        if (open === undefined) return;
        if (event.kind === "unanswered") return this.#unanswered(open.purpose, event, now);
        return this.#answered(open.purpose, event.answer, open.sentAt, now);
      }
      case "changed":
        return this.#changed(event.changes, now);
      case "watch-broken":
      case "look":
        if (event.kind === "watch-broken") this.#isWatching = false;
        return this.#look();
      case "host-died":
        return this.#remove(event.epoch);
      case "save":
        if (this.#reign !== null) this.#keeper.save(event.id, event.job);
        return;
      case "leave":
        return this.#leave(event, now);
      case "wakeup":
        return;
      default:
        return unreachable(event);
    }
  }

  #wake(now: InstantMs): void {
    for (const due of this.#timers.takeDue(now)) {
      switch (due) {
        case "depose":
          this.#depose("its lease could not be renewed in time", lifeAfterMs(this.#lease!, now));
          break;
        case "renew":
          this.#renew();
          break;
        case "look":
          this.#look();
          break;
        case "keep":
          this.#timers.set("keep", now + KEEP_RECORD_MS);
          this.#keeper.keep();
          break;
        case "retry":
          if (this.#departure !== null) return this.#departure.goOn();
          if (this.#reign !== null) this.#keeper.goOn();
          if (this.#reign === null || !this.#isWatching) this.#look();
          break;
        case "left":
          this.#left();
          break;
        default:
          unreachable(due);
      }
    }
  }

  #answered(purpose: Purpose, answer: V3Answer, sentAt: InstantMs, now: InstantMs): void {
    if (this.#failures > 0) {
      this.#failures = 0;
      this.#effects.push({ kind: "recovered" });
    }
    switch (answer.kind) {
      case "transaction":
        return this.#transacted(purpose, answer, now);
      case "lease-grant":
        if (purpose === "grant-record") return this.#keeper.granted(answer.lease);
        if (purpose === "grant-ended") return this.#departure?.granted(answer.lease);
        return this.#granted(answer.lease, answer.ttlSeconds * 1000, sentAt, now);
      case "lease-keep-alive":
        return purpose === "renew" ? this.#renewed(answer.ttlSeconds, sentAt, now) : undefined;
      case "lease-revoke":
      case "authenticate":
        return;
      default:
        return unreachable(answer);
    }
  }

  #transacted(purpose: Purpose, answer: V3Answer & { kind: "transaction" }, now: InstantMs): void {
    if (purpose === "remove" && answer.succeeded) return this.#isLeaving ? this.#left() : this.#look();
    if (purpose === "save" && answer.succeeded) return this.#keeper.saved(answer.revision);
    const view = viewOf(this.#keys, answer);
    if (this.#isLeaving) return purpose === "remove" ? this.#left() : undefined;
    if (purpose === "save") this.#keeper.notSaved(view);
    const told = this.#told;
    this.#see(view, now);
    // What a look found first the watch should have told: it may have gone silent.
    if (!this.#isWatching || (purpose === "look" && told !== this.#told)) {
      this.#isWatching = true;
      this.#effects.push({ kind: "watch", key: this.#keys.host, fromRevision: view.revision + 1 });
    }
    this.#campaign(now);
  }

  #changed(changes: readonly Change[], now: InstantMs): void {
    for (const { revision, value } of changes) {
      if (this.#view === null || revision <= this.#view.revision) continue;
      // Of the epoch and the record nothing is said, so that the place is taken on a whole view only.
      const isOurs = value !== null && value.lease === this.#lease?.id;
      if (!isOurs) this.#see({ ...this.#view, revision, host: value }, now);
      if (isOurs || value === null) this.#look();
    }
  }

  #unanswered(purpose: Purpose, { text, refused }: { text: string; refused: boolean }, now: InstantMs): void {
    if (this.#failures === 0) this.#effects.push({ kind: "trouble", text });
    this.#failures++;
    if (purpose === "save" || purpose === "grant-record") this.#keeper.lost(purpose);
    // etcd may know no more of the lease than we do; the next attempt gets a new one.
    if (purpose === "take" && refused) this.#lease = null;
    if (purpose === "revoke" || purpose === "keep-record") return;
    if (this.#departure !== null && refused) {
      if (purpose === "remove") return this.#left();
      this.#departure.leaveNoMark();
    }
    const delay = backoffMs(this.#failures, this.#settings.ttlMs, this.#prng);
    if (purpose === "renew") this.#timers.set("renew", now + delay);
    else this.#timers.set("retry", now + delay);
  }

  /** Takes a view that is newer than what is known, and tells what it changes. */
  #see(view: HostView, now: InstantMs): void {
    if (this.#view !== null && view.revision < this.#view.revision) return;
    this.#view = view;
    this.#timers.set("look", now + LOOK_AGAIN_LEASES * this.#settings.ttlMs);
    const { host } = view;
    if (this.#isLeaving) return;
    if (this.#reign !== null) {
      if (host?.createRevision === this.#reign.revision) return;
      // Whoever has removed it, or follows, waits for nobody.
      this.#depose(host === null ? "its key was removed" : "another node has taken its place", 0);
    }
    const exitCode = endedWith(view);
    if (exitCode !== null) return void this.#effects.push({ kind: "ended", exitCode });
    if (host !== null && this.#lease !== null && host.lease === this.#lease.id) {
      return this.#elected(host, view, now);
    }
    const revision = host?.createRevision ?? 0;
    if (revision === this.#told) return;
    this.#told = revision;
    if (host === null) this.#effects.push({ kind: "no-host" });
    else {
      this.#dropLease();
      this.#tellOther(host);
    }
  }

  #tellOther(kv: KeyValue): void {
    const host = decodeHost(kv.value);
    const isStrange = `${this.#keys.host} holds what no host of a job writes`;
    if (host === null) return void this.#effects.push({ kind: "trouble", text: isStrange });
    // Nobody else can listen at this node's address.
    const isOfPast = host.address === this.#address || kv.createRevision === this.#pastReign;
    if (host.nodeId !== this.#settings.nodeId || !isOfPast) {
      return void this.#effects.push({ kind: "host-is", host });
    }
    // Left by this node's own past, whose workers may still be ending: until then nobody is to follow.
    if (this.#standing) this.#remove(host.epoch);
  }

  #elected(kv: KeyValue, view: HostView, now: InstantMs): void {
    const host = decodeHost(kv.value);
    // Too late to be told: the key goes away with its lease.
    if (host === null || now >= deposeAt(this.#lease!)) return this.#dropLease();
    this.#told = kv.createRevision;
    this.#reign = { host, revision: kv.createRevision };
    this.#keeper.begin(kv.createRevision, view);
    this.#timers.set("keep", now + KEEP_RECORD_MS);
    this.#armLease(now);
    this.#effects.push({ kind: "elected", epoch: host.epoch, job: view.job?.value ?? null });
  }

  #depose(text: string, lifeMs: number): void {
    if (this.#reign === null) return;
    this.#pastReign = this.#reign.revision;
    // Not given back: while it lives no other can be host, and this node's world may be ended in peace.
    this.#reign = this.#lease = null;
    this.#standing = false;
    this.#keeper.end();
    this.#open.forgetReign();
    for (const name of ["depose", "renew", "retry", "keep"] as const) this.#timers.clear(name);
    this.#effects.push({ kind: "deposed", text, lifeMs });
    this.#told = -1;
    this.#look();
  }

  /** Asks for what is missing to become the host, if there is none. */
  #campaign(now: InstantMs): void {
    if (!this.#standing || this.#reign !== null || this.#view === null || this.#view.host !== null) return;
    if (this.#view.ended !== null) return;
    if (this.#open.has("grant") || this.#open.has("take") || this.#open.has("look")) return;
    if (this.#lease !== null && now >= deposeAt(this.#lease)) this.#dropLease();
    const { nodeId, ttlMs } = this.#settings;
    if (this.#lease === null) {
      return this.#request("grant", { kind: "lease-grant", ttlSeconds: Math.ceil(ttlMs / 1000) });
    }
    const host: Host = { epoch: nextEpoch(this.#view), nodeId, address: this.#address };
    this.#request("take", takeRequest(this.#keys, host, this.#lease.id, this.#view));
  }

  #granted(id: LeaseId, ttlMs: number, sentAt: InstantMs, now: InstantMs): void {
    if (this.#lease !== null || !this.#standing || this.#view?.host !== null) return this.#revoke(id);
    this.#lease = { id, ttlMs, validUntil: sentAt + ttlMs };
    this.#campaign(now);
  }

  #look(): void {
    if (!this.#open.has("look")) this.#request("look", lookRequest(this.#keys));
  }

  #renew(): void {
    if (this.#reign === null || this.#lease === null || this.#open.has("renew")) return;
    this.#request("renew", { kind: "lease-keep-alive", lease: this.#lease.id });
  }

  #renewed(ttlSeconds: number, sentAt: InstantMs, now: InstantMs): void {
    if (this.#reign === null || this.#lease === null) return;
    if (ttlSeconds <= 0) return this.#depose("etcd has ended its lease", 0);
    // By what was granted, since an answer's TTL is rounded.
    this.#lease.validUntil = Math.max(this.#lease.validUntil, sentAt + this.#lease.ttlMs);
    this.#armLease(now);
  }

  #armLease(now: InstantMs): void {
    this.#timers.set("depose", deposeAt(this.#lease!));
    this.#timers.set("renew", now + renewEveryMs(this.#lease!));
  }

  /** Gives the lease up, and with it the host key if it is ours. */
  #dropLease(): void {
    this.#timers.clear("depose");
    this.#timers.clear("renew");
    if (this.#lease === null) return;
    this.#revoke(this.#lease.id);
    this.#lease = null;
  }

  #revoke(lease: LeaseId): void {
    this.#request("revoke", { kind: "lease-revoke", lease });
  }

  /** Takes the key away from a host that is dead, so that another can follow before its lease ends. */
  #remove(epoch: number): void {
    const kv = this.#view?.host ?? null;
    if (kv === null || this.#reign !== null || decodeHost(kv.value)?.epoch !== epoch) return this.#look();
    if (!this.#open.has("remove")) {
      const request = removeRequest(this.#keys, kv.createRevision, { over: false, mark: null });
      this.#request("remove", request);
    }
  }

  #leave(how: Extract<ElectionEvent, { kind: "leave" }>, now: InstantMs): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#standing = false;
    const reign = this.#reign;
    this.#reign = null;
    if (reign === null) {
      this.#dropLease();
      return this.#left();
    }
    // The lease ends by itself: revoked first, it would take the host key away before the record.
    const { revision } = reign;
    this.#departure = new HostDeparture(this.#keys, revision, how, (...asked) => this.#request(...asked));
    this.#departure.goOn();
    for (const name of TIMERS) this.#timers.clear(name);
    this.#timers.set("left", now + LEAVE_MS_MAX);
  }

  #left(): void {
    this.#effects.push({ kind: "left" });
    for (const name of TIMERS) this.#timers.clear(name);
    this.#open.forgetAll();
  }

  #request(purpose: Purpose, request: V3Request): void {
    const id = this.#open.add(purpose, this.#now);
    this.#effects.push({ kind: "request", id, request, attemptMs: attemptMs(this.#settings.ttlMs) });
  }
}
