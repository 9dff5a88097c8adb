/**
 * What is shipped, as a user gets it: every artefact is built once, from main.ts, and runs real jobs. Where the
 * packed executable unpacks itself to is packed_head_test.ts's matter.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { bundle } from "../../scripts/build/bundle.ts";
import { compile } from "../../scripts/build/compile.ts";
import { VERSION } from "../../lib/core/version.ts";
import { canMount, filesBelow, run, SYSTEM_PATH } from "./packed.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const mountable = canMount();
if (!mountable) {
  console.log("Left out: the artefacts without network and on a read-only image (needs root and mount)");
}

/** A job of one worker, for every artefact. */
const ONE = ["--standalone", "--no-python", "--nproc-per-node", "1"];

let directory: string;
/** The packed executable, with a cache and a home of its own. */
let packed: string;
let tarball: string;
let environment: { HOME: string; TMPDIR: string };
let buildOutput: string;

Deno.test.beforeAll(async () => {
  directory = await Deno.makeTempDir();
  environment = { HOME: `${directory}/home`, TMPDIR: `${directory}/tmp` };
  for (const path of Object.values(environment)) await Deno.mkdir(path);
  const build = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${ROOT}scripts/build.ts`, "--out", directory, "--rounds", "3"],
    stdin: "null",
  }).output();
  buildOutput = new TextDecoder().decode(build.stdout) + new TextDecoder().decode(build.stderr);
  assertEquals(build.code, 0, buildOutput);
  packed = `${directory}/muster`;
  tarball = [...Deno.readDirSync(directory)].map(({ name }) => `${directory}/${name}`).find((path) =>
    path.endsWith(".tar.gz")
  )!;
});
Deno.test.afterAll(() => Deno.remove(directory, { recursive: true }));

const muster = (
  args: readonly string[],
  options: { environment?: Record<string, string>; stdin?: string } = {},
) => run([packed, ...args], { ...options, environment: { ...environment, ...options.environment } });

Deno.test("deno task build prints the size and the start time of every artefact", () => {
  for (const name of ["/muster.js", "/muster", ".tar.gz"]) {
    const line = buildOutput.split("\n").find((line) => line.split("  ")[0]?.endsWith(name));
    assertMatch(line ?? buildOutput, /\d (kB|MB), starts in \d+\.\d ms \(\d+\.\d\d ×\)/);
  }
  assertMatch(buildOutput, /the first time in \d+\.\d\d s/);
});

Deno.test("muster.js runs from a URL", async () => {
  const script = await Deno.readFile(`${directory}/muster.js`);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) =>
      url.endsWith("/muster.js")
        ? new Response(script, { headers: { "content-type": "text/javascript" } })
        : new Response("", { status: 404 }),
  );
  const url = `http://127.0.0.1:${server.addr.port}/muster.js`;
  const worker = ["sh", "-c", 'echo "worker $RANK of $WORLD_SIZE"'];
  const result = await run([
    Deno.execPath(),
    ...["run", "-A", "--quiet", url, "--standalone", "--no-python", "--nproc-per-node", "2", ...worker],
  ], { environment: { ...environment, DENO_DIR: `${directory}/deno` } });
  assertEquals(result.code, 0, result.stderr);
  assertEquals(result.stdout.trim().split("\n").sort(), ["worker 0 of 2", "worker 1 of 2"]);
});

Deno.test("bundle() makes equal bytes wherever the package cache is, and keeps the licences", async () => {
  const entry = `${ROOT}main.ts`;
  const fresh = await bundle({ root: ROOT, entry, version: VERSION, denoDirectory: `${directory}/deno` });
  assertEquals(fresh === await Deno.readTextFile(`${directory}/muster.js`), true);
  assertStringIncludes(fresh, "@logtape/logtape: Copyright");
});

Deno.test("bundle() refuses what would load modules of Node at every start", async () => {
  const entry = `${directory}/entry.ts`;
  await Deno.writeTextFile(
    `${directory}/lazy.ts`,
    'import { spawn } from "node:child_process";\nspawn("true");\n',
  );
  await Deno.writeTextFile(entry, 'if (Deno.args[0]) await import("./lazy.ts");\n');
  let message = "";
  await bundle({ root: ROOT, entry, version: VERSION }).catch((error) => message = error.message);
  assertStringIncludes(message, 'await import("node:child_process")');
});

Deno.test({
  name: "dist/muster runs a job without Deno, npm, a network or a HOME",
  ignore: !mountable,
  fn: async () => {
    const { TMPDIR } = environment;
    const result = await run([
      "unshare",
      "--net",
      packed,
      ...ONE,
      "sh",
      "-c",
      'echo "rank $RANK, HOME ${HOME-unset}"',
    ], {
      environment: { TMPDIR },
    });
    assertEquals(result.code, 0, result.stderr);
    assertEquals(result.stdout, "rank 0, HOME unset\n");
  },
});

Deno.test("dist/muster passes arguments, standard input and exit codes on unchanged", async () => {
  const args = ["two  words", "line\nbreak", "", "--", "-h", "'\"$x`\\", "größer"];
  const echo = await muster([...ONE, "sh", "-c", 'for a; do printf "[%s]" "$a"; done', "sh", ...args]);
  assertEquals(echo.stdout, args.map((argument) => `[${argument}]`).join(""), echo.stderr);
  const cat = await muster(["--stdin-rank", "0", ...ONE, "cat"], { stdin: "from above" });
  assertEquals(cat.stdout, "from above", cat.stderr);
  assertEquals((await muster(["--exit-code", "worker", ...ONE, "sh", "-c", "exit 37"])).code, 37);
});

Deno.test("dist/muster shows its workers nothing of how it is packed", async () => {
  const HOME = environment.HOME;
  await Deno.writeTextFile(`${HOME}/.npmrc`, "registry=${NOT_SET}\n");
  const show = 'env; echo "nofile=$(ulimit -Sn)"; echo "launcher=$(cat /proc/$PPID/comm)"';
  const job = ["sh", "-c", 'ulimit -Sn 321; exec "$0" "$@"', packed, ...ONE, "sh", "-c", show];
  const result = await run(job, { environment: { ...environment, DENO_DIR: "/theirs" } });
  assertEquals(result.code, 0, result.stderr);
  const shown = new Map(
    result.stdout.trim().split("\n").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  assertEquals(shown.get("HOME"), HOME);
  assertEquals(shown.get("DENO_DIR"), "/theirs");
  assertEquals(shown.get("nofile"), "321");
  assertEquals(shown.get("launcher"), "muster");
  const names = [...shown.keys()];
  assertEquals(names.filter((name) => /^DENO_NO_|^MUSTER_(REPLACED|SAVED|NOFILE|PROGRAM)/.test(name)), []);
});

Deno.test("dist/muster is torchrun when it is called so", async () => {
  const link = `${directory}/torchrun`;
  await Deno.symlink(packed, link);
  const { code, stderr } = await run([link, "--no-such-option", "x.py"], { environment });
  assertEquals(code, 2);
  assertStringIncludes(stderr, "torchrun");
});

Deno.test("dist/muster ends by the signals that stop it, as its own process", async () => {
  const child = new Deno.Command(packed, {
    args: [...ONE, "sh", "-c", "echo up; exec sleep 60"],
    clearEnv: true,
    env: { PATH: SYSTEM_PATH, ...environment },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGTERM");
  await reader.cancel();
  assertEquals((await child.status).code, 143);
});

Deno.test({
  name: "the tarball runs a job from a read-only image",
  ignore: !mountable,
  fn: async () => {
    const image = `${directory}/image`;
    await Deno.mkdir(image);
    // Nothing can be written anywhere, not even to the temporary directory.
    const script = `mount -t tmpfs none '${image}'
      tar xzf '${tarball}' -C '${image}' --strip-components=1
      mount -o remount,ro '${image}'; mount -t tmpfs -o ro none '${environment.HOME}'
      TMPDIR='${image}' exec '${image}/muster' ${ONE.join(" ")} --log-dir /dev/null echo started`;
    const result = await run(["unshare", "--mount", "sh", "-ec", script], { environment });
    assertEquals([result.code, result.stdout], [0, "started\n"], result.stderr);
    assertEquals(filesBelow(image), []);
  },
});

Deno.test("compile() makes an executable, or says why not and proves that everything could be compiled", async () => {
  const output = `${directory}/compiled`;
  const result = await compile({ root: ROOT, entry: `${directory}/muster.js`, output });
  if (result.kind === "compiled") {
    assertEquals((await run([output, "--version"])).stdout, `muster ${VERSION}\n`);
  } else {
    assertMatch(result.reason, /\S/);
    console.log(`deno compile is not possible here: ${result.reason}`);
  }
});

Deno.test("compile() fails on a program that can't be compiled", async () => {
  const entry = `${directory}/broken.ts`;
  await Deno.writeTextFile(entry, 'import "./nowhere.ts";\n');
  let message = "";
  await compile({ root: ROOT, entry, output: `${directory}/never` }).catch((error) =>
    message = error.message
  );
  assertStringIncludes(message, "nowhere.ts");
});
