import { assertEquals } from "@std/assert";
import { assertDefined } from "../../lib/core/assert.ts";
import type { OptionName, ParsedOptions } from "../../lib/options/options.ts";
import { type Environment, parseCommandLine } from "../../lib/options/parse.ts";

function parse(args: string[], environment: Environment = {}): ParsedOptions {
  const { options, problems } = parseCommandLine(args, environment);
  assertEquals(problems, []);
  return assertDefined(options);
}

function valueAndOrigin(parsed: ParsedOptions, name: OptionName): unknown[] {
  return [parsed.values[name], parsed.origins.get(name)];
}

function messages(args: string[], environment: Environment = {}): string[] {
  return parseCommandLine(args, environment).problems.map(({ message }) => message);
}

Deno.test("parseCommandLine() gives the command line precedence over a variable, and that over the default", () => {
  const environment = { PET_ROLE: "b" };
  const flag = { kind: "flag", name: "--role" } as const;
  assertEquals(valueAndOrigin(parse(["--role=a", "s"], environment), "role"), ["a", flag]);
  assertEquals(valueAndOrigin(parse(["s"], environment), "role"), ["b", {
    kind: "environment",
    name: "PET_ROLE",
  }]);
  assertEquals(valueAndOrigin(parse(["s"]), "role"), ["default", { kind: "default" }]);
});

Deno.test("parseCommandLine() lets the last of two occurrences count", () => {
  const parsed = parse(["--max-restarts=1", "--max_restarts", "2", "s"]);
  assertEquals(valueAndOrigin(parsed, "maxRestarts"), [2, { kind: "flag", name: "--max_restarts" }]);
});

Deno.test("parseCommandLine() reads flags from variables as numbers", () => {
  const isStandalone = (text: string) => parse(["s"], { PET_STANDALONE: text }).values.standalone;
  assertEquals(["0", "1", " 2 ", "-1"].map(isStandalone), [false, true, true, true]);
  assertEquals(parse(["--standalone", "s"], { PET_STANDALONE: "0" }).values.standalone, true);
});

Deno.test("parseCommandLine() refuses a flag's variable that is no number, whatever the command line says", () => {
  const message = 'PET_STANDALONE must be 1 (on) or 0 (off): got "yes"';
  assertEquals(messages(["--standalone", "s"], { PET_STANDALONE: "yes" }), [message]);
});

Deno.test("parseCommandLine() does not look at an overruled variable of another kind", () => {
  assertEquals(parse(["--max-restarts=1", "s"], { PET_MAX_RESTARTS: "x" }).values.maxRestarts, 1);
  assertEquals(messages(["s"], { PET_MAX_RESTARTS: "" }), [
    'PET_MAX_RESTARTS must be a whole number: got ""',
  ]);
});

Deno.test("parseCommandLine() compares only the command line with an option's choices", () => {
  const parsed = parse(["s"], { PET_START_METHOD: "thread" });
  assertEquals(parsed.values.startMethod, "thread");
  const message = '--start-method must be spawn, fork or forkserver: got "thread"';
  assertEquals(messages(["--start-method=thread", "s"]), [message]);
});

Deno.test("parseCommandLine() reads numbers and lists as Python does", () => {
  const { values } = parse([
    "--monitor-interval=.5",
    "--node-rank",
    "-1",
    "--duplicate-stdout-filters=a,,b,c",
    "s",
  ]);
  assertEquals([values.monitorInterval, values.nodeRank], [0.5, -1]);
  assertEquals([values.duplicateStdoutFilters, values.duplicateStderrFilters], [["a,b", "c"], []]);
});

Deno.test("parseCommandLine() keeps the script and its arguments", () => {
  const { values } = parse(["-m", "pkg.train", "--lr", "-m", "--help"]);
  assertEquals([values.trainingScript, values.trainingScriptArgs], ["pkg.train", ["--lr", "-m", "--help"]]);
});

Deno.test("parseCommandLine() reports all problems at once", () => {
  assertEquals(
    messages(["--bogus", "--nnodes=0", "--max-restarts=x", "--tee", "9"], {
      PET_REDIRECTS: "7",
      PET_MODULE: "on",
    }),
    [
      'There is no option "--bogus"',
      'PET_MODULE must be 1 (on) or 0 (off): got "on"',
      '--nnodes needs at least one node and MIN no greater than MAX: got "0"',
      '--max-restarts must be a whole number: got "x"',
      "PET_REDIRECTS must be 0 (console), 1 (stdout), 2 (stderr), 3 (both) or RANK:MASK,… such as 0:3,1:2: " +
      'got "7"',
      "--tee must be 0 (console), 1 (stdout), 2 (stderr), 3 (both) or RANK:MASK,… such as 0:3,1:2: " +
      'got "9"',
      "There is no script to start",
    ],
  );
});

Deno.test("parseCommandLine() answers a request whatever else is wrong", () => {
  const request = (...args: string[]) => parseCommandLine(args, {}).request;
  assertEquals(request("--bogus", "-h"), { name: "help", value: null });
  assertEquals(request("--help", "all"), { name: "help", value: "all" });
  assertEquals(request("--help=all"), { name: "help", value: "all" });
  assertEquals(request("--version"), { name: "version", value: null });
  assertEquals(request("--print-completion", "fish"), { name: "printCompletion", value: "fish" });
  assertEquals(request("--print-completion", "ksh"), null);
  assertEquals(request("train.py", "--help"), null);
});

Deno.test("parseCommandLine() takes --dry-run with and without a form", () => {
  const form = (...args: string[]) => parse([...args, "s"]).values.dryRun;
  assertEquals([form(), form("--dry-run"), form("--dry-run=json")], ["off", "text", "json"]);
  assertEquals(messages(["--dry-run=xml", "s"]), ['--dry-run must be text or json: got "xml"']);
});

Deno.test("parseCommandLine() tells of variables that look like torchrun's and are read by nobody", () => {
  const environment = { PET_NPROC_PER_NOD: "4", PET_FOOD: "cat", PET_NNODES: "1" };
  assertEquals(parseCommandLine(["s"], environment).notices, [
    "PET_NPROC_PER_NOD has no effect; did you mean PET_NPROC_PER_NODE?",
  ]);
});

Deno.test("parseCommandLine() knows use-env only as torch.distributed.launch does", () => {
  assertEquals(parse(["s"]).values.useEnv, true);
  assertEquals(parseCommandLine(["s"], {}, "legacy").options?.values.useEnv, false);
  assertEquals(parseCommandLine(["--use_env", "s"], {}, "legacy").options?.values.useEnv, true);
});
