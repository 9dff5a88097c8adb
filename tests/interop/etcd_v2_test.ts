import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { EtcdCluster } from "../../lib/host/etcd_cluster.ts";
import { EtcdV2, EtcdV2Error } from "../../lib/host/etcd_v2.ts";
import { EtcdV2Keys } from "../../lib/host/etcd_v2_keys.ts";
import { EtcdV2Record } from "../../lib/host/etcd_v2_record.ts";
import { EtcdMembers, etcdTest, runWithPythonEtcd, torchEtcdTest } from "./etcd_members.ts";
import { freePort } from "./harness.ts";

const LIMIT_MS = 20_000;
const DIRECTORY = "/torch/elastic/store";

function clientOf(etcd: EtcdMembers) {
  const cluster = new EtcdCluster(etcd.urls), client = new EtcdV2(cluster, { limitMs: LIMIT_MS });
  const close = () => {
    client.close();
    cluster.close();
  };
  return { client, cluster, close };
}

etcdTest("etcd v2: the record is replaced only where it is the one that was read", async () => {
  await using etcd = await EtcdMembers.start();
  const { client, close } = clientOf(etcd);
  try {
    const record = new EtcdV2Record(client, "job 1/x");
    assertEquals(await record.read(), null);
    const first = await record.write(new Uint8Array([1, 0, 255]), null);
    assert(first.written);
    assertEquals(await record.read(), { bytes: new Uint8Array([1, 0, 255]), token: first.state!.token });
    assertEquals((await record.write(new Uint8Array([2]), null)).written, false, "there is one already");
    const second = await record.write(new Uint8Array([3]), first.state!.token);
    assert(second.written);
    assertEquals(await record.write(new Uint8Array([4]), first.state!.token), {
      written: false,
      state: second.state,
    });
    // Its answer lost, a write is repeated: the value is there.
    assertEquals(await record.write(new Uint8Array([3]), first.state!.token), {
      written: true,
      state: second.state,
    });
  } finally {
    close();
  }
});

etcdTest("etcd v2: reading again waits for a change, and only as long as was said", async () => {
  await using etcd = await EtcdMembers.start();
  const { client, close } = clientOf(etcd);
  try {
    const record = new EtcdV2Record(client, "j");
    const { state } = await record.write(utf8("a"), null);
    assertEquals(await record.read(state!.token, 50), state, "nothing changed");
    const changed = record.read(state!.token, LIMIT_MS);
    await record.write(utf8("b"), state!.token);
    assertEquals((await changed)?.bytes, utf8("b"));
    const appeared = new EtcdV2Record(client, "k").read(null, LIMIT_MS);
    await new EtcdV2Record(client, "k").write(utf8("c"), null);
    assertEquals((await appeared)?.bytes, utf8("c"));
  } finally {
    close();
  }
});

etcdTest("etcd v2: keys are set, waited for, looked at and added to", async () => {
  await using etcd = await EtcdMembers.start();
  const { client, close } = clientOf(etcd);
  try {
    const keys = new EtcdV2Keys(client, DIRECTORY);
    assertEquals(await keys.get(["none"], 50), null);
    const both = keys.get(["x/1", "x/2"], LIMIT_MS);
    keys.set("x/2", utf8("two"));
    keys.set("x/1", utf8("one"));
    assertEquals((await both)?.map(fromUtf8), ["one", "two"]);
    assertEquals((await keys.look(["x/1", "none"])).map((value) => value && fromUtf8(value)), ["one", null]);
    const sums = await Promise.all(Array.from({ length: 10 }, () => keys.add("n", 2)));
    assertEquals(sums.sort((a, b) => a - b), [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
  } finally {
    close();
  }
});

etcdTest("etcd v2: a member killed in the middle costs nothing but time", async () => {
  await using etcd = await EtcdMembers.start({ members: 3 });
  const { client, close } = clientOf(etcd);
  try {
    const keys = new EtcdV2Keys(client, DIRECTORY), record = new EtcdV2Record(client, "j");
    let { state } = await record.write(utf8("0"), null);
    const waited = keys.get(["late"], LIMIT_MS), changed = record.read(state!.token, LIMIT_MS);
    await etcd.kill(0);
    for (let index = 1; index <= 5; index++) {
      const next = await record.write(utf8(String(index)), state!.token);
      assert(next.written, `write ${index}`);
      state = next.state;
    }
    await keys.set("late", utf8("here"));
    assertEquals((await waited)?.map(fromUtf8), ["here"]);
    assert((await changed) !== null);
  } finally {
    close();
  }
});

etcdTest("etcd v2: a cluster without the v2 API is told from one that is not there", async () => {
  await using etcd = await EtcdMembers.start({ v2: false });
  const { client, close } = clientOf(etcd);
  try {
    await assertRejects(() => new EtcdV2Record(client, "j").read(), EtcdV2Error, "--enable-v2");
  } finally {
    close();
  }
  const url = `http://127.0.0.1:${freePort()}`, cluster = new EtcdCluster([url]);
  const error = await assertRejects(
    () => new EtcdV2Record(new EtcdV2(cluster, { limitMs: 100 }), "j").read(),
    EtcdV2Error,
  );
  assertStringIncludes(error.message, `${url} (connection refused); tried for 100 ms`);
  cluster.close();
});

torchEtcdTest(
  "etcd v2: PyTorch reads the record and the keys that we write, and we those that it writes",
  async () => {
    await using etcd = await EtcdMembers.start();
    const { client, close } = clientOf(etcd);
    try {
      const record = new EtcdV2Record(client, "job"), keys = new EtcdV2Keys(client, DIRECTORY);
      const { state } = await record.write(utf8("from muster"), null);
      await keys.set("k/ours", utf8("1"));
      await keys.add("k/sum", 5);
      const said = await runWithPythonEtcd(`
from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous.etcd_rendezvous_backend import create_backend
backend, store = create_backend(RendezvousParameters("etcd-v2", "${etcd.endpoints}", "job", 1, 1))
state, token = backend.get_state()
print(state.decode(), store.get("k/ours").decode(), store.add("k/sum", 3))
store.set("k/theirs", "2")
print(backend.set_state(b"from torch", token)[2], backend.set_state(b"late", token)[2])
`);
      assertEquals(said, "from muster 1 8\nTrue False\n");
      assertEquals((await record.read(state!.token, 0))?.bytes, utf8("from torch"));
      assertEquals((await keys.look(["k/theirs", "k/sum"])).map((value) => fromUtf8(value!)), ["2", "8"]);
    } finally {
      close();
    }
  },
);
