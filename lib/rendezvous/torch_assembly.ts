/**
 * From a complete round of the shared record to this node's seat: ranks are exchanged, and the workers' store is named
 * by group rank 0, all by keys of the round.
 *
 * torchrun from 2.4 on remembers the first store it was told of for ever, and its group rank 0 names a store only once.
 * So the place is looked for in earlier rounds too, and where a torchrun agent can't know the round's place the assembly
 * fails, with the reason, before any worker starts: never two worlds. None of this concerns releases up to 2.3 or
 * TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1, where each round has a store of its own.
 */

import type { StorePlace } from "./meeting.ts";
import type { KeyTalk } from "./key_talk.ts";
import type { TorchRecord } from "./torch_record.ts";
import {
  type AssignedRanks,
  assignRanks,
  decodeRanks,
  decodeRoleInfo,
  encodeRanks,
  encodeRoleInfo,
  ROLE_KEYS,
  type RoleInfo,
} from "./torch_roles.ts";

export interface AssemblyOptions {
  /** Of all keys of the job: "torch.rendezvous.ID". */
  readonly keyBase: string;
  readonly round: number;
  /** Names of the participants in the order of their group ranks. */
  readonly names: readonly string[];
  readonly groupRank: number;
  readonly exchange: "assigned" | "gathered";
  readonly role: string;
  readonly workerCount: number;
  /** TORCH_ELASTIC_WORKER_IDENTICAL=1: ranks follow from this node's size. */
  readonly isIdentical: boolean;
  /** The launcher serves the workers' store (not with TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1). */
  readonly sharesStore: boolean;
  /** Where this node served the workers' store before; null: it never did. */
  readonly ownPlace: StorePlace | null;
  /** How long the others may take (rdzv-conf `read_timeout`). */
  readonly limitMs: number;
}

export type AssemblyResult =
  /** To be answered by `serve`. */
  | { readonly kind: "serve-store" }
  | { readonly kind: "seat"; readonly ranks: AssignedRanks; readonly place: StorePlace }
  | { readonly kind: "failed"; readonly text: string }
  /** Somebody left while the others were being told that the round is complete: they do not all see the same members. */
  | { readonly kind: "broken" };

/** Where a muster agent says that it is one, so that all others are known to be torchrun's. */
export function announcementKey(keyBase: string, name: string): string {
  return `${keyBase}.muster/${name}`;
}

/** Keys under which rounds before `round` named their stores, latest first, two for each. */
export function earlierPlaceKeys(keyBase: string, round: number): string[] {
  const keys: string[] = [];
  for (let r = round - 1; r >= Math.max(0, round - ROUNDS_LOOKED_AT); r--) {
    keys.push(`${keyBase}.${r}/MASTER_ADDR`, `${keyBase}.${r}/MASTER_PORT`);
  }
  return keys;
}

/** Who comes late does not know who serves the workers' store: its address stands in earlier rounds. Empty: nobody here. */
export function findHost(
  record: TorchRecord,
  keyBase: string,
  talk: KeyTalk,
  then: (host: string) => void,
): void {
  talk.look(earlierPlaceKeys(keyBase, record.round), (values) => {
    const address = values.find((value) => value !== null);
    const named = [...record.nodes].filter(([, node]) => node.address === address);
    then(named.length === 1 ? named[0]![0] : "");
  });
}

const ROUNDS_LOOKED_AT = 64;
/** How long a torchrun agent of group rank 0 may take to name a store, where no later key shows that it won't. */
const NAMING_MS = 5000;

export class Assembly {
  readonly #options: AssemblyOptions;
  readonly #talk: KeyTalk;
  readonly #conclude: (result: AssemblyResult) => void;
  #torchrun: readonly string[] = [];
  #earlier: readonly StorePlace[] = [];
  #ranks: AssignedRanks | null = null;
  #place: StorePlace | null = null;
  #isOver = false;

  constructor(options: AssemblyOptions, talk: KeyTalk, conclude: (result: AssemblyResult) => void) {
    this.#options = options;
    this.#talk = talk;
    this.#conclude = conclude;
  }

  /** Participants that are torchrun's. */
  get torchrun(): readonly string[] {
    return this.#torchrun;
  }

  start(): void {
    const { keyBase, names, groupRank, round } = this.#options;
    const others = names.filter((_, rank) => rank !== groupRank);
    const announcements = others.map((name) => announcementKey(keyBase, name));
    this.#talk.look([...announcements, ...earlierPlaceKeys(keyBase, round)], (values) => {
      this.#torchrun = others.filter((_, index) => values[index] === null);
      this.#earlier = distinctPlaces(values.slice(others.length));
      this.#exchangeRoles();
      this.#findPlace();
    });
  }

  /** The workers' store is served at `place`: answer to `serve-store`. */
  serve(place: StorePlace): void {
    if (this.#isOver) return;
    this.#talk.set([this.#key("MASTER_ADDR"), place.address], [this.#key("MASTER_PORT"), String(place.port)]);
    this.#settlePlace(place);
  }

  get #remembersPlaces(): boolean {
    return this.#options.sharesStore && this.#options.exchange === "assigned";
  }

  #key(name: string): string {
    return `${this.#options.keyBase}.${this.#options.round}/${name}`;
  }

  #exchangeRoles(): void {
    const { groupRank, names, exchange, role, workerCount, isIdentical, limitMs } = this.#options;
    if (isIdentical) {
      this.#ranks = assignRanks(names.map(() => ({ role, workerCount })))[groupRank]!;
      return;
    }
    const isAssigned = exchange === "assigned";
    const infoKey = isAssigned ? ROLE_KEYS.assignedInfo : ROLE_KEYS.gatheredInfo;
    this.#talk.set([this.#key(infoKey(groupRank)), encodeRoleInfo({ role, rank: groupRank, workerCount })]);
    if (isAssigned && groupRank !== 0) {
      this.#talk.get([this.#key(ROLE_KEYS.assignedRanks(groupRank))], limitMs, (values) => {
        if (values === null) return this.#fail(`${names[0]} did not give out ranks in time`);
        const ranks = decodeRanks(values[0]!, workerCount);
        if (ranks === null) return this.#fail(`${names[0]} gave out ranks that can't be`);
        this.#checkSize(ranks);
      });
      return;
    }
    const keys = names.map((_, rank) => this.#key(infoKey(rank)));
    this.#talk.get(keys, limitMs, (values) => {
      if (values === null) return this.#nameSilent(keys);
      this.#settleInfos(values.map(decodeRoleInfo));
    });
  }

  /** Group rank 0 may have seen fewer or more members than this node did. */
  #checkSize(ranks: AssignedRanks): void {
    const keys = this.#options.names.map((_, rank) => this.#key(ROLE_KEYS.assignedInfo(rank)));
    this.#talk.look(keys, (values) => {
      const sizes = values.map((value) => value === null ? NaN : decodeRoleInfo(value)?.workerCount ?? NaN);
      const sum = sizes.reduce((sum, size) => sum + size, 0);
      if (sum === ranks.worldSize) return this.#settleRanks(ranks);
      this.#isOver = true;
      this.#conclude({ kind: "broken" });
    });
  }

  #settleInfos(infos: readonly (RoleInfo | null)[]): void {
    const { groupRank, names, exchange } = this.#options;
    const broken = infos.findIndex((info, rank) => info === null || info.rank !== rank);
    if (broken >= 0) return this.#fail(`${names[broken]} told a role that can't be read`);
    const all = assignRanks(infos as readonly RoleInfo[]);
    if (exchange === "gathered") this.#talk.set([this.#key(ROLE_KEYS.gatheredEnd(groupRank)), "FIN"]);
    else this.#toAssign = all;
    this.#settleRanks(all[groupRank]!);
  }

  /** Ranks to give out; not before the store is named, since the others look for it then. */
  #toAssign: readonly AssignedRanks[] | null = null;

  #nameSilent(keys: readonly string[]): void {
    this.#talk.look(keys, (values) => {
      const silent = this.#options.names.filter((_, rank) => values[rank] === null);
      this.#fail(
        `${silent.join(" and ")} did not tell ${silent.length === 1 ? "its role" : "their roles"} in time`,
      );
    });
  }

  #findPlace(): void {
    const { groupRank, names, ownPlace, isIdentical } = this.#options;
    if (groupRank === 0) {
      // A store that is served for the first time is at a place that nobody remembers.
      if (this.#isForgotten(ownPlace, this.#torchrun)) return this.#failForgotten();
      return this.#conclude({ kind: "serve-store" });
    }
    const hostIsTorchrun = this.#torchrun.includes(names[0]!);
    if (!hostIsTorchrun || !this.#remembersPlaces) return this.#awaitPlace(this.#options.limitMs);
    // It names its store before it gives out ranks: `settleRanks` looks.
    if (isIdentical) this.#awaitPlace(NAMING_MS);
  }

  #awaitPlace(limitMs: number): void {
    this.#talk.get([this.#key("MASTER_ADDR"), this.#key("MASTER_PORT")], limitMs, (values) => {
      if (values !== null) return this.#settleNamed(placeFrom(values[0]!, values[1]!));
      if (this.#remembersPlaces && this.#earlier.length > 0) return this.#settleEarlier();
      this.#fail(`${this.#options.names[0]} did not name the workers' store in time`);
    });
  }

  #settleRanks(ranks: AssignedRanks): void {
    this.#ranks = ranks;
    const { groupRank, names } = this.#options;
    if (groupRank !== 0 && this.#remembersPlaces && this.#torchrun.includes(names[0]!)) {
      return this.#talk.look([this.#key("MASTER_ADDR"), this.#key("MASTER_PORT")], ([address, port]) => {
        if (address && port) this.#settleNamed(placeFrom(address, port));
        else this.#settleEarlier();
      });
    }
    this.#finish();
  }

  /** Group rank 0 named no store in this round: it is the one of before, if there was only one. */
  #settleEarlier(): void {
    const [place, ...others] = this.#earlier;
    if (place === undefined || others.length > 0) return this.#failForgotten();
    this.#settleNamed(place);
  }

  #settleNamed(place: StorePlace | null): void {
    const { names, groupRank } = this.#options;
    if (place === null) return this.#fail(`${names[0]} named a store that can't be`);
    const followers = this.#torchrun.filter((name) => name !== names[0]);
    if (groupRank !== 0 && this.#isForgotten(place, followers)) return this.#failForgotten();
    const { sharesStore, exchange } = this.#options;
    this.#settlePlace({ ...place, hostedByLauncher: sharesStore && exchange === "assigned" });
  }

  #settlePlace(place: StorePlace): void {
    this.#place = place;
    this.#finish();
  }

  /** Some of these torchrun agents may remember another place than this round's. */
  #isForgotten(place: StorePlace | null, torchrun: readonly string[]): boolean {
    return this.#remembersPlaces && torchrun.length > 0 &&
      this.#earlier.some(({ address, port }) => address !== place?.address || port !== place.port);
  }

  #failForgotten(): void {
    const places = this.#earlier.map(({ address, port }) => `${address}:${port}`).join(" and ");
    this.#fail(
      `Group rank 0 has moved to ${
        this.#options.names[0]
      }, but torchrun's agents remember the store at ${places} ` +
        "and would form a second world; TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 on all nodes lets rank 0 move",
    );
  }

  #finish(): void {
    if (this.#place === null || this.#ranks === null || this.#isOver) return;
    this.#toAssign?.forEach((ranks, rank) => {
      this.#talk.set([this.#key(ROLE_KEYS.assignedRanks(rank)), encodeRanks(ranks)]);
    });
    this.#isOver = true;
    this.#conclude({ kind: "seat", ranks: this.#ranks, place: this.#place });
  }

  #fail(text: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#conclude({ kind: "failed", text });
  }
}

/** Texts of `earlierPlaceKeys` to places, each once. */
export function distinctPlaces(values: readonly (string | null)[]): StorePlace[] {
  const places = new Map<string, StorePlace>();
  for (let index = 0; index + 1 < values.length; index += 2) {
    const [address, port] = [values[index], values[index + 1]];
    const place = address && port ? placeFrom(address, port) : null;
    if (place !== null) places.set(`${place.address} ${place.port}`, place);
  }
  return [...places.values()];
}

function placeFrom(address: string, port: string): StorePlace | null {
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (number < 1 || number > 65535 || !/^[^\p{C}\s]{1,255}$/u.test(address)) return null;
  return { address, port: number, hostedByLauncher: true };
}
