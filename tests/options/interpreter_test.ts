import { assertEquals, assertStringIncludes } from "@std/assert";
import { findInterpreter } from "../../lib/options/interpreter.ts";
import { machine } from "./file_tree.ts";

const PROGRAMS = ["/venv/bin/python", "/conda/bin/python", "/opt/py/bin/python3.12", "/usr/bin/python"];

interface Given {
  readonly python?: string;
  readonly programs?: readonly string[];
  readonly files?: Record<string, string>;
}

function found(environment: Record<string, string>, { python, programs = PROGRAMS, files = {} }: Given) {
  return findInterpreter(python ?? null, machine({ environment, tree: { programs, files } }));
}

/** Checks which interpreter is found and why. */
function check(
  environment: Record<string, string>,
  wanted: [path: string, because: string],
  given: Given = {},
): void {
  const result = found({ PATH: "/usr/bin", ...environment }, given);
  assertEquals(result.kind === "value" ? [result.value.executable, result.value.because] : result, wanted);
}

function checkProblem(environment: Record<string, string>, part: string, given: Given = {}): void {
  const result = found(environment, given);
  assertStringIncludes(result.kind === "problem" ? result.problem.message : JSON.stringify(result), part);
}

Deno.test("findInterpreter() --python is first, PYTHON_EXEC second, then the environment, then PATH", () => {
  const all = { PYTHON_EXEC: "/opt/py/bin/python3.12", VIRTUAL_ENV: "/venv" };
  check(all, ["/conda/bin/python", "--python"], { python: "/conda/bin/python" });
  check(all, ["/opt/py/bin/python3.12", "PYTHON_EXEC"]);
  check({ VIRTUAL_ENV: "/venv" }, ["/venv/bin/python", "VIRTUAL_ENV"]);
  check({ CONDA_PREFIX: "/conda" }, ["/conda/bin/python", "CONDA_PREFIX"]);
  check({}, ["/usr/bin/python3", "python3 on PATH"]);
});

Deno.test("findInterpreter() takes of two environments the one in front of PATH", () => {
  const both = { VIRTUAL_ENV: "/venv", CONDA_PREFIX: "/conda" };
  check({ ...both, PATH: "/conda/bin:/venv/bin:/usr/bin" }, ["/conda/bin/python", "CONDA_PREFIX"]);
  check({ ...both, PATH: "/venv/bin:/conda/bin:/usr/bin" }, ["/venv/bin/python", "VIRTUAL_ENV"]);
  check(both, ["/venv/bin/python", "VIRTUAL_ENV"]);
});

Deno.test("findInterpreter() passes by an environment that is gone, and empty variables", () => {
  check({ VIRTUAL_ENV: "/deleted" }, ["/usr/bin/python3", "python3 on PATH"]);
  check({ VIRTUAL_ENV: "", PYTHON_EXEC: "" }, ["/usr/bin/python3", "python3 on PATH"]);
});

Deno.test("findInterpreter() looks a plain name up on PATH", () => {
  check({ PATH: "/usr/bin:/opt/py/bin" }, ["/opt/py/bin/python3.12", "--python"], { python: "python3.12" });
  check({ PYTHON_EXEC: "python" }, ["/usr/bin/python", "PYTHON_EXEC"]);
});

Deno.test("findInterpreter() takes python where there is no python3", () => {
  check({ PATH: "/opt/only" }, ["/opt/only/python", "python on PATH"], { programs: ["/opt/only/python"] });
});

Deno.test("findInterpreter() says what is wrong with a named interpreter", () => {
  checkProblem({}, '--python names no interpreter: PATH has no program "python4"', { python: "python4" });
  checkProblem({}, '--python names no interpreter: PATH has no program ""', { python: "" });
  checkProblem({ PYTHON_EXEC: "/no/python" }, 'PYTHON_EXEC names no interpreter: there is no "/no/python"');
  checkProblem({}, '"/venv" is a directory', { python: "/venv" });
  checkProblem({}, '"/etc/hosts" is not executable', { python: "/etc/hosts", files: { "/etc/hosts": "" } });
});

Deno.test("findInterpreter() says that there is none at all", () => {
  checkProblem({ PATH: "/empty" }, "There is no Python to run the script");
});
