/**
 * How the whole job stands, asked on any of its nodes: the host asks all guests and joins their answers, a guest asks the
 * host. A node that does not answer soon is left out; the rest is shown.
 */

import { type JobStatus, joinStatuses, type StatusRequest } from "../view/status.ts";
import { decodeTalk, encodeTalk, type StatusMessage, type StatusTalk } from "../view/status_messages.ts";

export interface RelayParts {
  /** How this node stands; null: it can't be told yet. */
  readonly own: (request: StatusRequest) => JobStatus | null;
  /** The guests, where this node hosts; null: it does not. */
  readonly guests: () => readonly string[] | null;
  readonly tellNode: (nodeId: string, message: StatusMessage) => void;
  /** Does nothing while there is no session with a host. */
  readonly tellHost: (message: StatusMessage) => void;
}

/** A round trip over the slowest of links, and no longer than a person waits gladly. */
const GUEST_LIMIT_MS = 1_000;
/** A host may have to wait for its guests. */
const HOST_LIMIT_MS = 2 * GUEST_LIMIT_MS;

/** Answers that are still to come. */
interface Question {
  readonly waitsFor: Set<string>;
  readonly told: JobStatus[];
  readonly done: () => void;
}

/** The only one that a guest waits for. */
const HOST = "";

export class StatusRelay {
  readonly #parts: RelayParts;
  readonly #questions = new Map<number, Question>();
  #lastId = 0;

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /** The whole job's status as far as it can be had; null: not even this node's. */
  async status(request: StatusRequest): Promise<JobStatus | null> {
    const guests = this.#parts.guests();
    if (guests === null) {
      const [whole] = await this.#ask(
        [HOST],
        HOST_LIMIT_MS,
        (id) => this.#parts.tellHost(encodeTalk({ kind: "ask", id, request })),
      );
      return whole ?? this.#parts.own(request);
    }
    const told = await this.#ask(guests, GUEST_LIMIT_MS, (id) => {
      for (const nodeId of guests) this.#parts.tellNode(nodeId, encodeTalk({ kind: "asked", id, request }));
    });
    const own = this.#parts.own(request);
    return own === null ? null : joinStatuses(own, told);
  }

  /** As the host: whether what a node or a viewer said was about status. */
  hearNode(nodeId: string, message: StatusMessage): boolean {
    const talk = decodeTalk(message);
    if (talk?.kind === "ask") void this.#answer(nodeId, talk);
    else if (talk?.kind === "told") this.#hear(nodeId, talk);
    return talk !== null;
  }

  /** As a guest: whether what the host said was about status. */
  hearHost(message: StatusMessage): boolean {
    const talk = decodeTalk(message);
    if (talk?.kind === "asked") {
      const { id, request } = talk;
      this.#parts.tellHost(encodeTalk({ kind: "told", id, status: this.#parts.own(request) }));
    } else if (talk?.kind === "answer") {
      this.#hear(HOST, talk);
    }
    return talk !== null;
  }

  async #answer(nodeId: string, { id, request }: StatusTalk & { kind: "ask" | "asked" }): Promise<void> {
    const status = await this.status(request);
    this.#parts.tellNode(nodeId, encodeTalk({ kind: "answer", id, status }));
  }

  #hear(from: string, { id, status }: StatusTalk & { kind: "told" | "answer" }): void {
    const question = this.#questions.get(id);
    if (question === undefined || !question.waitsFor.delete(from)) return;
    if (status !== null) question.told.push(status);
    if (question.waitsFor.size === 0) question.done();
  }

  async #ask(
    whom: readonly string[],
    limitMs: number,
    send: (id: number) => void,
  ): Promise<readonly JobStatus[]> {
    if (whom.length === 0) return [];
    const id = ++this.#lastId;
    const told: JobStatus[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((done) => {
      this.#questions.set(id, { waitsFor: new Set(whom), told, done });
      timer = setTimeout(done, limitMs);
      send(id);
    });
    clearTimeout(timer);
    this.#questions.delete(id);
    return told;
  }
}
