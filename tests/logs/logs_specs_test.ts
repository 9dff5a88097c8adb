import { assertEquals } from "@std/assert";
import { problemOfLogsPlan } from "../../lib/logs/logs_specs.ts";

const NOWHERE = { file: null, console: false };
const WORKER = { stdout: NOWHERE, stderr: NOWHERE };

Deno.test("problemOfLogsPlan() accepts what the interface allows", () => {
  assertEquals(problemOfLogsPlan({ workers: [WORKER] }, 1), null);
  const file = { file: "/logs/a", console: true };
  const errorFile = "/logs/e";
  assertEquals(problemOfLogsPlan({ workers: [WORKER, { ...WORKER, stdout: file, errorFile }] }, 2), null);
  assertEquals(problemOfLogsPlan({ workers: [{ ...WORKER, errorFile: null }] }, 1), null);
});

Deno.test("problemOfLogsPlan() names what is wrong and where", () => {
  const of = (worker: unknown) => problemOfLogsPlan({ workers: [WORKER, worker] }, 2);
  const notOne = "it must return an object with the list 'workers', and at once";
  assertEquals(problemOfLogsPlan(undefined, 1), notOne);
  assertEquals(problemOfLogsPlan(Promise.resolve({ workers: [WORKER] }), 1), notOne);
  assertEquals(
    problemOfLogsPlan({ workers: [WORKER] }, 2),
    "its list 'workers' must have 2, one for each local rank: it has 1",
  );
  assertEquals(of(null), "workers[1].stdout.console must be true or false");
  assertEquals(of({ stdout: NOWHERE }), "workers[1].stderr.console must be true or false");
  const file = (file: unknown) => ({ file, console: true });
  const wanted = "workers[1].stdout.file must be null or an absolute path";
  for (const path of ["relative", 3, undefined, "/nul\0"]) {
    assertEquals(of({ ...WORKER, stdout: file(path) }), wanted);
  }
  assertEquals(
    of({ stdout: file("/a"), stderr: file("/a") }),
    'workers[1].stderr.file is another stream\'s, too: "/a"',
  );
  assertEquals(
    of({ ...WORKER, errorFile: "e" }),
    "workers[1].errorFile must be null or an absolute path",
  );
});
