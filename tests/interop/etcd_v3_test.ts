import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import type { Change } from "../../lib/etcd/v3_watch.ts";
import type { V3Answer, V3Operation } from "../../lib/etcd/v3_wire.ts";
import { EtcdCluster, EtcdUnreachableError } from "../../lib/host/etcd_cluster.ts";
import { type ElectionNews, EtcdElection } from "../../lib/host/etcd_election.ts";
import { EtcdRefusedError, EtcdV3, type WatchSink } from "../../lib/host/etcd_v3.ts";
import { freePort } from "./harness.ts";
import { EtcdMembers, etcdTest, makeCertificates } from "./etcd_members.ts";

const ATTEMPT_MS = 1000;

/** News in the order in which they came, to be waited for. */
class Inbox<News> {
  readonly all: News[] = [];
  /** All who wait: several may, as in a race. */
  readonly #waiting = new Set<() => void>();

  readonly put = (news: News) => {
    this.all.push(news);
    for (const wake of [...this.#waiting]) wake();
  };

  async first(isIt: (news: News) => boolean, from = 0, limitMs = 30_000): Promise<News> {
    const deadline = performance.now() + limitMs;
    while (true) {
      const found = this.all.slice(from).find(isIt);
      if (found !== undefined) return found;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`Did not come; came: ${JSON.stringify(this.all)}`);
      let timer: ReturnType<typeof setTimeout>;
      let wake!: () => void;
      await new Promise<void>((resolve) => {
        this.#waiting.add(wake = resolve);
        timer = setTimeout(resolve, left);
      });
      this.#waiting.delete(wake);
      clearTimeout(timer!);
    }
  }
}

async function run(client: EtcdV3, ...success: V3Operation[]): Promise<V3Answer & { kind: "transaction" }> {
  const answer = await client.ask({ kind: "transaction", compare: [], success, failure: [] }, ATTEMPT_MS);
  assert(answer.kind === "transaction");
  return answer;
}

const put = (key: string, value: string): V3Operation => ({ kind: "put", key, value: utf8(value) });
const text = (change: Change) => change.value === null ? null : new TextDecoder().decode(change.value.value);

/** The texts of a watch's changes; null for a deletion. */
function watchTexts(): { readonly inbox: Inbox<string | null | "broken">; readonly sink: WatchSink } {
  const inbox = new Inbox<string | null>();
  return {
    inbox,
    sink: (news) =>
      news.kind === "broken"
        ? inbox.put("broken")
        : news.changes.forEach((change) => inbox.put(text(change))),
  };
}

etcdTest("etcd v3: transactions, leases and what is refused", async () => {
  await using etcd = await EtcdMembers.start();
  const cluster = new EtcdCluster(etcd.urls), client = new EtcdV3(cluster);
  try {
    const first = await run(client, put("/a", "1"), { kind: "range", key: "/a" }, {
      kind: "range",
      key: "/none",
    });
    assertEquals(first.found.get("/a")?.value, utf8("1"));
    assertEquals(first.found.get("/a")?.createRevision, first.revision);
    assertEquals(first.found.get("/none"), null);

    const failed = await client.ask({
      kind: "transaction",
      compare: [{ key: "/a", createRevision: 0 }],
      success: [put("/a", "2")],
      failure: [{ kind: "range", key: "/a" }],
    }, ATTEMPT_MS);
    assert(failed.kind === "transaction" && !failed.succeeded);
    assertEquals(failed.found.get("/a")?.value, utf8("1"));

    const granted = await client.ask({ kind: "lease-grant", ttlSeconds: 5 }, ATTEMPT_MS);
    assert(granted.kind === "lease-grant" && granted.ttlSeconds === 5);
    await run(client, { kind: "put", key: "/leased", value: new Uint8Array([0, 255]), lease: granted.lease });
    const leased = await run(client, { kind: "range", key: "/leased" });
    assertEquals(leased.found.get("/leased")?.lease, granted.lease);
    assertEquals(leased.found.get("/leased")?.value, new Uint8Array([0, 255]));
    assertEquals(await client.ask({ kind: "lease-keep-alive", lease: granted.lease }, ATTEMPT_MS), {
      kind: "lease-keep-alive",
      ttlSeconds: 5,
    });
    await client.ask({ kind: "lease-revoke", lease: granted.lease }, ATTEMPT_MS);
    assertEquals((await run(client, { kind: "range", key: "/leased" })).found.get("/leased"), null);
    assertEquals(await client.ask({ kind: "lease-keep-alive", lease: granted.lease }, ATTEMPT_MS), {
      kind: "lease-keep-alive",
      ttlSeconds: 0,
    });
    await assertRejects(
      () => run(client, { kind: "put", key: "/b", value: utf8(""), lease: granted.lease }),
      EtcdRefusedError,
      "requested lease not found",
    );
  } finally {
    cluster.close();
  }
});

etcdTest(
  "etcd v3: a watch goes on at another member after its own is killed, and misses nothing",
  async () => {
    await using etcd = await EtcdMembers.start({ members: 3 });
    const cluster = new EtcdCluster(etcd.urls), client = new EtcdV3(cluster);
    const { inbox, sink } = watchTexts();
    const end = client.watch("/w", 1, ATTEMPT_MS, sink);
    try {
      await run(client, put("/w", "0"));
      await inbox.first((value) => value === "0");
      await etcd.kill(0);
      for (let index = 1; index <= 20; index++) {
        // While a new leader is chosen no member may answer for a moment.
        for (let attempt = 0;; attempt++) {
          try {
            await run(client, put("/w", String(index)));
            break;
          } catch (error) {
            if (!(error instanceof EtcdUnreachableError) || attempt > 20) throw error;
          }
        }
      }
      await run(client, { kind: "delete", key: "/w" });
      await inbox.first((value) => value === null);
      const seen = inbox.all.filter((value, index) => index === 0 || value !== inbox.all[index - 1]);
      assertEquals(seen, [...Array.from({ length: 21 }, (_, index) => String(index)), null]);
      assertEquals(cluster.choice.order().at(-1), etcd.urls[0], "the dead member is asked last");
    } finally {
      end();
      cluster.close();
    }
  },
);

etcdTest("etcd v3: a watch whose past was compacted is broken, not silent", async () => {
  await using etcd = await EtcdMembers.start();
  const cluster = new EtcdCluster(etcd.urls), client = new EtcdV3(cluster);
  try {
    let revision = 0;
    for (const value of ["1", "2", "3"]) revision = (await run(client, put("/c", value))).revision;
    await etcd.control("compaction", String(revision));
    const { inbox, sink } = watchTexts();
    client.watch("/c", 1, ATTEMPT_MS, sink);
    await inbox.first((value) => value === "broken");
  } finally {
    cluster.close();
  }
});

etcdTest(
  "etcd v3: TLS with a client's certificate; without one, or with another authority, it says why",
  async () => {
    const directory = await Deno.makeTempDir({ prefix: "muster-tls-" });
    try {
      const tls = await makeCertificates(directory);
      await using etcd = await EtcdMembers.start({ tls });
      const good = new EtcdCluster(etcd.urls, { ca: tls.ca, certificate: tls.certificate, key: tls.key });
      const { inbox, sink } = watchTexts();
      const client = new EtcdV3(good);
      const end = client.watch("/t", 1, ATTEMPT_MS, sink);
      await run(client, put("/t", "secure"));
      await inbox.first((value) => value === "secure");
      end();
      good.close();

      const anonymous = new EtcdCluster(etcd.urls, { ca: tls.ca, certificate: null, key: null });
      await assertRejects(
        () => run(new EtcdV3(anonymous), put("/t", "x")),
        EtcdUnreachableError,
        etcd.urls[0],
      );
      anonymous.close();
      const trusting = new EtcdCluster(etcd.urls);
      const error = await assertRejects(
        () => run(new EtcdV3(trusting), put("/t", "x")),
        EtcdUnreachableError,
      );
      assertStringIncludes(error.message, "UnknownIssuer");
      trusting.close();
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);

etcdTest("etcd v3: users: without one it says what to give, a lost token is replaced", async () => {
  await using etcd = await EtcdMembers.start();
  await etcd.control("user", "add", "root:secret");
  await etcd.control("user", "grant-role", "root", "root");
  await etcd.control("user", "add", "guest:secret");
  await etcd.control("auth", "enable");
  const cluster = new EtcdCluster(etcd.urls);
  try {
    await assertRejects(() => run(new EtcdV3(cluster), put("/u", "1")), EtcdRefusedError, "user=NAME");
    await assertRejects(
      () => run(new EtcdV3(cluster, { name: "root", password: "wrong" }), put("/u", "1")),
      EtcdRefusedError,
      "does not let user root in",
    );
    await assertRejects(
      () => run(new EtcdV3(cluster, { name: "guest", password: "secret" }), put("/u", "1")),
      EtcdRefusedError,
      "permission denied; user guest must be allowed to read and write all keys that begin with /muster/",
    );
    const client = new EtcdV3(cluster, { name: "root", password: "secret" });
    await run(client, put("/u", "1"));
    // Simple tokens live in a member's memory, so a restart ends them all.
    await etcd.kill(0);
    await etcd.restart(0);
    for (let attempt = 0;; attempt++) {
      try {
        await run(client, put("/u", "2"));
        break;
      } catch (error) {
        if (!(error instanceof EtcdUnreachableError) || attempt > 20) throw error;
      }
    }
    assertEquals((await run(client, { kind: "range", key: "/u" })).found.get("/u")?.value, utf8("2"));
  } finally {
    cluster.close();
  }
});

const isElected = (news: ElectionNews) => news.kind === "elected";

function candidate(etcd: EtcdMembers, nodeId: string, ttlMs: number) {
  const cluster = new EtcdCluster(etcd.urls), inbox = new Inbox<ElectionNews>();
  const settings = { jobId: "job/1", nodeId, ttlMs };
  const election = new EtcdElection(new EtcdV3(cluster), settings, inbox.put);
  let isOpen = true;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    election.close();
    cluster.close();
  };
  return { election, inbox, close };
}

etcdTest(
  "etcd v3: one of two is elected; the other follows with the record when the first leaves, dies or is removed",
  async () => {
    await using etcd = await EtcdMembers.start();
    const a = candidate(etcd, "a", 2000), b = candidate(etcd, "b", 2000), c = candidate(etcd, "c", 2000);
    try {
      a.election.ask({ kind: "stand", address: "a:1" });
      assertEquals(await a.inbox.first(isElected), { kind: "elected", epoch: 1, job: null });
      b.election.ask({ kind: "stand", address: "b:1" });
      c.election.ask({ kind: "stand", address: "c:1" });
      const host = { epoch: 1, nodeId: "a", address: "a:1" };
      for (const { inbox } of [b, c]) {
        await inbox.first((news) => JSON.stringify(news) === JSON.stringify({ kind: "host-is", host }));
      }

      a.election.ask({ kind: "save", id: 1, job: utf8("round 1") });
      await a.inbox.first((news) => news.kind === "saved");
      // As good as dead: it renews nothing more. Both others are told of the end of its lease.
      a.close();
      const next = await Promise.race(
        [b, c].map(async (one) => ({ one, news: await one.inbox.first(isElected) })),
      );
      assertEquals(next.news, { kind: "elected", epoch: 2, job: utf8("round 1") });

      // The third knows for certain that this host is dead, and does not wait for its lease.
      const last = next.one === b ? c : b;
      await last.inbox.first((news) => news.kind === "host-is" && news.host.epoch === 2);
      next.one.election.ask({ kind: "save", id: 1, job: utf8("round 2") });
      await next.one.inbox.first((news) => news.kind === "saved");
      last.election.ask({ kind: "host-died", epoch: 2 });
      assertEquals(await last.inbox.first(isElected), { kind: "elected", epoch: 3, job: utf8("round 2") });
      await next.one.inbox.first((news) => news.kind === "deposed");

      last.election.ask({ kind: "leave", over: true, exitCode: null });
      await last.inbox.first((news) => news.kind === "left");
      assertEquals(
        await etcd.control("get", "/muster/job%2F1/", "--prefix", "--keys-only"),
        "/muster/job%2F1/epoch\n\n",
      );
    } finally {
      for (const { close } of [a, b, c]) close();
    }
  },
);

etcdTest(
  "etcd v3: an elected host stays host while a member of etcd is killed, and while one is frozen",
  async () => {
    await using etcd = await EtcdMembers.start({ members: 3 });
    const a = candidate(etcd, "a", 15_000), b = candidate(etcd, "b", 15_000);
    try {
      a.election.ask({ kind: "stand", address: "a:1" });
      await a.inbox.first(isElected);
      b.election.ask({ kind: "stand", address: "b:1" });
      await b.inbox.first((news) => news.kind === "host-is");
      for (const fault of ["kill", "freeze"] as const) {
        for (const index of [0, 1, 2]) {
          if (fault === "kill") await etcd.kill(index);
          else etcd.freeze(index);
          a.election.ask({ kind: "save", id: index, job: utf8(`${fault} ${index}`) });
          await a.inbox.first((news) => news.kind === "saved" && news.id === index, a.inbox.all.length);
          if (fault === "kill") await etcd.restart(index);
          else etcd.thaw(index);
        }
      }
      assertEquals(a.inbox.all.filter(({ kind }) => kind === "deposed"), []);
      assertEquals(b.inbox.all.filter(({ kind }) => kind === "elected"), []);
    } finally {
      for (const { close } of [a, b]) close();
    }
  },
);

etcdTest(
  "etcd v3: a host that etcd loses is deposed before its lease ends, and is host again afterwards",
  async () => {
    await using etcd = await EtcdMembers.start();
    const a = candidate(etcd, "a", 3000);
    try {
      a.election.ask({ kind: "stand", address: "a:1" });
      await a.inbox.first(isElected);
      etcd.freeze(0);
      await a.inbox.first((news) => news.kind === "deposed");
      const trouble = await a.inbox.first((news) => news.kind === "trouble");
      assertStringIncludes(JSON.stringify(trouble), `etcd can't be reached: ${etcd.urls[0]} (no answer for`);
      etcd.thaw(0);
      a.election.ask({ kind: "stand", address: "a:1" });
      const again = await a.inbox.first((news) => news.kind === "elected" && news.epoch > 1);
      assertEquals(again, { kind: "elected", epoch: 2, job: null });
    } finally {
      a.close();
    }
  },
);

Deno.test("etcd v3: nobody there is said for each endpoint", async () => {
  const closed = `http://127.0.0.1:${freePort()}`;
  const cluster = new EtcdCluster([closed, "http://no-such-host.invalid:2379"]);
  const error = await assertRejects(() => run(new EtcdV3(cluster), put("/a", "1")), EtcdUnreachableError);
  assertStringIncludes(
    error.message,
    `${closed} (connection refused), http://no-such-host.invalid:2379 (`,
  );
  cluster.close();
});
