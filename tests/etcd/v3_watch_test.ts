import { assertEquals, assertThrows } from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { WatchCursor, type WatchNews } from "../../lib/etcd/v3_watch.ts";
import { EtcdFormatError } from "../../lib/etcd/v3_wire.ts";

const line = (result: object) => `${JSON.stringify({ result })}\n`;
const header = (revision: number) => ({ revision: String(revision) });
const created = (revision: number) => line({ header: header(revision), created: true });

function event(revision: number, value: string | null): object {
  const kv = {
    key: utf8("/k").toBase64(),
    mod_revision: String(revision),
    create_revision: String(revision),
  };
  return value === null ? { type: "DELETE", kv } : { kv: { ...kv, value: utf8(value).toBase64() } };
}

const events = (revision: number, ...all: object[]) => line({ header: header(revision), events: all });

function told(news: readonly WatchNews[]): string {
  return news.map((one) =>
    one.kind === "changes"
      ? one.changes.map(({ revision, value }) =>
        `${revision}:${value === null ? "-" : fromUtf8(value.value)}`
      ).join(" ")
      : JSON.stringify(one)
  ).join(" ");
}

function from(cursor: WatchCursor): string {
  return JSON.parse(cursor.request().body).create_request.start_revision;
}

Deno.test("WatchCursor tells each change once, whatever the pieces in which they come", () => {
  const whole = created(5) + events(6, event(6, "a")) + events(8, event(7, "b"), event(8, null));
  for (const size of [1, 7, 1000]) {
    const cursor = new WatchCursor("/k", 6);
    const news: WatchNews[] = [];
    for (let at = 0; at < whole.length; at += size) news.push(...cursor.push(whole.slice(at, at + size)));
    assertEquals(told(news), "6:a 7:b 8:-");
    assertEquals(cursor.nextRevision, 9);
  }
});

Deno.test("WatchCursor goes on after the last change, and drops what a new connection says again", () => {
  const cursor = new WatchCursor("/k", 1);
  assertEquals(from(cursor), "1");
  cursor.push(created(9) + events(3, event(3, "a")) + '{"result":{"header":{"rev');
  assertEquals(from(cursor), "4", "the store being at 9 does not mean that all up to it was sent");
  assertEquals(told(cursor.push(created(9) + events(5, event(3, "a"), event(5, "b")))), "5:b");
});

Deno.test("WatchCursor takes a sign of progress for what it is", () => {
  const cursor = new WatchCursor("/k", 2);
  assertEquals(cursor.push(created(2) + line({ header: header(40) })), []);
  assertEquals(cursor.nextRevision, 41);
});

Deno.test("WatchCursor tells a forgotten past from an ended watch", () => {
  const cancelled = { header: { member_id: "1" }, canceled: true };
  assertEquals(new WatchCursor("/k", 1).push(created(3) + line({ ...cancelled, compact_revision: "3" })), [
    { kind: "compacted", revision: 3 },
  ]);
  assertEquals(new WatchCursor("/k", 1).push(line({ ...cancelled, cancel_reason: "no leader" })), [
    { kind: "cancelled", text: "no leader" },
  ]);
  assertEquals(
    new WatchCursor("/k", 1).push('{"error":{"grpc_code":14,"message":"etcdserver: no leader"}}\n'),
    [
      { kind: "cancelled", text: "etcdserver: no leader" },
    ],
  );
});

Deno.test("WatchCursor refuses what is no watch", () => {
  assertThrows(() => new WatchCursor("/k", 1).push("<html>\n"), EtcdFormatError);
  assertThrows(() => new WatchCursor("/k", 1).push("x".repeat(5 << 20)), EtcdFormatError, "without end");
});
