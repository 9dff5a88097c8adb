import { assertEquals, assertThrows } from "@std/assert";
import { JsonFields, MessageError, readCount } from "../../lib/core/json_fields.ts";

Deno.test("JsonFields reads what is there, and passes over what is not known", () => {
  const fields = JsonFields.parse(
    '{"text":"a","count":3,"number":-1.5,"flag":true,"word":"job","none":null,"object":{"text":"b"},' +
      '"objects":[{"count":1},{"count":2}],"texts":["x","y"],"later":[]}',
    "round",
  );
  assertEquals([fields.text("text"), fields.count("count"), fields.number("number")], ["a", 3, -1.5]);
  assertEquals([fields.flag("flag"), fields.oneOf("word", ["node", "job"])], [true, "job"]);
  assertEquals([fields.object("object").text("text"), fields.texts("texts")], ["b", ["x", "y"]]);
  assertEquals(fields.objects("objects").map((each) => each.count("count")), [1, 2]);
  assertEquals(["none", "absent"].map((name) => fields.textOrNull(name)), [null, null]);
  assertEquals([fields.countOrNull("count"), fields.objectOrNull("absent")], [3, null]);
  assertEquals([fields.nullable("none", (name) => fields.text(name)), fields.value("number")], [null, -1.5]);
});

Deno.test("JsonFields refuses what is missing, of another kind or too long, and says where", () => {
  const fields = new JsonFields({ text: "abc", list: ["a", 1], deep: { flag: 0 } }, "round");
  const refused = (problem: string, read: () => unknown) => assertThrows(read, MessageError, problem);
  refused("sent a round that is not JSON", () => JsonFields.parse("{", "round"));
  refused("sent a round that is not an object", () => JsonFields.parse("[]", "round"));
  refused("sent a round.text that is not a text of at most 2 characters", () => fields.text("text", 2));
  refused("sent a round.toString that is not a text", () => fields.text("toString"));
  refused("sent a round.text that is not a whole number", () => fields.count("text"));
  refused("sent a round.text that is not a number", () => fields.number("text"));
  refused("sent a round.list[1] that is not a text", () => fields.texts("list"));
  refused("sent a round.list that is not a list of at most 1", () => fields.list("list", 1, readCount));
  refused("sent a round.deep.flag that is not true or false", () => fields.object("deep").flag("flag"));
  refused(
    "sent a round.absent that is not a text",
    () => fields.nullable("absent", (name) => fields.text(name)),
  );
  refused("sent a round.text that is not a word that belongs there", () => fields.oneOf("text", ["a"]));
});
