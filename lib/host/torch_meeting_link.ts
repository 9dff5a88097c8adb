/**
 * Runs a `TorchMeeting` on a store that torchrun's agents share: operations out, answers in, news to the agent. The store
 * is this link's to close.
 */

import { utf8 } from "../core/bytes.ts";
import type { MeetingNews, MeetingRequest } from "../rendezvous/meeting.ts";
import { TorchStaticMeeting, type TorchStaticOptions } from "../rendezvous/torch_static_meeting.ts";
import { TorchMeeting } from "../rendezvous/torch_meeting.ts";
import type {
  TorchMeetingEffect,
  TorchMeetingEvent,
  TorchMeetingOptions,
} from "../rendezvous/torch_meeting_events.ts";
import type { StoreAnswer, StoreOperation } from "../rendezvous/torch_operations.ts";
import { Loop, type Machine } from "./loop.ts";
import type { RecordState, SharedStore } from "./shared_store.ts";

export interface MeetingLink {
  request(request: MeetingRequest): void;
  close(): void;
}

export interface MeetingCallbacks {
  readonly onNews: (news: MeetingNews) => void;
  readonly onSay: (level: "notice" | "warning", text: string) => void;
}

/** What the static and the dynamic meeting have in common. */
type TorchMachine = Machine<TorchMeetingEvent, TorchMeetingEffect>;

export function startTorchMeeting(
  options: TorchMeetingOptions,
  store: SharedStore,
  callbacks: MeetingCallbacks,
): MeetingLink {
  return linkMeeting(new TorchMeeting(options), store, callbacks);
}

/** The same for a static job. */
export function startTorchStaticMeeting(
  options: TorchStaticOptions,
  store: SharedStore,
  callbacks: MeetingCallbacks,
): MeetingLink {
  return linkMeeting(new TorchStaticMeeting(options), store, callbacks);
}

function linkMeeting(
  machine: TorchMachine,
  store: SharedStore,
  { onNews, onSay }: MeetingCallbacks,
): MeetingLink {
  let isClosed = false;
  const close = () => {
    if (isClosed) return;
    isClosed = true;
    loop.close();
    store.close();
  };
  const perform = (effect: TorchMeetingEffect) => {
    switch (effect.kind) {
      case "ask":
        return ask(effect.operation);
      case "say":
        return onSay(effect.level, effect.text);
      case "news":
        return onNews(effect.news);
    }
  };
  const loop = new Loop<TorchMeetingEvent, TorchMeetingEffect>(machine, { kind: "wakeup" }, perform);
  const ask = async (operation: StoreOperation) => {
    try {
      const answer = await carryOut(operation, store);
      if (answer !== null && !isClosed) loop.post(answer);
    } catch (error) {
      if (isClosed) return;
      const text = store.lossText(error);
      if (text === null) throw error;
      loop.post({ kind: "store-lost", text });
    }
  };
  return { request: (request) => loop.post(request), close };
}

async function carryOut(
  operation: StoreOperation,
  { record, keys }: SharedStore,
): Promise<StoreAnswer | null> {
  switch (operation.kind) {
    case "read-record": {
      const { ticket, token, afterMs } = operation;
      return answerWith(ticket, await record.read(token, afterMs), null);
    }
    case "write-record": {
      const { written, state } = await record.write(operation.bytes, operation.token);
      return answerWith(operation.ticket, state, written);
    }
    case "set-keys":
      await Promise.all(operation.entries.map(([key, value]) => keys.set(key, utf8(value))));
      return null;
    case "get-keys":
      return {
        kind: "values",
        ticket: operation.ticket,
        values: await keys.get(operation.keys, operation.limitMs),
      };
    case "look-keys":
      return { kind: "values", ticket: operation.ticket, values: await keys.look(operation.keys) };
    case "add-key":
      return { kind: "sum", ticket: operation.ticket, sum: await keys.add(operation.key, operation.amount) };
  }
}

function answerWith(ticket: number, state: RecordState | null, written: boolean | null): StoreAnswer {
  return { kind: "record", ticket, state, written, wall: Math.round(1000 * Date.now()) };
}
