/** Every operation of our store client, against whatever serves the store at a port. */

import { assertEquals, assertRejects } from "@std/assert";
import {
  type Dialect,
  StoreClient,
  StoreOperationError,
  StoreTimeoutError,
} from "../../lib/host/store_client.ts";
import type { RequestKind } from "../../lib/store/wire.ts";

export interface ServerAtPort {
  readonly port: number;
  readonly dialect: Dialect;
  /** Operations that this server lacks. */
  readonly lacks: ReadonlySet<RequestKind>;
}

const SHORT = { timeoutMs: 100 };

/** Does all that the server has, and sees that the rest is refused where the generation tells. */
export async function doEveryOperation({ port, dialect, lacks }: ServerAtPort): Promise<void> {
  const address = { host: "127.0.0.1", port, timeoutMs: 20_000, dialect };
  const store = await StoreClient.connect(address);
  const other = await StoreClient.connect(address);
  try {
    await doKeys(store);
    await doWaits(store, other);
    if (lacks.has("append")) await assertRejects(() => store.append("k", "!"), StoreOperationError, "append");
    else await doLists(store, other);
    if (!lacks.has("listKeys")) await doListingAndBarriers(store, other);
    if (!lacks.has("queuePush")) await doQueues(store, other);
  } finally {
    store.close();
    other.close();
  }
}

async function doKeys(store: StoreClient): Promise<void> {
  await store.set("k", "v");
  assertEquals(await store.getText("k"), "v");
  const long = new Uint8Array(1_000_000).fill(7);
  await store.set("long", long);
  assertEquals(await store.get("long"), long);
  assertEquals(await store.add("n", -3), -3);
  assertEquals(await store.addInt64("n", 2n ** 53n), 2n ** 53n - 3n);
  assertEquals(text(await store.compareSet("k", "v", "w")), "w");
  assertEquals(text(await store.compareSet("k", "v", "x")), "w");
  assertEquals(text(await store.compareSet("made", "", "x")), "x");
  assertEquals(await store.check(["k", "n"]), true);
  assertEquals(await store.check(["k", "absent"]), false);
  assertEquals(await store.delete("made"), true);
  assertEquals(await store.delete("made"), false);
  assertEquals(await store.prefixed("p").check(["k"]), false);
  const before = await store.countKeys();
  await store.prefixed("p").set("k", "inner");
  assertEquals(await store.getText("p/k"), "inner");
  assertEquals(await store.countKeys(), before + 1);
}

/** More waits than the client has connections for; and time-outs, after which everything goes on. */
async function doWaits(store: StoreClient, other: StoreClient): Promise<void> {
  const numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const later = Promise.all(numbers.map((n) => store.getText(`later${n}`)));
  for (const n of [...numbers].reverse()) await other.set(`later${n}`, String(n));
  assertEquals(await later, numbers.map(String));
  for (let round = 0; round < 2; round++) {
    await assertRejects(() => store.wait(["never", "k"], SHORT), StoreTimeoutError, "never");
    await assertRejects(() => store.get("never", SHORT), StoreTimeoutError, "never");
  }
  assertEquals(await store.getText("k"), "w");
}

async function doLists(store: StoreClient, other: StoreClient): Promise<void> {
  await store.multiSet([["m1", "1"], ["m2", "2"]]);
  assertEquals((await store.multiGet(["m2", "m1"])).map(text), ["2", "1"]);
  const both = store.multiGet(["m3", "m1"]);
  await other.multiSet([["m3", "3"]]);
  assertEquals((await both).map(text), ["3", "1"]);
  await store.append("k", "!");
  assertEquals(await store.getText("k"), "w!");
}

async function doListingAndBarriers(store: StoreClient, other: StoreClient): Promise<void> {
  await store.ping();
  assertEquals((await store.listKeys()).includes("later10"), true);
  assertEquals(await store.prefixed("p").listKeys(), ["k"]);
  const through = store.barrier("b", 2);
  await other.barrier("b", 2);
  await through;
  await assertRejects(() => store.barrier("alone", 2, SHORT), StoreTimeoutError, "alone");
}

async function doQueues(store: StoreClient, other: StoreClient): Promise<void> {
  const popped = store.queuePop("q");
  await other.queuePush("q", "job");
  assertEquals(text((await popped)!), "job");
  assertEquals(await store.queueLength("q"), 0);
  assertEquals(await store.queuePop("q", { timeoutMs: 0 }), null);
  await assertRejects(() => store.queuePop("q", SHORT), StoreTimeoutError, "q");
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
