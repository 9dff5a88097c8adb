import { assertEquals } from "@std/assert";
import { substituteLocalRank } from "../../lib/options/worker_command.ts";
import { checkProblem, type Given, planned, planOf } from "./planning.ts";

/** Checks the whole command line, before `${local_rank}` is replaced. */
function check(args: readonly string[], wanted: readonly string[], given: Given = {}): void {
  const { executable, fixedArguments, scriptArguments } = planOf(args, given).command;
  assertEquals([executable, ...fixedArguments, ...scriptArguments], wanted);
}

function hintOf(args: readonly string[], given: Given = {}): string | undefined {
  return planned(args, given).problems[0]?.hint;
}

const TOOLS: Given = {
  tree: {
    programs: ["/usr/bin/tool", "./run.sh"],
    files: { "notes.txt": "", "train2.py": "" },
    directories: ["data"],
  },
};

Deno.test("workerCommand() runs a script with Python, unbuffered", () => {
  check(["train.py", "--lr", "1"], ["/usr/bin/python3", "-u", "train.py", "--lr", "1"]);
});

Deno.test("workerCommand() -m runs a module, of which there is no file to look for", () => {
  check(["-m", "pkg.train", "a"], ["/usr/bin/python3", "-u", "-m", "pkg.train", "a"]);
});

Deno.test("workerCommand() --no-python runs the program itself, by the name it was given", () => {
  check(["--no-python", "tool", "x"], ["tool", "x"], TOOLS);
  check(["--no-python", "./run.sh"], ["./run.sh"], TOOLS);
  const withoutPython = { ...TOOLS, environment: { VIRTUAL_ENV: "/gone", PYTHON_EXEC: "/gone" } };
  check(["--no-python", "./run.sh"], ["./run.sh"], withoutPython);
});

Deno.test("workerCommand() --run-path runs the file with Python, whatever else is said", () => {
  check(["--run-path", "--no-python", "-m", "train.py", "x"], ["/usr/bin/python3", "-u", "train.py", "x"]);
});

Deno.test("workerCommand() appends --local-rank for torch.distributed.launch, but with --use-env", () => {
  const legacy: Given = { dialect: "legacy" };
  const python = ["/usr/bin/python3", "-u", "train.py"];
  check(["train.py", "x"], [...python, "--local-rank=${local_rank}", "x"], legacy);
  check(["--use-env", "train.py", "x"], [...python, "x"], legacy);
});

Deno.test("workerCommand() names the program as torchrun's report does", () => {
  const name = (args: readonly string[], given: Given = {}) => planOf(args, given).command.displayName;
  assertEquals(name(["train.py"]), "train.py");
  assertEquals(name(["-m", "pkg.train"]), "pkg.train");
  assertEquals(name(["--", "-c", "print()"]), "print()");
  assertEquals(name(["--run-path", "train.py"]), "run_script_path");
  assertEquals(name(["--no-python", "tool"], TOOLS), "tool");
  assertEquals(name(["train.py"], { environment: { PYTHON_EXEC: "/usr/bin/python3" } }), "/usr/bin/python3");
  assertEquals(name(["--python=python3", "train.py"]), "train.py");
});

Deno.test("workerCommand() refuses a script that is not there", () => {
  checkProblem(["missing.py"], 'There is no file "missing.py" in /work');
  checkProblem(["/no/missing.py"], 'There is no file "/no/missing.py"');
  checkProblem([""], "The script's name is empty");
  checkProblem(["--run-path", "missing.py"], 'There is no file "missing.py" in /work');
});

Deno.test("workerCommand() guesses what was meant", () => {
  assertEquals(hintOf(["train2"], TOOLS), "Did you mean train2.py?");
  assertEquals(hintOf(["pkg.train"]), "For a Python module add -m, for a program --no-python");
  assertEquals(hintOf(["missing.py"]), undefined);
  assertEquals(hintOf(["--no-python", "notes.txt"], TOOLS), "The one in /work is ./notes.txt");
});

Deno.test("workerCommand() runs a directory that has a __main__.py, and no other", () => {
  checkProblem(["data"], 'The script "data" is a directory without a __main__.py', TOOLS);
  check(["app"], ["/usr/bin/python3", "-u", "app"], { tree: { files: { "app/__main__.py": "" } } });
  check(["app"], ["/usr/bin/python3", "-u", "app"], { tree: { files: { "app/__main__.pyc": "" } } });
});

Deno.test("workerCommand() leaves to Python what is no file: a pipe, its own options", () => {
  check(["/dev/fd/63"], ["/usr/bin/python3", "-u", "/dev/fd/63"], { tree: { nodes: ["/dev/fd/63"] } });
  check(["--", "-c", "print()"], ["/usr/bin/python3", "-u", "-c", "print()"]);
  check(["-"], ["/usr/bin/python3", "-u", "-"]);
});

Deno.test("workerCommand() looks for a script of each rank", () => {
  const script = "rank_${local_rank}.py";
  const tree = { files: { "rank_0.py": "", "rank_1.py": "" } };
  check(["--nproc-per-node=2", script], ["/usr/bin/python3", "-u", script], { tree });
  checkProblem(["--nproc-per-node=3", script], 'There is no file "rank_2.py" in /work', { tree });
});

Deno.test("workerCommand() --no-python: refuses programs that cannot be executed", () => {
  checkProblem(["--no-python", "nothing"], 'There is no program "nothing" on PATH', TOOLS);
  checkProblem(["--no-python", "./nothing"], 'There is no file "./nothing" in /work', TOOLS);
  checkProblem(["--no-python", "/usr"], '"/usr" is a directory, not a program', TOOLS);
  checkProblem(["--no-python", "/etc/hosts"], '"/etc/hosts" is not executable', {
    tree: { files: { "/etc/hosts": "" } },
  });
});

Deno.test("substituteLocalRank() replaces its own name only, and $$ by $", () => {
  assertEquals(substituteLocalRank("--out=/tmp/${local_rank}/$local_rank", 3), "--out=/tmp/3/3");
  assertEquals(
    substituteLocalRank("$$HOME $HOME ${HOME} $local_ranks $", 3),
    "$HOME $HOME ${HOME} $local_ranks $",
  );
});
