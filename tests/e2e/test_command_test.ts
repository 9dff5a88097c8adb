/** The test command itself: what it runs again, and what it counts then. */

import { assertEquals, assertStringIncludes } from "@std/assert";

const ROOT = new URL("../..", import.meta.url).pathname;

/** Runs the test command on a file whose tests a helper registers, as ours are that need PyTorch or several hosts. */
async function run(tests: string): Promise<{ code: number; text: string; last: string }> {
  const directory = await Deno.makeTempDir({ prefix: "muster-gate-" });
  try {
    await Deno.writeTextFile(
      `${directory}/helper.js`,
      "export const register = (name, body) => Deno.test(name, body);\n",
    );
    const file = `${directory}/some_test.ts`;
    await Deno.writeTextFile(file, `import { register } from "./helper.js";\n${tests}`);
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "scripts/test.ts", file],
      ...{ cwd: ROOT, env: { NO_COLOR: "1", D: directory }, stdin: "null", stderr: "null" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    return { code, text, last: text.trimEnd().split("\n").at(-1)! };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("test command: what fails also alone has failed, whoever registers it", async () => {
  const { code, last } = await run(`
    register("it's <b> & c (d)", () => { throw new Error("always"); });
    register("good", () => {});
  `);
  assertEquals([code, last], [1, "1 passed, 1 failed"]);
});

Deno.test("test command: a file that can't be loaded has failed", async () => {
  const { code, last } = await run("this is no program");
  assertEquals([code, last], [1, "0 passed, 1 failed"]);
});

Deno.test("test command: what fails beside others only is counted, and told", async () => {
  const { code, text, last } = await run(`
    register("now & then", () => {
      const mark = Deno.env.get("D") + "/mark";
      try { Deno.statSync(mark); } catch { Deno.writeTextFileSync(mark, ""); throw new Error("the first time"); }
    });
    register("now & then, but another", () => {});
  `);
  assertEquals([code, last], [0, "2 passed, 0 failed"]);
  assertStringIncludes(text, "Failed beside other tests, passed alone: now & then");
});
