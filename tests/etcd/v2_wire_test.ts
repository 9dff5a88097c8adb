import { assertEquals } from "@std/assert";
import { decodeV2, encodeV2 } from "../../lib/etcd/v2_wire.ts";

Deno.test("encodeV2() asks as python-etcd does", () => {
  const key = "/torch/elastic/store/YWI=";
  assertEquals(encodeV2({ kind: "put", key, value: "a+b=", ttlSeconds: 7200, condition: { prevIndex: 9 } }), {
    method: "PUT",
    path: "/v2/keys/torch/elastic/store/YWI%3D",
    body: "value=a%2Bb%3D&ttl=7200&prevIndex=9",
  });
  assertEquals(
    encodeV2({ kind: "put", key: "/a", value: "", ttlSeconds: null, condition: { prevExist: false } }).body,
    "value=&prevExist=false",
  );
  assertEquals(encodeV2({ kind: "wait", key: "/a", fromIndex: 7, recursive: true }), {
    method: "GET",
    path: "/v2/keys/a?wait=true&waitIndex=7&recursive=true",
  });
  assertEquals(
    encodeV2({ kind: "delete", key: "/a b", prevValue: "{}" }).path,
    "/v2/keys/a%20b?prevValue=%7B%7D",
  );
  assertEquals(
    encodeV2({ kind: "refresh", key: "/a", ttlSeconds: 10 }).body,
    "refresh=true&prevExist=true&ttl=10",
  );
  assertEquals(
    encodeV2({ kind: "make-directory", key: "/a", ttlSeconds: 5 }).body,
    "dir=true&prevExist=false&ttl=5",
  );
});

Deno.test("decodeV2() reads keys, folders and what is not so", () => {
  const node = '{"key":"/foo","value":"x","modifiedIndex":4,"createdIndex":4}';
  assertEquals(decodeV2(201, "5", `{"action":"create","node":${node}}`), {
    kind: "node",
    index: 5,
    node: { key: "/foo", value: "x", isDirectory: false, nodes: [], modifiedIndex: 4 },
  });
  const folder = decodeV2(
    200,
    "5",
    `{"action":"get","node":{"key":"/d","dir":true,"nodes":[${node}],"modifiedIndex":3}}`,
  );
  assertEquals(folder.kind === "node" && folder.node.nodes.map(({ key }) => key), ["/foo"]);
  const error = (errorCode: number, status = 400) =>
    decodeV2(status, null, JSON.stringify({ errorCode, message: "m", cause: "c", index: 4 }));
  assertEquals(error(100), { kind: "missing", index: 4 });
  assertEquals(error(101), { kind: "not-so", index: 4 });
  assertEquals(error(105), { kind: "not-so", index: 4 });
  assertEquals(error(401), { kind: "forgotten", index: 4 });
  assertEquals(error(300), { kind: "unavailable", text: "m (c)" });
  assertEquals(error(102), { kind: "refused", text: "m (c)" });
  assertEquals(error(999, 500), { kind: "unavailable", text: "m (c)" });
});

Deno.test("decodeV2() takes a wait that ended empty for a member's fault, and no etcd for what it is", () => {
  assertEquals(decodeV2(200, "5", "").kind, "unavailable");
  assertEquals(decodeV2(502, null, "<html>bad gateway").kind, "unavailable");
  assertEquals(decodeV2(404, null, "404 page not found").kind, "refused");
  assertEquals(decodeV2(200, "5", '{"node":[]}').kind, "refused");
  assertEquals(decodeV2(200, "5", "{}").kind, "refused");
});
