import { assertEquals, assertRejects } from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { FileStore, FileStoreError } from "../../lib/host/file_store.ts";

async function withFile(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "muster-file-store-" });
  try {
    await body(`${folder}/store`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("FileStore writes keys and values as PyTorch's does", () =>
  withFile(async (path) => {
    const store = await FileStore.open(path, "job");
    await store.set("a", utf8("xyz"));
    const text = "/torch.rendezvous.job", sentinel = "Y2FuaW1hZGFt";
    const wanted = [text, sentinel, "/a", "xyz"].map((part) =>
      `${String.fromCharCode(part.length)}\0\0\0${part}`
    );
    assertEquals(await Deno.readTextFile(path), wanted.join(""));
  }));

Deno.test("FileStore: of two that write the record at once, one is first, and the other is told", () =>
  withFile(async (path) => {
    const stores = await Promise.all([FileStore.open(path, "job"), FileStore.open(path, "job")]);
    assertEquals(await stores[0]!.read(), null);
    const writes = await Promise.all(stores.map((store, index) => store.write(Uint8Array.of(index), null)));
    assertEquals(writes.map(({ written }) => written).sort(), [false, true]);
    const [first, second] = writes.map(({ state }) => state!);
    assertEquals(first, second);
    const again = await stores[1]!.write(Uint8Array.of(7), first!.token);
    assertEquals([again.written, (await stores[0]!.read())!.bytes], [true, Uint8Array.of(7)]);
  }));

Deno.test("FileStore counts, waits for keys, and says which are there", () =>
  withFile(async (path) => {
    const [a, b] = await Promise.all([FileStore.open(path, "job"), FileStore.open(path, "job")]);
    await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 ? a : b).add("n", 1)));
    assertEquals(await a.add("n", 0), 20);
    const waiting = b.get(["k", "n"], 10_000);
    await a.set("k", utf8("v"));
    assertEquals((await waiting)!.map(fromUtf8), ["v", "20"]);
    assertEquals((await b.look(["k", "x"])).map((value) => value && fromUtf8(value)), ["v", null]);
    assertEquals(await b.get(["x"], 1), null);
  }));

Deno.test("FileStore refuses what is no store's file, and a file that was replaced", () =>
  withFile(async (path) => {
    await Deno.writeTextFile(path, "hello, world");
    await assertRejects(() => FileStore.open(path, "job"), FileStoreError, "no file of PyTorch's store");
    await Deno.remove(path);
    const store = await FileStore.open(path, "job");
    await Deno.truncate(path, 0);
    await assertRejects(() => store.read(), FileStoreError, "replaced");
    assertEquals(store.lossText(new FileStoreError("x")), "x");
  }));
