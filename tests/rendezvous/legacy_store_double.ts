/** etcd's v2 API in memory, as far as `LegacyOperation` needs it: a state, keys with times to live, and who waits for them. */

import { unreachable } from "../../lib/core/assert.ts";
import { utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { LegacyMeeting } from "../../lib/rendezvous/legacy_meeting.ts";
import type { LegacyMeetingEvent } from "../../lib/rendezvous/legacy_meeting_events.ts";
import type { LegacyAnswer, LegacyOperation } from "../../lib/rendezvous/legacy_operations.ts";
import type { MeetingNews, Seat } from "../../lib/rendezvous/meeting.ts";

export interface LegacyNode {
  readonly name: string;
  readonly meeting: LegacyMeeting;
  readonly news: MeetingNews[];
  readonly seats: Seat[];
  alive: boolean;
}

interface Waiter {
  readonly node: LegacyNode;
  readonly operation: LegacyOperation & { readonly kind: "read-state" | "get-keys" };
  readonly until: number;
}

export class LegacyDouble {
  now = 0;
  state: { text: string; endsAt: number } | null = null;
  readonly keys = new Map<string, string>();
  readonly alive = new Map<string, number>();
  readonly nodes: LegacyNode[] = [];
  #version = 0;
  #waiters: Waiter[] = [];
  readonly #queue: (() => void)[] = [];

  add(name: string, options: { nodesMin: number; nodesMax: number; maxRestarts?: number }): LegacyNode {
    const meeting = new LegacyMeeting({
      ...{ jobId: "job", folder: "/f", role: "default", workerCount: 1, isIdentical: false, maxRestarts: 0 },
      ...{ joinMs: 60_000, lastCallMs: 1_000, readMs: 30_000, exitBarrierMs: 30_000 },
      ...options,
    }, new Prng(this.nodes.length + 1));
    const node: LegacyNode = { name, meeting, news: [], seats: [], alive: true };
    this.nodes.push(node);
    this.tell(node, { kind: "join" });
    return node;
  }

  tell(node: LegacyNode, event: LegacyMeetingEvent): void {
    this.#queue.push(() => this.#step(node, event));
    if (this.#queue.length > 1) return;
    for (; this.#queue.length > 0; this.#queue.shift()) this.#queue[0]!();
  }

  /** Time passes for all. */
  pass(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      const due = [
        ...this.nodes.map(({ alive, meeting }) => alive ? meeting.nextWakeup() ?? Infinity : Infinity),
        ...this.#waiters.map(({ until }) => until),
        ...this.alive.values(),
        this.state?.endsAt ?? Infinity,
        end,
      ];
      this.now = Math.min(end, Math.max(this.now + 0.1, Math.min(...due)));
      this.#expire();
      for (const node of this.nodes) {
        const at = node.meeting.nextWakeup();
        if (node.alive && at !== undefined && at <= this.now) this.tell(node, { kind: "wakeup" });
      }
    }
  }

  #expire(): void {
    if (this.state !== null && this.state.endsAt <= this.now) this.#setState(null);
    for (const [path, endsAt] of this.alive) {
      if (endsAt > this.now) continue;
      this.alive.delete(path);
      this.#wake(true);
    }
    for (const waiter of this.#waiters.filter(({ until }) => until <= this.now)) {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      if (waiter.operation.kind === "read-state") {
        this.#answerState(waiter.node, waiter.operation.ticket, false);
      } else this.#answer(waiter.node, { kind: "values", ticket: waiter.operation.ticket, values: null });
    }
  }

  #step(node: LegacyNode, event: LegacyMeetingEvent): void {
    if (!node.alive) return;
    for (const effect of node.meeting.step(event, this.now)) {
      if (effect.kind === "ask") this.#perform(node, effect.operation);
      else this.#hear(node, effect.news);
    }
  }

  #hear(node: LegacyNode, news: MeetingNews): void {
    node.news.push(news);
    if (news.kind === "serve-store") {
      const store = { address: node.name, port: 1, hostedByLauncher: true };
      this.tell(node, { kind: "store-served", round: news.round, store });
    } else if (news.kind === "round") node.seats.push(news.seat);
    else if (news.kind === "round-over") {
      this.tell(node, { kind: "cleared", round: news.round, report: null });
    } else if (news.kind === "go-on") this.tell(node, { kind: "join" });
  }

  #answer(node: LegacyNode, answer: LegacyAnswer): void {
    this.tell(node, answer);
  }

  #answerState(node: LegacyNode, ticket: number, done: boolean): void {
    this.#answer(node, { kind: "state", ticket, text: this.state?.text ?? null, done });
  }

  #setState(state: { text: string; endsAt: number } | null): void {
    this.state = state;
    this.#wake(false);
  }

  #wake(ofMember: boolean): void {
    const woken = this.#waiters.filter(({ operation }) =>
      operation.kind === "read-state"
        ? (this.state?.text ?? null) !== operation.known || (ofMember && operation.members)
        : operation.keys.every((key) => this.keys.has(key))
    );
    this.#waiters = this.#waiters.filter((waiter) => !woken.includes(waiter));
    for (const { node, operation } of woken) {
      if (operation.kind === "read-state") this.#answerState(node, operation.ticket, false);
      else this.#answerKeys(node, operation.ticket, operation.keys);
    }
  }

  #answerKeys(node: LegacyNode, ticket: number, keys: readonly string[]): void {
    const values = keys.map((key) => this.keys.has(key) ? utf8(this.keys.get(key)!) : null);
    this.#answer(node, { kind: "values", ticket, values });
  }

  #perform(node: LegacyNode, operation: LegacyOperation): void {
    const { now } = this;
    switch (operation.kind) {
      case "keep-job":
        return;
      case "read-state": {
        this.#waiters = this.#waiters.filter((waiter) =>
          waiter.node !== node || waiter.operation.kind !== "read-state"
        );
        const isNews = (this.state?.text ?? null) !== operation.known || operation.afterMs === 0;
        if (isNews) return this.#answerState(node, operation.ticket, false);
        this.#waiters.push({ node, operation, until: now + operation.afterMs });
        return;
      }
      case "swap-state": {
        const isSame = (this.state?.text ?? null) === operation.from;
        const endsAt = operation.ttlSeconds === null ? Infinity : now + operation.ttlSeconds * 1000;
        if (isSame) this.#setState({ text: operation.to, endsAt });
        return this.#answerState(node, operation.ticket, isSame);
      }
      case "delete-state": {
        const isSame = this.state?.text === operation.from;
        if (isSame) this.#setState(null);
        return this.#answerState(node, operation.ticket, isSame);
      }
      case "next-version":
        return this.#answer(node, {
          kind: "version",
          ticket: operation.ticket,
          version: String(++this.#version),
        });
      case "list-alive":
        return this.#answer(node, { kind: "alive", ticket: operation.ticket, paths: [...this.alive.keys()] });
      case "set-alive":
        this.alive.set(operation.path, now + 10_000);
        return this.#answer(node, { kind: "set", ticket: operation.ticket });
      case "drop-alive":
        if (this.alive.delete(operation.path)) this.#wake(true);
        return;
      case "set-keys":
        for (const [key, value] of operation.entries) this.keys.set(key, value);
        return this.#wake(false);
      case "look-keys":
        return this.#answerKeys(node, operation.ticket, operation.keys);
      case "get-keys":
        if (operation.keys.every((key) => this.keys.has(key))) {
          return this.#answerKeys(node, operation.ticket, operation.keys);
        }
        this.#waiters.push({ node, operation, until: now + operation.limitMs });
        return;
      case "add-key": {
        const sum = Number(this.keys.get(operation.key) ?? 0) + operation.amount;
        this.keys.set(operation.key, String(sum));
        return this.#answer(node, { kind: "sum", ticket: operation.ticket, sum });
      }
      default:
        return unreachable(operation);
    }
  }
}
