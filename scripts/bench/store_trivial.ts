/**
 * A server that answers by length alone, on the load program's own sockets: what the load program can ask of any
 * server written like this is its ceiling. Prints its port; takes the script of client 0 for everybody's.
 *
 *     store_trivial.ts getAdd
 */

import { HANDSHAKE } from "../../lib/store/wire.ts";
import { type LoadName, scriptOf } from "./store_script.ts";
import { accept, close, Epoll, listenOnLoopback, READABLE, receive, send } from "./store_sockets.ts";

interface Peer {
  index: number;
  /** Bytes that are still to come of the next exchange. */
  dueBytes: number;
}

const script = scriptOf(Deno.args[0] as LoadName, 0);
const peers = new Map<number, Peer>();
const epoll = new Epoll();
const listener = listenOnLoopback();
const buffer = new Uint8Array(256 * 1024);
const zeros = new Uint8Array(256 * 1024);
epoll.add(listener.socket, READABLE);
console.log(listener.port);

while (true) {
  const count = epoll.wait(-1);
  for (let event = 0; event < count; event++) {
    const socket = epoll.socketOf(event);
    if (socket === listener.socket) {
      const accepted = accept(socket);
      if (accepted < 0) continue;
      peers.set(accepted, { index: 0, dueBytes: HANDSHAKE.length + script(0)!.bytes.length });
      epoll.add(accepted, READABLE);
    } else {
      serve(socket, peers.get(socket)!);
    }
  }
}

function serve(socket: number, peer: Peer): void {
  let left = receive(socket, buffer);
  if (left <= 0) {
    if (left === 0) close(socket);
    return;
  }
  let replyBytes = 0;
  while (left >= peer.dueBytes) {
    left -= peer.dueBytes;
    replyBytes += script(peer.index++)!.replyBytes;
    peer.dueBytes = script(peer.index)?.bytes.length ?? Infinity;
  }
  peer.dueBytes -= left;
  for (let start = 0; start < replyBytes;) {
    start += Math.max(0, send(socket, zeros.subarray(start, replyBytes)));
  }
}
