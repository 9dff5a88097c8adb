import { assertEquals, assertThrows } from "@std/assert";
import { SystemError } from "../../lib/core/errors.ts";
import { listenTcp, reservePort } from "../../lib/host/listener.ts";

Deno.test("listenTcp() binds only where told", () => {
  const listener = listenTcp("127.0.0.1", 0);
  assertEquals(listener.addr.hostname, "127.0.0.1");
  listener.close();
});

Deno.test({
  name: "listenTcp() raises the backlog to the system's maximum",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const listener = listenTcp("127.0.0.1", 0);
    // Connections above the backlog get no answer until some are accepted, so these would never come about.
    const somaxconn = Number(Deno.readTextFileSync("/proc/sys/net/core/somaxconn"));
    const wanted = Math.min(700, somaxconn);
    const waiting = await Promise.all(
      Array.from({ length: wanted }, () => Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port })),
    );
    assertEquals(waiting.length, wanted);
    for (const connection of waiting) connection.close();
    listener.close();
  },
});

Deno.test("listenTcp() names the address and the way out when it can't be bound", () => {
  assertThrows(() => listenTcp("192.0.2.1", 0), SystemError, "Cannot listen on 192.0.2.1:0: ");
});

Deno.test({
  name: "reservePort() holds a port that nobody is given, and on which who asks for it may listen",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    const reserved = reservePort({ host: "127.0.0.1", port: 0 });
    const listener = listenTcp("127.0.0.1", reserved.port);
    assertEquals(listener.addr.port, reserved.port);
    assertThrows(
      () => reservePort({ host: "127.0.0.1", port: reserved.port }),
      SystemError,
      "the port is in use",
    );
    listener.close();
    reserved.release();
  },
});
