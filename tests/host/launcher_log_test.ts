import { assertEquals, assertMatch } from "@std/assert";
import { fromUtf8 } from "../../lib/core/bytes.ts";
import { LauncherLog, type MessageKind } from "../../lib/host/launcher_log.ts";
import { LineMix } from "../../lib/logs/line_mix.ts";

const KINDS: readonly MessageKind[] = ["detail", "info", "notice", "warning", "error"];

const PLAIN = { verbosity: "normal", format: "text" } as const;

/** What a log with LOGLEVEL=`logLevel` shows of one message of each kind. */
async function shown(
  logLevel: string | undefined,
  settings: Partial<ConstructorParameters<typeof LauncherLog>[0]> = {},
): Promise<string> {
  let text = "";
  const console = new LineMix((bytes) => text += fromUtf8(bytes), { isTerminal: false });
  const log = new LauncherLog({ console, logLevel, ...PLAIN, ...settings });
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

Deno.test("LauncherLog takes the power from what others have sent", async () => {
  let text = "";
  const console = new LineMix((bytes) => text += fromUtf8(bytes), { isTerminal: true });
  const log = new LauncherLog({ console, logLevel: undefined, ...PLAIN });
  log.say("notice", "Node a\x1b]0;title\x07\x9b2J lost rank 1\r\nmuster: error: not so, ü");
  await log.settled();
  assertEquals(text, "muster: Node a?]0;title??2J lost rank 1?\n  muster: error: not so, ü\n");
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
  const log = new LauncherLog({ console, logLevel: undefined, ...PLAIN });
  log.show("zero\n");
  log.say("notice", "one");
  log.show("two\n");
  log.say("notice", "three");
  await log.settled();
  log.show("four\n");
  assertEquals(text, "zero\nmuster: one\ntwo\nmuster: three\nfour\n");
});

Deno.test("LauncherLog is quiet or verbose whatever LOGLEVEL says", async () => {
  assertEquals(
    await shown("DEBUG", { verbosity: "quiet" }),
    "muster: warning: a warning {here}\nmuster: error: a error {here}\nmuster: error: last\n",
  );
  assertMatch(
    await shown("nonsense", { verbosity: "verbose" }),
    /^muster: a detail \{here\}\nmuster: a info/,
  );
});

Deno.test("LauncherLog writes one JSON object for each message, and for a report", async () => {
  let text = "";
  const console = new LineMix((bytes) => text += fromUtf8(bytes), {
    isTerminal: false,
    stamp: () => "12:00 ",
  });
  const log = new LauncherLog({ console, logLevel: undefined, verbosity: "normal", format: "json" });
  log.say("warning", 'two\nlines and "quotes"');
  log.show("a report\nof two lines\n");
  await log.settled();
  const records = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(records.map(({ level, message }) => [level, message]), [
    ["warning", 'two\nlines and "quotes"'],
    ["error", "a report\nof two lines"],
  ]);
  for (const { time } of records) assertMatch(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});
