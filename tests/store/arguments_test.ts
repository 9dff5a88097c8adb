import { assertEquals } from "@std/assert";
import { parseAddressRange } from "../../lib/core/address_range.ts";
import { readStoreTask } from "../../lib/store/arguments.ts";

Deno.test("readStoreTask() reads what a server needs", () => {
  assertEquals(readStoreTask([]), {
    ...{ kind: "serve", host: "127.0.0.1", port: 29400, listenDescriptor: null } as const,
    ...{ dialect: null, allowed: null, limits: {} },
  });
  const words = "--host :: --port=0 --store-dialect b --store-allow 10.0.0.0/8,fd00::/8";
  assertEquals(readStoreTask(words.split(" ")), {
    ...{ kind: "serve", host: "::", port: 0, listenDescriptor: null, dialect: "b" } as const,
    ...{ allowed: [parseAddressRange("10.0.0.0/8")!, parseAddressRange("fd00::/8")!], limits: {} },
  });
  const limited = readStoreTask(["--limits", "connections=9,request-ms=50"]);
  assertEquals(limited.kind === "serve" && limited.limits, { connectionsMax: 9, requestMs: 50 });
});

Deno.test("readStoreTask() takes an inherited socket that it is told of, or the one that was handed over", () => {
  const descriptor = (line: string, activatedCount: number) => {
    const task = readStoreTask(line.split(" ").filter((word) => word !== ""), activatedCount);
    if (task.kind === "problems") return task.problems[0]!.message;
    return task.kind === "serve" ? task.listenDescriptor : task.kind;
  };
  assertEquals(descriptor("--listen-fd 7", 0), 7);
  assertEquals(descriptor("--listen-fd=4", 2), 4);
  assertEquals(descriptor("", 1), 3);
  assertEquals(descriptor("--store-dialect c", 1), 3);
  assertEquals(descriptor("--port 0", 1), null);
  assertEquals(descriptor("--host ::", 2), null);
  assertEquals(descriptor("list 10.0.0.1:80", 2), "ask");
  assertEquals(
    descriptor("", 2),
    "A store serves on one socket, and 2 were handed over (LISTEN_FDS): choose with --listen-fd 3 to 4",
  );
});

Deno.test("readStoreTask() reads the client's operations", () => {
  const basis = {
    kind: "ask",
    host: "10.0.0.1",
    port: 29400,
    timeoutMs: 5000,
    dialect: "c",
    isJson: false,
  } as const;
  assertEquals(readStoreTask(["add", "10.0.0.1:29400", "k", "-5"]), {
    ...basis,
    operation: "add",
    words: ["k", "-5"],
  });
  assertEquals(readStoreTask(["--json", "get", "--timeout", "0.5", "[::1]:80", "k"]), {
    ...basis,
    ...{ operation: "get", host: "::1", port: 80, words: ["k"], timeoutMs: 500, isJson: true } as const,
  });
  assertEquals(readStoreTask(["set", "10.0.0.1:29400", "--", "--host", "--json"]), {
    ...basis,
    operation: "set",
    words: ["--host", "--json"],
  });
  assertEquals(readStoreTask(["add", "10.0.0.1:29400", "k", "+1", "--store-dialect=a"]), {
    ...basis,
    ...{ operation: "add", words: ["k", "+1"], dialect: "a" } as const,
  });
  assertEquals(readStoreTask(["get", "--help"]), { kind: "help" });
});

for (
  const [line, ...messages] of [
    ["--port 70000", "--port must be a number from 0 to 65535: got 70000"],
    [
      "--store-dialect d --store-allow 10.0.0.0/99",
      "--store-allow takes addresses and ranges such as 10.0.0.0/8: got 10.0.0.0/99",
      "--store-dialect must be auto, a, b or c: got d",
    ],
    ["--store-dialect toString", "--store-dialect must be auto, a, b or c: got toString"],
    ["--wrong x", "No option --wrong", "No operation 'x': use get, set, add, wait, list, delete, dump"],
    ["--limits keys=0", "--limits takes 1 to 16000000 for keys: got 0"],
    [
      "--limits key=1,keys=99999999,x",
      "--limits takes NAME=N,... with the names of 'muster store --help': got key=1",
      "--limits takes 1 to 16000000 for keys: got 99999999",
      "--limits takes NAME=N,... with the names of 'muster store --help': got x",
    ],
    ["get h:1 k --limits keys=1", "--limits has no meaning for 'get'"],
    ["--port", "--port needs a value"],
    ["--listen-fd -1", "--listen-fd must be an inherited descriptor, 0 or from 3 on: got -1"],
    ["--listen-fd 2", "--listen-fd must be an inherited descriptor, 0 or from 3 on: got 2"],
    ["--listen-fd 3 --port 0", "--listen-fd brings its own address: leave out --host and --port"],
    ["list h:1 --listen-fd 3", "--listen-fd has no meaning for 'list'"],
    ["--timeout 5", "--timeout has no meaning for a server"],
    ["fetch h:1 k", "No operation 'fetch': use get, set, add, wait, list, delete, dump"],
    ["get", "'get' needs the store's HOST:PORT first: got nothing"],
    ["get h:0 k", "'get' needs the store's HOST:PORT first: got h:0"],
    ["get h:1", "'get' does not take 0 words after the address"],
    ["list h:1 a b", "'list' does not take 2 words after the address"],
    ["add h:1 k 1.5", "'add' needs a whole number of 64 bits: got 1.5"],
    ["add h:1 k 9223372036854775808", "'add' needs a whole number of 64 bits: got 9223372036854775808"],
    ["get h:1 k --store-dialect d", "--store-dialect must be auto, a, b or c: got d"],
    [
      "get h:1 k --timeout soon --host x",
      "--timeout must be a number of seconds: got soon",
      "--host has no meaning for 'get'",
    ],
  ] as const
) {
  Deno.test(`readStoreTask() refuses '${line}'`, () => {
    const task = readStoreTask(line.split(" "));
    assertEquals(task, { kind: "problems", problems: messages.map((message) => ({ message })) });
  });
}
