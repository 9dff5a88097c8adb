/** Asks the host of a job on another machine how the job stands, over the control channel at the job's endpoint. */

import { VERSION } from "../core/version.ts";
import { viewerId } from "../store/control_identity.ts";
import { ControlSecret } from "../store/control_secret.ts";
import type { JobStatus, StatusRequest } from "../view/status.ts";
import { decodeTalk, encodeTalk } from "../view/status_messages.ts";
import { ControlLink, type ControlLinkEvent } from "./control_link.ts";
import { endText, splitAddress } from "./fleet_setup.ts";
import { SECRET_VARIABLE } from "./meeting.ts";
import type { StatusAsker } from "./status_client.ts";

const CONNECT_MS = 5_000;
/** The host waits for its guests for 1 s. */
const ANSWER_LIMIT_MS = 5_000;
const SENT_AWAY =
  "sent this viewer away: a job without a secret is shown to its own machines only, and one that ends to nobody; " +
  "start it with --job-secret-file and set MUSTER_JOB_SECRET here, or ask on one of its nodes";
const HEARTBEAT = { intervalMs: 2_000, silenceMs: 10_000 };

export class StatusLink implements StatusAsker {
  readonly #link: ControlLink;
  readonly #waiting = new Map<number, (status: JobStatus | null) => void>();
  #lastId = 0;
  #problem: string | null = null;

  /** `address`: HOST:PORT. */
  constructor(address: string) {
    this.#link = new ControlLink({
      ...splitAddress(address),
      self: {
        version: VERSION,
        jobId: "",
        nodeId: viewerId(crypto.randomUUID()),
        epoch: 0,
        hostAddress: "",
        settingsHash: "",
        settingsText: "",
      },
      secret: ControlSecret.of(Deno.env.get(SECRET_VARIABLE) ?? ""),
      heartbeat: HEARTBEAT,
      connectMs: CONNECT_MS,
      onEvent: (event) => this.#onEvent(event),
    });
  }

  /** Why there is no answer, a clause without subject; null: the host answers, or has not been heard of yet. */
  get problem(): string | null {
    return this.#problem;
  }

  async ask(request: StatusRequest): Promise<JobStatus | null> {
    if (this.#problem !== null) return null;
    const id = ++this.#lastId;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const status = await new Promise<JobStatus | null>((resolve) => {
      this.#waiting.set(id, resolve);
      timer = setTimeout(() => {
        this.#problem ??= "does not answer";
        resolve(null);
      }, CONNECT_MS + ANSWER_LIMIT_MS);
      this.#link.send(encodeTalk({ kind: "ask", id, request }));
    });
    clearTimeout(timer);
    this.#waiting.delete(id);
    return status;
  }

  close(): void {
    this.#link.close();
  }

  #onEvent(event: ControlLinkEvent): void {
    if (event.kind === "message") {
      const talk = decodeTalk(event.message);
      if (talk?.kind === "answer") this.#waiting.get(talk.id)?.(talk.status);
    } else if (event.kind === "ended") {
      this.#problem ??= event.end.kind === "refused"
        ? event.end.refusal.detail
        : event.end.kind === "goodbye"
        ? SENT_AWAY
        : endText(event.end);
      for (const resolve of this.#waiting.values()) resolve(null);
    }
  }
}
