/**
 * Status over the control channel: a guest or a viewer asks the host, the host asks all guests, and joins what they tell.
 * The types are beside those of `rendezvous/message_codec.ts`, and like those never used anew; a payload is a number that
 * comes back with the answer, a newline, and the text of `status.ts`.
 */

import { fromUtf8, utf8 } from "../core/bytes.ts";
import {
  decodeStatus,
  decodeStatusRequest,
  encodeStatus,
  encodeStatusRequest,
  type JobStatus,
  type StatusRequest,
} from "./status.ts";

export interface StatusMessage {
  readonly type: number;
  readonly payload: Uint8Array;
}

const TYPES = { ask: 16, told: 17, asked: 48, answer: 49 } as const;

export type StatusTalk =
  /** To the host: how does the job stand? `asked`: the host to a guest: how does your node? */
  | { readonly kind: "ask" | "asked"; readonly id: number; readonly request: StatusRequest }
  /** A guest to the host; null: it can't tell yet. `answer`: the host to who asked. */
  | { readonly kind: "told" | "answer"; readonly id: number; readonly status: JobStatus | null };

export function encodeTalk(talk: StatusTalk): StatusMessage {
  const text = "request" in talk
    ? encodeStatusRequest(talk.request)
    : talk.status === null
    ? ""
    : encodeStatus(talk.status);
  return { type: TYPES[talk.kind], payload: utf8(`${talk.id}\n${text}`) };
}

/** Null: the message is about something else. What can't be read is an answer without a status, or asks for nothing. */
export function decodeTalk({ type, payload }: StatusMessage): StatusTalk | null {
  const kind = (Object.keys(TYPES) as (keyof typeof TYPES)[]).find((name) => TYPES[name] === type);
  if (kind === undefined) return null;
  const text = fromUtf8(payload);
  const newline = text.indexOf("\n");
  const id = Number(text.slice(0, Math.max(0, newline)));
  const rest = text.slice(newline + 1);
  if (kind === "told" || kind === "answer") return { kind, id, status: decodeStatus(rest) };
  return { kind, id, request: decodeStatusRequest(rest) ?? { lastLines: [], output: null } };
}
