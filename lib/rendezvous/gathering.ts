/**
 * The nodes that wait for a job's next round: whether it may be formed, of whom, and what is proposed to them. Keeps what
 * the job has come to.
 */

import type { InstantMs } from "../core/time.ts";
import { Ballot, type Right } from "./ballot.ts";
import type { KnownNode } from "./census.ts";
import type { CoordinatorEffect, CoordinatorOptions } from "./coordinator_events.ts";
import { decideForming, type Forming } from "./forming.ts";
import { begunBy, formedNumber, type JobRecord, type RoundId } from "./job_record.ts";
import type { Waiting } from "./meeting.ts";
import type { Members } from "./members.ts";
import type { NodeMessage } from "./message_codec.ts";
import { doubleNodeRanks, firstNodes, type NodeInfo, orderNodes } from "./ranks.ts";
import type { Round } from "./round.ts";
import { tellProposal } from "./standby.ts";
import { doubleRankText, waitingForNodes, waitingForSeat, waitingText } from "./texts.ts";

export interface Proposal {
  readonly round: number;
  /** In the order of their group ranks. */
  readonly nodes: readonly NodeInfo[];
  /** Tells those who are to accept it, and what is odd about it. */
  readonly effects: readonly CoordinatorEffect[];
}

export class Gathering {
  readonly #options: CoordinatorOptions;
  readonly #members: Members;
  readonly #ballot: Ballot;
  #record: JobRecord;
  /** Of this host, for its next round. */
  #epoch: number;
  /** Number of the round that is proposed next. */
  #nextRound: number;
  /** The host before, whose loss costs a restart unless it comes back; null: that costs nothing, or is counted. */
  #lostHost: string | null;
  /** The job came from another host, and this one waits for those who may come over too. */
  #isTakeover: boolean;
  /** Those who were ready at the last decision don't give the right to form a round. */
  #lacksRight = false;
  /** Of the last round's nodes, as was said. */
  #doubleRank: number | undefined;
  /** Who was ever here, but for those who left in order, by name and place. */
  readonly #seen = new Map<string, KnownNode>();
  /** The right to form a round comes from votes, not from who is here. */
  #hasVotes = false;
  /** From the node where the job was begun: who took part. */
  #told: { readonly by: string; readonly begun: number; readonly everybody: readonly KnownNode[] } | null =
    null;
  /** Until then nodes of which nothing is heard may still run the last round. */
  #closedUntil: InstantMs = -Infinity;

  constructor(options: CoordinatorOptions, members: Members) {
    const { epoch, selfId: hostId, settings, chain } = options;
    this.#options = options;
    this.#members = members;
    this.#ballot = new Ballot({ ...options, isOn: settings.failover === true });
    const previous = chain.at(-1);
    this.#isTakeover = previous !== undefined;
    this.#epoch = formedNumber(previous ?? null, options.begun);
    this.#nextRound = previous === undefined ? 0 : previous.round + 1;
    this.#record = previous ?? { epoch, hostId, round: 0, restarts: 0, seats: [] };
    // Where every node is needed, the loss of one is a failure like a worker's.
    const isLossDear = options.wasHostLost && settings.nodesMin === settings.nodesMax;
    this.#lostHost = isLossDear ? this.#record.hostId : null;
  }

  /** What the job has come to: the last round that began, and the restarts until now. */
  get record(): JobRecord {
    return this.#record;
  }

  /** What the job has come to since its last round was formed. */
  recorded(standing: "over" | "left"): CoordinatorEffect {
    return { kind: "recorded", record: this.#record, standing };
  }

  addRestart(): CoordinatorEffect {
    this.#record = { ...this.#record, restarts: this.#record.restarts + 1 };
    return this.recorded("over");
  }

  /** What is waited for. */
  get waitingText(): string {
    const { seats: before } = this.#record;
    const { ready } = this.#members, lacksRight = this.#lacksRight;
    const ahead = ready.filter(({ nodeId }) => !this.#ballot.isEligible(nodeId));
    const others = { ahead, heldBy: this.#heldBy };
    return waitingText(this.eligible, { before, lacksRight, ...others }, this.#options.settings);
  }

  /** For those who wait: beside a round of `seated` nodes, or (null) for the next, `leftMs` at most. */
  waiting(seated: number | null, leftMs: number | null): Waiting {
    const { settings } = this.#options;
    if (seated !== null) return waitingForSeat(seated, settings);
    return waitingForNodes(this.waitingText, { present: this.#members.ready.length, leftMs, settings });
  }

  /** Those who wait for a round and may have a seat in it. */
  get eligible(): NodeInfo[] {
    return this.#members.ready.filter(({ nodeId }) => this.#ballot.isEligible(nodeId));
  }

  join(nodeId: string, { info, memory, others, begun }: Extract<NodeMessage, { kind: "join" }>): void {
    this.#members.join(nodeId, info);
    this.#ballot.hear(nodeId, memory);
    const seen = this.#placed(nodeId);
    this.#seen.set(keyOf(seen), seen);
    if (others !== null) this.#told = { by: nodeId, begun, everybody: others };
  }

  /** A node's session is over (`Ballot.lose`). */
  lose(nodeId: string, inOrder: boolean, lastHeard: InstantMs): CoordinatorEffect[] {
    this.#ballot.lose(nodeId, inOrder, lastHeard);
    const place = this.#placed(nodeId), { address } = place;
    if (inOrder) this.#seen.delete(keyOf(place));
    if (this.#told?.by === nodeId) this.#told = null;
    this.#members.remove(nodeId);
    const isOfInterest = this.#options.settings.failover === true && !inOrder && address !== null;
    return isOfInterest ? [{ kind: "probe", nodeId, address }] : [];
  }

  /**
   * A round is over. If all its nodes were lost, together they may run it until each has noticed and has ended its
   * workers; while one of them is here it can't go on.
   */
  close(round: Round, now: InstantMs): void {
    const { silenceMs, stopMs } = this.#options;
    if (round.mayGoOn) this.#closedUntil = now + silenceMs + stopMs;
  }

  proveDead(nodeId: string): void {
    this.#ballot.proveDead(nodeId);
  }

  /** `rightAt`: the right to form a round comes by itself then; null: it is there, or does not come so. */
  decide(now: InstantMs): { readonly forming: Forming; readonly rightAt: InstantMs | null } {
    const ready = this.eligible;
    const isFirst = this.#nextRound === 0;
    const right = this.#right(ready, now);
    this.#lacksRight = right.kind === "refused" && this.#heldBy.length === 0;
    const forming = decideForming({
      settings: this.#options.settings,
      ready,
      mayForm: right.kind === "granted",
      before: this.#record.seats,
      dead: this.#ballot.dead,
      isFirst,
      isTakeover: this.#isTakeover,
      pending: isFirst ? this.#pendingEarlier : this.#members.pending,
    });
    return { forming, rightAt: right.kind === "later" ? right.at : null };
  }

  #right(ready: readonly NodeInfo[], now: InstantMs): Right {
    const ids = ready.map(({ nodeId }) => nodeId);
    if (this.#heldBy.length > 0) return { kind: "refused" };
    if (now < this.#closedUntil) return { kind: "later", at: this.#closedUntil };
    const right = this.#ballot.right(ids, this.#members.pending, now);
    this.#hasVotes = right.kind === "granted";
    return this.#hasVotes || !this.#areTooFewElsewhere(ids) ? right : { kind: "granted" };
  }

  /** In the first round only those who took part before have anything to end. */
  get #pendingEarlier(): string[] {
    const earlier = this.#options.elsewhere?.().earlier ?? [];
    return this.#members.pending.filter((nodeId) => earlier.includes(nodeId));
  }

  /** Nodes of an earlier host here that are enough to run the job elsewhere; empty: they are not. */
  get #heldBy(): readonly string[] {
    const { elsewhere, settings: { nodesMin } } = this.#options;
    const earlier = elsewhere?.().earlier ?? [];
    if (earlier.length < nodesMin) return [];
    const here = new Set(this.eligible.map(({ nodeId }) => nodeId));
    const others = earlier.filter((nodeId) => !here.has(nodeId));
    return others.length < nodesMin ? [] : others;
  }

  /** How often the job was begun, as far as that is known. */
  get #begun(): number {
    const { elsewhere } = this.#options;
    return Math.max(elsewhere?.().begun ?? this.#told?.begun ?? 0, begunBy(this.#record.epoch));
  }

  /** Whether those who took part and do not wait here are too few for a round, also together with any that are gone. */
  #areTooFewElsewhere(ready: readonly string[]): boolean {
    const { elsewhere, selfId, settings: { nodesMin } } = this.#options;
    const told = this.#told;
    // Some may have come by since the other node has told.
    const everybody = elsewhere?.().everybody ??
      (told === null ? null : [...told.everybody, ...this.#seen.values()]);
    if (everybody === null) return false;
    const here = new Set([...ready, selfId]);
    const others = everybody.filter((node) =>
      node.nodeId !== told?.by && !(here.has(node.nodeId) && this.#isThis(node))
    );
    return new Set(others.map(keyOf)).size < nodesMin;
  }

  /** Whether a node that is here is the one meant, not one that was started since under its name. */
  #isThis({ nodeId, address }: KnownNode): boolean {
    if (nodeId === this.#options.selfId || address === null || this.#ballot.wasThere(nodeId)) return true;
    return keyOf(this.#placed(nodeId)) === keyOf({ nodeId, address });
  }

  #placed(nodeId: string): KnownNode {
    return { nodeId, address: this.#members.standbys([nodeId])[0]?.address ?? null };
  }

  /** Null: no restart is left for the loss of the host before. */
  propose(size: number): Proposal | null {
    const { selfId: hostId } = this.#options;
    const before = this.#record.seats;
    const ready = this.eligible;
    const nodes = orderNodes(firstNodes(ready, size, before), before);
    const seats = nodes.map(({ nodeId }) => nodeId);
    const lostHost = this.#lostHost;
    if (lostHost !== null && !(seats.includes(lostHost) && this.#ballot.isSame(lostHost))) {
      this.#lostHost = null;
      this.addRestart();
      if (this.#record.restarts > this.#options.settings.maxRestarts) return null;
    }
    const round = this.#nextRound++;
    if (!this.#hasVotes) this.#epoch = formedNumber(null, this.#begun);
    const record = { epoch: this.#epoch, round, hostId, restarts: this.#record.restarts, seats };
    const able = this.#members.standbys(before.length === 0 ? seats : before);
    // Who begins the job has nobody's vote either.
    const bindsAll = !this.#hasVotes || before.length === 0;
    const nodeIds = this.#ballot.propose(record, ready.map(({ nodeId }) => nodeId), bindsAll);
    const [double] = doubleNodeRanks(nodes);
    const isSaid = double === undefined || double === this.#doubleRank;
    this.#doubleRank = double;
    const warnings: CoordinatorEffect[] = isSaid
      ? []
      : [{ kind: "say", level: "warning", text: doubleRankText(double) }];
    const proposals = tellProposal(record, this.#ballot.bases, { nodeIds, able });
    return { round, nodes, effects: [...warnings, ...proposals] };
  }

  /** Those who have not come over from the host before are waited for no longer. */
  endLastCall(): void {
    this.#isTakeover = false;
  }

  isAsked(nodeId: string): boolean {
    return this.#ballot.isAsked(nodeId);
  }

  accept(nodeId: string, proposal: RoundId): void {
    this.#ballot.accept(nodeId, proposal);
  }

  get isAccepted(): boolean {
    return this.#ballot.isAccepted;
  }

  /** Makes the proposed round the job's last, once all have accepted it; does nothing before, or another time. */
  settle(): CoordinatorEffect[] {
    const record = this.#ballot.settle();
    if (record === null) return [];
    this.#isTakeover = false;
    this.#lostHost = null;
    this.#record = record;
    return [{ kind: "formed", record, ...this.#members.whoFollow(record.seats) }];
  }
}

/** A node may be reached at several addresses, but its port is the same: it is drawn by chance at its start. */
function keyOf({ nodeId, address }: KnownNode): string {
  return `${nodeId} ${address?.slice(address.lastIndexOf(":") + 1)}`;
}
