import { assertEquals } from "@std/assert";
import { readStatusTask } from "../../lib/view/status_arguments.ts";

Deno.test("readStatusTask() reads what is to be shown", () => {
  const task = { kind: "show" as const, address: null, job: null, isOnce: false, isJson: false };
  assertEquals(readStatusTask([]), task);
  assertEquals(readStatusTask(["--once", "--json", "--job", "a"]), {
    ...task,
    isOnce: true,
    isJson: true,
    job: "a",
  });
  assertEquals(readStatusTask(["--job=b", "node-0:29400"]), { ...task, address: "node-0:29400", job: "b" });
  assertEquals(readStatusTask(["[::1]:29400", "-h"]), { kind: "help" });
});

Deno.test("readStatusTask() collects what is wrong", () => {
  const task = readStatusTask(["--fast", "node-0", "--job"]);
  assertEquals(task.kind === "problems" && task.problems.map(({ message }) => message), [
    "There is no option --fast",
    'The place of a job must be HOST:PORT: got "node-0"; a job of this node is --job ID',
    "--job needs the id of a job",
  ]);
});
