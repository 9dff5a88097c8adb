import { assertEquals } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import { KeyTalk } from "../../lib/rendezvous/key_talk.ts";
import type { StoreOperation } from "../../lib/rendezvous/torch_operations.ts";

Deno.test("KeyTalk brings each answer to its question, and none to one that was forgotten", () => {
  const asked: StoreOperation[] = [];
  const heard: unknown[] = [];
  let tickets = 0;
  const talk = new KeyTalk((operation) => asked.push(operation), () => ++tickets);
  talk.get(["a", "b"], 5000, (values) => heard.push(values));
  talk.look(["c", "d"], (values) => heard.push(values));
  talk.look([], (values) => heard.push(values));
  talk.add("n", 1, (sum) => heard.push(sum));
  talk.settle({ kind: "sum", ticket: 3, sum: 7 });
  talk.settle({ kind: "values", ticket: 2, values: [null, utf8("x")] });
  talk.settle({ kind: "values", ticket: 1, values: null });
  talk.settle({ kind: "values", ticket: 1, values: [utf8("again"), utf8("again")] });
  talk.get(["e"], 5000, () => heard.push("never"));
  talk.forget();
  talk.settle({ kind: "values", ticket: 4, values: [utf8("x")] });
  assertEquals(heard, [[], 7, [null, "x"], null]);
  assertEquals(asked.map(({ kind }) => kind), ["get-keys", "look-keys", "add-key", "get-keys"]);
});
