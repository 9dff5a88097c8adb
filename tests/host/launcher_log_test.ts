import { assertEquals, assertMatch } from "@std/assert";
import { fromUtf8 } from "../../lib/core/bytes.ts";
import { LauncherLog, type MessageKind } from "../../lib/host/launcher_log.ts";
import { LineMix } from "../../lib/logs/line_mix.ts";

const KINDS: readonly MessageKind[] = ["detail", "info", "notice", "warning", "error"];

/** What a log with LOGLEVEL=`logLevel` shows of one message of each kind. */
async function shown(logLevel: string | undefined): Promise<string> {
  let text = "";
  const console = new LineMix((bytes) => text += fromUtf8(bytes), { isTerminal: false });
  const log = new LauncherLog({ console, logLevel });
  for (const kind of KINDS) log.say(kind, `a ${kind} {here}`);
  await log.settled();
  log.say("error", "last");
  return text;
}

Deno.test("LauncherLog shows notices, warnings and errors, in order and as they are", async () => {
  assertEquals(
    await shown(undefined),
    "muster: a notice {here}\nmuster: warning: a warning {here}\nmuster: error: a error {here}\n" +
      "muster: error: last\n",
  );
});

Deno.test("LauncherLog reads LOGLEVEL as Python's logging does", async () => {
  const kinds = async (level: string) =>
    (await shown(level)).split("\n").map((line) => line.match(/ a (\w+) /)?.[1]).filter((kind) => kind);
  assertEquals(await kinds("DEBUG"), [...KINDS]);
  assertEquals(await kinds("INFO"), KINDS.slice(1));
  assertEquals(await kinds("WARNING"), KINDS.slice(3));
  assertEquals(await kinds("ERROR"), ["error"]);
  assertEquals(await kinds("CRITICAL"), []);
});

Deno.test("LauncherLog says that a LOGLEVEL is none and goes on", async () => {
  assertMatch(await shown("verbose"), /^muster: warning: LOGLEVEL counts as unset, as "verbose" is no level/);
});

Deno.test("LauncherLog.show() keeps its place among messages that wait", async () => {
  let text = "";
  const console = new LineMix((bytes) => text += fromUtf8(bytes), { isTerminal: false });
  const log = new LauncherLog({ console, logLevel: undefined });
  log.show("zero\n");
  log.say("notice", "one");
  log.show("two\n");
  log.say("notice", "three");
  await log.settled();
  log.show("four\n");
  assertEquals(text, "zero\nmuster: one\ntwo\nmuster: three\nfour\n");
});
