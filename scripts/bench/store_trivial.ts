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
  readonly socket: number;
  index: number;
  /** Bytes that are still to come of the next exchange. */
  dueBytes: number;
  /** Of answers that are still to be sent. */
  replyBytes: number;
}

const script = scriptOf(Deno.args[0] as LoadName, 0);
const peers = new Map<number, Peer>();
const answered: Peer[] = [];
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
    if (socket === listener.socket) acceptAll();
    else read(socket, peers.get(socket)!);
  }
  // Reads in a row and writes in a row take less CPU than both in turns.
  for (const peer of answered) {
    for (let start = 0; start < peer.replyBytes;) {
      start += Math.max(0, send(peer.socket, zeros.subarray(start, peer.replyBytes)));
    }
    peer.replyBytes = 0;
  }
  answered.length = 0;
}

function acceptAll(): void {
  for (let socket = accept(listener.socket); socket >= 0; socket = accept(listener.socket)) {
    const dueBytes = HANDSHAKE.length + script(0)!.bytes.length;
    peers.set(socket, { socket, index: 0, dueBytes, replyBytes: 0 });
    epoll.add(socket, READABLE);
  }
}

function read(socket: number, peer: Peer): void {
  let length: number;
  do {
    length = receive(socket, buffer);
    if (length === 0) {
      peers.delete(socket);
      close(socket);
      return;
    }
    let left = Math.max(0, length);
    const before = peer.replyBytes;
    while (left >= peer.dueBytes) {
      left -= peer.dueBytes;
      peer.replyBytes += script(peer.index++)!.replyBytes;
      peer.dueBytes = script(peer.index)?.bytes.length ?? Infinity;
    }
    peer.dueBytes -= left;
    if (before === 0 && peer.replyBytes > 0) answered.push(peer);
  } while (length === buffer.length);
}
