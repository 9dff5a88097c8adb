/**
 * Requests and replies to bytes, into an `OutputQueue`. Each direction's other half is `request_decoder.ts` and
 * `reply_decoder.ts`.
 */

import { assert, unreachable } from "../core/assert.ts";
import type { OutputQueue } from "./output_queue.ts";
import { type Dialect, OPERATIONS, type Reply, type Request } from "./wire.ts";

const STOP_WAITING = 0;
const WAIT_CANCELED = 1;
const READY = 0;
const NOT_READY = 1;

/** Writes `request` as the clients of a generation do, which must have it. */
export function encodeRequest(output: OutputQueue, request: Request, dialect: Dialect = "c"): void {
  const opcode = OPERATIONS[dialect].indexOf(request.kind);
  assert(opcode >= 0, `Generation ${dialect} has no ${request.kind}`);
  output.uint8(opcode);
  switch (request.kind) {
    case "set":
    case "append":
    case "queuePush":
      output.sized(request.key);
      output.sized(request.value);
      return;
    case "compareSet":
      output.sized(request.key);
      output.sized(request.expected);
      output.sized(request.desired);
      return;
    case "get":
    case "delete":
    case "queuePop":
    case "queueLength":
      output.sized(request.key);
      return;
    case "add":
      output.sized(request.key);
      output.int64(request.delta);
      return;
    case "barrier":
      output.sized(request.key);
      output.int64(request.worldSize);
      return;
    case "check":
    case "wait":
    case "multiGet":
      output.uint53(request.keys.length);
      for (const key of request.keys) output.sized(key);
      return;
    case "multiSet":
      output.uint53(request.entries.length);
      for (const [key, value] of request.entries) {
        output.sized(key);
        output.sized(value);
      }
      return;
    case "ping":
      output.uint32(request.nonce);
      return;
    case "countKeys":
    case "listKeys":
    case "cancelWait":
      return;
    default:
      unreachable(request);
  }
}

export function encodeReply(output: OutputQueue, reply: Reply): void {
  switch (reply.kind) {
    case "value":
      output.sized(reply.value);
      return;
    case "values":
      for (const value of reply.values) output.sized(value);
      return;
    case "integer":
      output.int64(reply.value);
      return;
    case "checked":
      encodeChecked(output, reply.areAllPresent);
      return;
    case "waitEnded":
      output.uint8(reply.wasCancelled ? WAIT_CANCELED : STOP_WAITING);
      return;
    case "pong":
      output.uint32(reply.nonce);
      return;
    case "popped":
      output.uint53(reply.count);
      if (reply.value !== undefined) output.sized(reply.value);
      return;
    case "keys":
      output.uint53(reply.keys.length);
      for (const key of reply.keys) output.sized(key);
      return;
    default:
      unreachable(reply);
  }
}

export function encodeChecked(output: OutputQueue, areAllPresent: boolean): void {
  output.uint8(areAllPresent ? READY : NOT_READY);
}
