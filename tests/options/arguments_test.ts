import { assertEquals } from "@std/assert";
import { divideArguments } from "../../lib/options/arguments.ts";
import { optionTable } from "../../lib/options/option_table.ts";

/** Options as `spelling=value`, then script and arguments. */
function divide(...args: string[]) {
  const divided = divideArguments(args, optionTable("torchrun"));
  return {
    options: divided.occurrences.map(({ spelling, value }) =>
      value === null ? spelling : `${spelling}=${value}`
    ),
    rest: divided.script === null ? null : [divided.script, ...divided.scriptArguments],
    problems: divided.problems.map(({ message }) => message),
  };
}

const clean = (options: string[], rest: string[]) => ({ options, rest, problems: [] });

Deno.test("divideArguments() leaves what follows the script alone", () => {
  assertEquals(
    divide("--nnodes", "1", "train.py", "--nnodes=2", "--r=16", "--bogus"),
    clean(["--nnodes=1"], ["train.py", "--nnodes=2", "--r=16", "--bogus"]),
  );
});

Deno.test("divideArguments() takes values from the same word or the next", () => {
  assertEquals(
    divide("--role=a=b", "--rdzv_id", "x", "-r3", "-t", "1", "-r=2", "--tee=", "s"),
    clean(["--role=a=b", "--rdzv_id=x", "-r=3", "-t=1", "-r=2", "--tee="], ["s"]),
  );
});

Deno.test("divideArguments() takes joined short options apart", () => {
  assertEquals(
    divide("-mt3", "-mr", "1", "-m=m", "s"),
    clean(["-m", "-t=3", "-m", "-r=1", "-m", "-m"], ["s"]),
  );
});

Deno.test("divideArguments() completes abbreviations of torchrun's options", () => {
  assertEquals(
    divide("--nnod=1", "--nproc", "2", "--stand", "--log-d", "x", "s"),
    clean(["--nnodes=1", "--nproc-per-node=2", "--standalone", "--log-dir=x"], ["s"]),
  );
});

Deno.test("divideArguments() takes muster's own options in full only", () => {
  assertEquals(divide("--gpus", "0", "--dry-run=json", "s"), clean(["--gpus=0", "--dry-run=json"], ["s"]));
  assertEquals(divide("--gpu=0", "s").problems, ['There is no option "--gpu"; the nearest is --gpus']);
});

Deno.test("divideArguments() refuses an ambiguous abbreviation with the options it may be", () => {
  assertEquals(divide("--node=1", "--no", "s").problems, ['"--no" could be --no-python, --node-rank']);
});

Deno.test("divideArguments() drops a double dash before the script and right after it", () => {
  assertEquals(divide("--", "-x", "--"), clean([], ["-x", "--"]));
  assertEquals(divide("s", "--", "-x", "--"), clean([], ["s", "-x", "--"]));
  assertEquals(divide("s", "a", "--", "b"), clean([], ["s", "a", "--", "b"]));
  assertEquals(divide("--standalone", "--"), { options: ["--standalone"], rest: null, problems: [] });
});

Deno.test("divideArguments() takes negative numbers and texts with blanks for values and scripts", () => {
  assertEquals(
    divide("--node-rank", "-1", "--role", "-a b", "-.5"),
    clean(["--node-rank=-1", "--role=-a b"], ["-.5"]),
  );
  assertEquals(divide("-"), clean([], ["-"]));
  assertEquals(divide("--role", "", ""), clean(["--role="], [""]));
});

Deno.test("divideArguments() misses a value before options, a double dash and the end", () => {
  for (const next of [["--standalone", "s"], ["-x", "s"], ["--", "s"], []]) {
    assertEquals(divide("--role", ...next).problems[0], "--role needs a value", next.join(" "));
  }
});

Deno.test("divideArguments() refuses values of flags", () => {
  assertEquals(divide("--standalone=1", "-m=", "-mx", "s").problems, [
    '--standalone takes no value: got "1"',
    '-m takes no value: got ""',
    '-m takes no value: got "x"',
  ]);
});

Deno.test("divideArguments() goes on after a problem and finds them all", () => {
  const { problems } = divideArguments(
    ["--nproc-pernode=2", "--bogus", "--standalone", "s"],
    optionTable("torchrun"),
  );
  assertEquals(problems, [
    {
      message: 'There is no option "--nproc-pernode"; the nearest is --nproc-per-node',
      hint: "Options of the script come after the script",
    },
    { message: 'There is no option "--bogus"', hint: "Options of the script come after the script" },
  ]);
});

Deno.test("divideArguments() takes the word after a mistyped option for its value", () => {
  assertEquals(divide("--tea", "3", "--role", "x", "s"), {
    options: ["--role=x"],
    rest: ["s"],
    problems: ['There is no option "--tea"; the nearest is --tee'],
  });
  assertEquals(divide("--bogus", "3", "s").rest, ["3", "s"]);
  assertEquals(divide("--standalonee", "s").rest, ["s"]);
});
