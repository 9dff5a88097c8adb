import { assertEquals, assertNotEquals } from "@std/assert";
import { outputOf, planOnThisMachine } from "../../lib/host/machine_info.ts";
import { parseCommandLine } from "../../lib/options/parse.ts";

function plan(...args: string[]) {
  return planOnThisMachine(parseCommandLine([...args, "--no-python", "true"], {}).options!);
}

Deno.test("planOnThisMachine() knows where it is", async () => {
  const { plan: first, problems } = await plan("--nproc-per-node=2");
  assertEquals(problems, []);
  assertEquals([first?.workerCount, first?.command.cwd], [2, Deno.cwd()]);
});

Deno.test("planOnThisMachine() gives every job an id of its own", async () => {
  const [a, b] = await Promise.all([plan(), plan()]);
  assertNotEquals(a.plan?.jobId, b.plan?.jobId);
});

Deno.test("planOnThisMachine() counts CPUs as the system's nproc", async () => {
  const { stdout } = await new Deno.Command("nproc", { clearEnv: true }).output();
  const { plan: counted } = await plan("--nproc-per-node=cpu", "--force");
  assertEquals(counted?.workerCount, Number(new TextDecoder().decode(stdout)));
});

Deno.test("outputOf() is what a command prints", async () => {
  assertEquals(await outputOf(["printf", "a\\n%s", "b"]), "a\nb");
});

Deno.test("outputOf() is null for a command that fails, is missing or hangs", async () => {
  assertEquals(await outputOf(["sh", "-c", "echo half; exit 3"]), null);
  assertEquals(await outputOf(["muster-has-no-such-program"]), null);
  assertEquals(await outputOf(["sleep", "600"], { limitMs: 50 }), null);
});
