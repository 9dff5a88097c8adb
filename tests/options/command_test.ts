import { assertEquals, assertStringIncludes } from "@std/assert";
import { VERSION } from "../../lib/core/version.ts";
import { readCommand, usageErrorText } from "../../lib/options/command.ts";

/** What is launched: script and arguments; anything else as it is. */
function read(args: string[], programName = "muster") {
  const command = readCommand(args, {}, programName);
  if (command.kind !== "launch") return command;
  const { trainingScript, trainingScriptArgs, useEnv } = command.parsed.values;
  return { launch: [trainingScript, ...trainingScriptArgs], useEnv };
}

function text(args: string[], programName = "muster"): string {
  const command = readCommand(args, {}, programName);
  return command.kind === "print" || command.kind === "usage-error" ? command.text : "";
}

Deno.test("readCommand() takes the first word for a command, and no other", () => {
  assertEquals(read(["store", "--port", "1"]), { kind: "store", args: ["--port", "1"] });
  assertEquals(read(["status", "--once"]), { kind: "status", args: ["--once"] });
  assertEquals(read(["report", "e.jsonl"]), { kind: "report", args: ["e.jsonl"] });
  assertEquals(read(["run", "train.py"]), { launch: ["train.py"], useEnv: true });
  assertEquals(read(["launch", "train.py"]), { launch: ["train.py"], useEnv: false });
  assertEquals(read(["train.py", "store"]), { launch: ["train.py", "store"], useEnv: true });
});

Deno.test("readCommand() starts scripts that are called like commands", () => {
  for (const before of [["run"], ["--"], ["--standalone"]]) {
    assertEquals(read([...before, "store"]), { launch: ["store"], useEnv: true }, before[0]);
  }
  assertEquals(read(["./store"]), { launch: ["./store"], useEnv: true });
  assertEquals(read(["run", "run"]), { launch: ["run"], useEnv: true });
});

Deno.test("readCommand() has no commands under the name torchrun", () => {
  for (const word of ["store", "status", "report", "run", "launch"]) {
    assertEquals(read([word], "torchrun"), { launch: [word], useEnv: true });
  }
});

Deno.test("readCommand() prints what is asked for", () => {
  assertEquals(text(["--version"]), `muster ${VERSION}\n`);
  assertStringIncludes(text(["--help"]), "Usage: muster [OPTIONS]");
  assertStringIncludes(text(["--help", "all"]), "--rdzv-conf");
  assertStringIncludes(text(["launch", "--help"]), "Usage: muster launch [OPTIONS]");
  assertStringIncludes(text(["launch", "--help"]), "--use-env");
  assertStringIncludes(text(["-h"], "torchrun"), "Usage: torchrun [OPTIONS]");
  assertStringIncludes(text(["run", "--print-completion=bash"]), "complete -o default -F _muster muster\n");
});

Deno.test("readCommand() reports all problems under the name of the command", () => {
  assertEquals(
    text(["launch", "--bogus", "--lr", "--nnodes=0", "s"]),
    `muster launch: There is no option "--bogus"
  Options of the script come after the script
muster launch: There is no option "--lr"
muster launch: --nnodes needs at least one node and MIN no greater than MAX: got "0"
Try 'muster launch --help'
`,
  );
});

Deno.test("readCommand() leaves it to planning to find more problems than wrong values", () => {
  const command = readCommand(["launch", "--nnodes=0", "s"], {}, "muster");
  assertEquals(command.kind, "launch");
  if (command.kind !== "launch") return;
  assertEquals([command.programName, command.problems.length], ["muster launch", 1]);
  assertEquals([command.parsed.values.nnodes, command.parsed.values.trainingScript], ["1:1", "s"]);
});

Deno.test("usageErrorText() gives every problem its hint, and the same hint once", () => {
  const problems = [{ message: "A", hint: "x" }, { message: "B" }, { message: "C", hint: "x" }];
  assertEquals(
    usageErrorText(problems, "muster"),
    "muster: A\n  x\nmuster: B\nmuster: C\nTry 'muster --help'\n",
  );
});
