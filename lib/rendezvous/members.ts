/** Everybody who has a session with the job's host, and the host itself. */

import { assert, assertDefined } from "../core/assert.ts";
import type { SignalName } from "../core/errors.ts";
import type { Standby } from "./message_codec.ts";
import type { NodeInfo } from "./ranks.ts";
import { addressText } from "./standby.ts";

/** `pending`: has a session or is clearing up, and is expected to join. */
type State = "pending" | "ready" | "seated";

interface Member {
  readonly nodeId: string;
  /** Where its connection came from, and where on this host it arrived. */
  readonly address: string;
  readonly hostAddress: string;
  info: NodeInfo | null;
  state: State;
  /** The signal for which it leaves. */
  leaving: SignalName | null;
}

export interface MembersOptions {
  readonly selfId: string;
  readonly selfAddress: string | null;
  readonly fallbackAddress: string;
}

export class Members {
  readonly #options: MembersOptions;
  /** In the order of their arrival. */
  readonly #members = new Map<string, Member>();

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  get ids(): string[] {
    return [...this.#members.keys()];
  }

  has(nodeId: string): boolean {
    return this.#members.has(nodeId);
  }

  arrive(nodeId: string, { address, hostAddress }: { address: string; hostAddress: string }): void {
    assert(!this.#members.has(nodeId), `Node ${nodeId} is here already`);
    this.#members.set(nodeId, { nodeId, address, hostAddress, info: null, state: "pending", leaving: null });
  }

  remove(nodeId: string): void {
    this.#members.delete(nodeId);
  }

  join(nodeId: string, info: NodeInfo): void {
    const member = this.#get(nodeId);
    if (member.state !== "pending") return;
    member.info = { ...info, nodeId };
    member.state = "ready";
  }

  leave(nodeId: string, signal: SignalName): void {
    this.#get(nodeId).leaving ??= signal;
  }

  isLeaving(nodeId: string): boolean {
    return this.#members.get(nodeId)?.leaving != null;
  }

  signalOf(nodeId: string): SignalName | null {
    return this.#members.get(nodeId)?.leaving ?? null;
  }

  seat(nodeId: string): void {
    this.#get(nodeId).state = "seated";
  }

  setReady(nodeId: string): void {
    this.#get(nodeId).state = "ready";
  }

  /** A round is over for this node: it is asked to join again. */
  expect(nodeId: string): void {
    this.#get(nodeId).state = "pending";
  }

  /** Those who wait for a round, in the order of their arrival. */
  get ready(): NodeInfo[] {
    return [...this.#members.values()].flatMap(({ state, leaving, info }) =>
      state === "ready" && leaving === null ? [assertDefined(info ?? undefined)] : []
    );
  }

  /** Who is here and has not joined, also to leave: it is gone once its workers are. The host itself may stay. */
  get pending(): string[] {
    const { selfId } = this.#options;
    return [...this.#members.values()].flatMap(({ nodeId, state, leaving }) =>
      state === "pending" && (leaving === null || nodeId !== selfId) ? [nodeId] : []
    );
  }

  /** Everybody who does not leave. */
  get staying(): string[] {
    return [...this.#members.values()].filter(({ leaving }) => leaving === null).map(({ nodeId }) => nodeId);
  }

  nameOf(nodeId: string): string {
    const name = this.#members.get(nodeId)?.info?.hostName;
    if (name === undefined) return `Node ${nodeId}`;
    const isAmbiguous = [...this.#members.values()].filter(({ info }) => info?.hostName === name).length > 1;
    return isAmbiguous ? `Node ${nodeId}` : `Node ${name}`;
  }

  /** Those of `nodeIds`, but for the host, that are here and could take the job over, in their order. */
  standbys(nodeIds: readonly string[]): Standby[] {
    return nodeIds.flatMap((nodeId) => {
      const port = this.#members.get(nodeId)?.info?.standbyPort ?? null;
      if (port === null || nodeId === this.#options.selfId) return [];
      return [{ nodeId, address: addressText(this.addressOf(nodeId), port) }];
    });
  }

  /** Who could take the job over after a round of `nodeIds`, and everybody who is to know. */
  whoFollow(nodeIds: readonly string[]): { standbys: Standby[]; present: string[] } {
    return { standbys: this.standbys(nodeIds), present: this.ids };
  }

  /** Every address from which `nodeIds` may come. */
  addresses(nodeIds: readonly string[]): string[] {
    const addresses = nodeIds.flatMap((nodeId) => {
      const { address, info } = this.#get(nodeId);
      return [address, ...(info?.interfaces ?? [])];
    });
    return [...new Set(addresses)].filter((address) => address !== "");
  }

  /** Where the others reach a node. */
  addressOf(nodeId: string): string {
    const member = this.#get(nodeId);
    if (nodeId === this.#options.selfId) return member.info?.address ?? this.#selfAddress();
    const address = member.info?.address ?? member.address;
    // Who came over the loopback interface is on this machine.
    return isLoopback(address) ? this.#selfAddress() : address;
  }

  /** The address of this host at which most of the others arrived, if they came from other machines. */
  #selfAddress(): string {
    const { selfAddress, selfId, fallbackAddress } = this.#options;
    if (selfAddress !== null) return selfAddress;
    const counts = new Map<string, number>();
    let areAllHere = true;
    for (const { nodeId, hostAddress, state } of this.#members.values()) {
      if (nodeId === selfId || state !== "seated") continue;
      if (isLoopback(hostAddress)) continue;
      areAllHere = false;
      counts.set(hostAddress, (counts.get(hostAddress) ?? 0) + 1);
    }
    if (areAllHere) return this.#members.size > 1 ? "127.0.0.1" : fallbackAddress;
    return [...counts].sort((a, b) => b[1] - a[1])[0]![0];
  }

  #get(nodeId: string): Member {
    return assertDefined(this.#members.get(nodeId), `Node ${nodeId}`);
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127.");
}
