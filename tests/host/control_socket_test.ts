import { assert, assertEquals } from "@std/assert";
import { ControlSocket } from "../../lib/host/control_socket.ts";

/** Two ends of a connection, of which the first is a `ControlSocket`; `body` may leave both open. */
async function pair(
  unwrittenBytesMax: number,
  body: (it: ControlSocket, other: Deno.TcpConn, ended: Promise<void>) => Promise<void>,
): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [other, socket] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  const { promise, resolve } = Promise.withResolvers<void>();
  const it = new ControlSocket(socket, { unwrittenBytesMax, onBytes: () => {}, onEnd: resolve });
  try {
    await body(it, other, promise);
  } finally {
    it.destroy();
    other.close();
  }
}

Deno.test("ControlSocket.close() lets what was written arrive first, whatever the other side still sends", () =>
  pair(1e9, async (it, other, ended) => {
    it.write(new Uint8Array(3_000_000).fill(1));
    it.write(new Uint8Array([2]));
    it.close();
    it.write(new Uint8Array([3]));
    await other.write(new Uint8Array(1000));
    let length = 0, last = 0;
    const buffer = new Uint8Array(65536);
    for (let count = await other.read(buffer); count !== null; count = await other.read(buffer)) {
      length += count;
      last = buffer[count - 1]!;
    }
    assertEquals([length, last], [3_000_001, 2]);
    await other.closeWrite();
    await ended;
  }));

Deno.test("ControlSocket cuts off who does not take what is written to it", () =>
  pair(1_000_000, async (it, _other, ended) => {
    let hasEnded = false;
    const end = ended.then(() => void (hasEnded = true));
    let written = 0;
    // The system's own buffers take some; then ours fills up.
    while (!hasEnded && written < 100_000_000) {
      it.write(new Uint8Array(100_000));
      written += 100_000;
      await new Promise((resolve) => setTimeout(resolve));
    }
    assert(hasEnded, "it was never cut off");
    await end;
  }));

Deno.test("ControlSocket tells the end when the other side closes, and not when it is destroyed", () =>
  pair(1000, async (it, other, ended) => {
    await other.closeWrite();
    await ended;
    it.destroy();
    await pair(1000, async (inner, innerOther, innerEnded) => {
      let hasEnded = false;
      innerEnded.then(() => hasEnded = true);
      inner.destroy();
      assertEquals(await innerOther.read(new Uint8Array(1)), null);
      assertEquals(hasEnded, false);
    });
  }));
