import { assertEquals, assertThrows } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import {
  decodeV3,
  decodeV3Error,
  encodeV3,
  EtcdFormatError,
  type V3Request,
} from "../../lib/etcd/v3_wire.ts";

const KEY = "L211c3Rlci94"; // "/muster/x"

Deno.test("encodeV3() writes a transaction as etcd's gateway reads it", () => {
  const request: V3Request = {
    kind: "transaction",
    compare: [{ key: "/muster/x", createRevision: 0 }, { key: "/muster/x", modRevision: 7 }],
    success: [
      { kind: "put", key: "/muster/x", value: new Uint8Array([0, 255]), lease: "7587899156893476358" },
      { kind: "delete", key: "/muster/x" },
    ],
    failure: [{ kind: "range", key: "/muster/x" }],
  };
  const { path, body } = encodeV3(request);
  assertEquals(path, "/v3/kv/txn");
  assertEquals(JSON.parse(body), {
    compare: [
      { key: KEY, target: "CREATE", result: "EQUAL", create_revision: "0" },
      { key: KEY, target: "MOD", result: "EQUAL", mod_revision: "7" },
    ],
    success: [
      { request_put: { key: KEY, value: "AP8=", lease: "7587899156893476358" } },
      { request_delete_range: { key: KEY } },
    ],
    failure: [{ request_range: { key: KEY } }],
  });
});

// Answers as etcd 3.4.23 gave them.
const HEADER =
  '{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","revision":"2","raft_term":"2"}';

Deno.test("decodeV3() reads a transaction's answers in the order of what was asked", () => {
  const request: V3Request = {
    kind: "transaction",
    compare: [],
    success: [{ kind: "put", key: "/muster/x", value: utf8("") }, { kind: "range", key: "/muster/x" }],
    failure: [{ kind: "range", key: "/other" }],
  };
  const kv =
    `{"key":"${KEY}","create_revision":"2","mod_revision":"2","version":"1","value":"${KEY}","lease":"99"}`;
  assertEquals(
    decodeV3(
      request,
      `{"header":${HEADER},"succeeded":true,"responses":[{"response_put":{"header":{"revision":"2"}}},` +
        `{"response_range":{"header":{"revision":"2"},"kvs":[${kv}],"count":"1"}}]}`,
    ),
    {
      kind: "transaction",
      revision: 2,
      succeeded: true,
      found: new Map([["/muster/x", {
        key: "/muster/x",
        value: utf8("/muster/x"),
        createRevision: 2,
        modRevision: 2,
        lease: "99",
      }]]),
    },
  );
  assertEquals(
    decodeV3(request, `{"header":${HEADER},"responses":[{"response_range":{"header":{"revision":"2"}}}]}`),
    {
      kind: "transaction",
      revision: 2,
      succeeded: false,
      found: new Map([["/other", null]]),
    },
  );
});

Deno.test("decodeV3() reads leases, whose numbers stay text, and tells one that is gone", () => {
  assertEquals(
    decodeV3(
      { kind: "lease-grant", ttlSeconds: 15 },
      `{"header":${HEADER},"ID":"7587899156893476358","TTL":"15"}`,
    ),
    {
      kind: "lease-grant",
      lease: "7587899156893476358",
      ttlSeconds: 15,
    },
  );
  const keepAlive: V3Request = { kind: "lease-keep-alive", lease: "99" };
  assertEquals(decodeV3(keepAlive, `{"result":{"header":${HEADER},"ID":"99"}}\n`), {
    kind: "lease-keep-alive",
    ttlSeconds: 0,
  });
  assertEquals(decodeV3(keepAlive, `{"result":{"header":${HEADER},"ID":"99","TTL":"15"}}\n`), {
    kind: "lease-keep-alive",
    ttlSeconds: 15,
  });
});

Deno.test("decodeV3() refuses what etcd does not say", () => {
  const request: V3Request = {
    kind: "transaction",
    compare: [],
    success: [{ kind: "range", key: "a" }],
    failure: [],
  };
  for (
    const text of [
      "",
      "[]",
      "<html>",
      "{}",
      '{"header":{"revision":"x"},"succeeded":true,"responses":[{"response_range":{}}]}',
      `{"header":${HEADER},"succeeded":true}`,
      `{"header":${HEADER},"succeeded":true,"responses":[{"response_range":{"kvs":[{"key":"%"}]}}]}`,
    ]
  ) {
    assertThrows(() => decodeV3(request, text), EtcdFormatError, "answered", text);
  }
});

Deno.test("decodeV3Error() tells what another member may do better from what stays refused", () => {
  const fault = (code: number, error: string) =>
    decodeV3Error(500, JSON.stringify({ error, message: error, code })).fault;
  assertEquals(fault(14, "etcdserver: request timed out"), "unavailable");
  assertEquals(fault(14, "etcdserver: leader changed"), "unavailable");
  assertEquals(fault(4, "context deadline exceeded"), "unavailable");
  assertEquals(fault(8, "etcdserver: too many requests"), "unavailable");
  assertEquals(fault(8, "etcdserver: mvcc: database space exceeded"), "refused");
  assertEquals(fault(5, "etcdserver: requested lease not found"), "refused");
  assertEquals(fault(7, "etcdserver: permission denied"), "refused");
  assertEquals(fault(16, "etcdserver: invalid auth token"), "unauthenticated");
  assertEquals(fault(3, "etcdserver: user name is empty"), "unauthenticated");
  assertEquals(decodeV3Error(503, "upstream is busy").fault, "unavailable");
  assertEquals(decodeV3Error(404, "404 page not found"), { fault: "refused", text: "HTTP status 404" });
  assertEquals(
    decodeV3Error(404, '{"error":"etcdserver: requested lease not found","code":5}').text,
    "requested lease not found",
  );
});
