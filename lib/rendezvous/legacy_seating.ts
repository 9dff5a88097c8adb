/**
 * From a final state of the legacy etcd rendezvous to this node's seat: group rank 0 names the store of the round's
 * workers and gives out ranks, by keys of the round. Each round has a store of its own, served where worker rank 0 is.
 */

import type { KeyTalk } from "./key_talk.ts";
import type { StorePlace } from "./meeting.ts";
import {
  type AssignedRanks,
  assignRanks,
  decodeRanks,
  decodeRoleInfo,
  encodeRanks,
  encodeRoleInfo,
  ROLE_KEYS,
} from "./torch_roles.ts";

export interface SeatingOptions {
  readonly version: string;
  readonly groupRank: number;
  readonly groupWorldSize: number;
  readonly role: string;
  readonly workerCount: number;
  /** TORCH_ELASTIC_WORKER_IDENTICAL=1: ranks follow from this node's size. */
  readonly isIdentical: boolean;
  /** How long the others may take. */
  readonly limitMs: number;
}

export type SeatingResult =
  | { readonly kind: "seat"; readonly ranks: AssignedRanks; readonly place: StorePlace }
  | { readonly kind: "failed"; readonly text: string };

export class LegacySeating {
  readonly #options: SeatingOptions;
  readonly #talk: KeyTalk;
  readonly #conclude: (result: SeatingResult) => void;
  #ranks: AssignedRanks | null = null;
  #place: StorePlace | null = null;

  constructor(options: SeatingOptions, talk: KeyTalk, conclude: (result: SeatingResult) => void) {
    this.#options = options;
    this.#talk = talk;
    this.#conclude = conclude;
  }

  /** Group rank 0 serves the store, and says where by `serve`. */
  start(): void {
    if (this.#options.groupRank !== 0) this.#findPlace();
    this.#exchangeRoles();
  }

  serve(place: StorePlace): void {
    this.#talk.set([this.#key("MASTER_ADDR"), place.address], [this.#key("MASTER_PORT"), String(place.port)]);
    this.#place = place;
    this.#finish();
  }

  #key(name: string): string {
    return `${this.#options.version}/${name}`;
  }

  #findPlace(): void {
    this.#talk.get([this.#key("MASTER_ADDR"), this.#key("MASTER_PORT")], this.#options.limitMs, (values) => {
      if (values === null) return this.#fail("group rank 0 did not name the workers' store in time");
      const [address, port] = values as [string, string];
      if (
        !/^[^\p{C}\s]{1,255}$/u.test(address) || !/^\d{1,5}$/.test(port) || Number(port) < 1 ||
        Number(port) > 65535
      ) {
        return this.#fail("group rank 0 named a store that can't be");
      }
      this.#place = { address, port: Number(port), hostedByLauncher: false };
      this.#finish();
    });
  }

  #exchangeRoles(): void {
    const { groupRank, groupWorldSize, role, workerCount, isIdentical, limitMs } = this.#options;
    const all = Array.from({ length: groupWorldSize }, (_, rank) => rank);
    if (isIdentical) return this.#settle(assignRanks(all.map(() => ({ role, workerCount })))[groupRank]!);
    const info = encodeRoleInfo({ role, rank: groupRank, workerCount });
    this.#talk.set([this.#key(ROLE_KEYS.assignedInfo(groupRank)), info]);
    if (groupRank !== 0) {
      return this.#talk.get([this.#key(ROLE_KEYS.assignedRanks(groupRank))], limitMs, (values) => {
        const ranks = values === null ? null : decodeRanks(values[0]!, workerCount);
        if (ranks !== null) return this.#settle(ranks);
        this.#fail(
          `group rank 0 ${values === null ? "gave out no ranks in time" : "gave out ranks that can't be"}`,
        );
      });
    }
    const keys = all.map((rank) => this.#key(ROLE_KEYS.assignedInfo(rank)));
    this.#talk.get(keys, limitMs, (values) => {
      if (values === null) return this.#fail("not every node told its role in time");
      const infos = values.map(decodeRoleInfo).filter((one, rank) => one !== null && one.rank === rank);
      if (infos.length < groupWorldSize) return this.#fail("a node told a role that can't be read");
      const ranks = assignRanks(infos.map((one) => one!));
      this.#talk.set(
        ...ranks.map((one, rank) => [this.#key(ROLE_KEYS.assignedRanks(rank)), encodeRanks(one)] as const),
      );
      this.#settle(ranks[0]!);
    });
  }

  #settle(ranks: AssignedRanks): void {
    this.#ranks = ranks;
    this.#finish();
  }

  #finish(): void {
    if (this.#ranks === null || this.#place === null) return;
    this.#conclude({ kind: "seat", ranks: this.#ranks, place: this.#place });
  }

  #fail(text: string): void {
    this.#conclude({ kind: "failed", text });
  }
}
