import { assertEquals } from "@std/assert";
import { type EpollHandler, type EpollReactor, epollReactor } from "../../lib/host/epoll_reactor.ts";
import { socketTest } from "./socket_case.ts";

const EFD_CLOEXEC_NONBLOCK = 0o2004000;

/** Runs `body` with a descriptor that is readable at once, and closes that. */
async function withReadable(body: (reactor: EpollReactor, descriptor: number) => Promise<void>) {
  const reactor = epollReactor()!;
  const descriptor = reactor.calls.eventfd(1, EFD_CLOEXEC_NONBLOCK);
  try {
    await body(reactor, descriptor);
  } finally {
    reactor.remove(descriptor);
    reactor.calls.close(descriptor);
  }
}

function onLinux(name: string, fn: () => Promise<void>): void {
  socketTest(name, fn, epollReactor() === null);
}

onLinux(
  "EpollReactor tells of every change once, and comes again to who asks",
  () =>
    withReadable(async (reactor, descriptor) => {
      const told: string[] = [];
      let { promise, resolve } = Promise.withResolvers<void>();
      const handler: EpollHandler = {
        onEvents: (events) => {
          told.push(`events ${events}`);
          reactor.again(handler);
        },
        onAgain: () => {
          told.push("again");
          reactor.atBatchEnd(handler);
        },
        onBatchEnd: () => {
          told.push("end");
          resolve();
        },
      };
      reactor.add(descriptor, handler);
      await promise;
      ({ promise, resolve } = Promise.withResolvers<void>());
      // From outside, also once a thread waits.
      await new Promise((resolve) => setTimeout(resolve, 10));
      reactor.again(handler);
      await promise;
      assertEquals(told, ["events 1", "again", "end", "again", "end"]);
    }),
);

onLinux(
  "EpollReactor lets everything else go on while its traffic never ends",
  () =>
    withReadable(async (reactor, descriptor) => {
      let turns = 0;
      const handler: EpollHandler = {
        onEvents: () => reactor.again(handler),
        onAgain: () => {
          turns++;
          reactor.again(handler);
        },
        onBatchEnd: () => {},
      };
      reactor.add(descriptor, handler);
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const [accepted, connected] = await Promise.all([
        listener.accept(),
        Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
      ]);
      await new Promise((resolve) => setTimeout(resolve, 5));
      assertEquals(turns > 0, true);
      handler.onAgain = () => {};
      for (const each of [accepted, connected, listener]) each.close();
    }),
);

onLinux(
  "EpollReactor goes on when what it told of was closed by another's turn",
  () =>
    withReadable(async (reactor, descriptor) => {
      const others = [0, 1].map(() => reactor.calls.eventfd(1, EFD_CLOEXEC_NONBLOCK));
      const told: number[] = [];
      const { promise, resolve } = Promise.withResolvers<void>();
      for (const [index, own] of others.entries()) {
        reactor.add(own, {
          onEvents: () => {
            told.push(index);
            for (const each of others.splice(0)) reactor.close(each);
            resolve();
          },
          onAgain: () => {},
          onBatchEnd: () => {},
        });
      }
      reactor.add(descriptor, { onEvents: () => {}, onAgain: () => {}, onBatchEnd: () => {} });
      await promise;
      await new Promise((resolve) => setTimeout(resolve, 5));
      assertEquals(told.length, 1);
    }),
);
