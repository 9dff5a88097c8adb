/** The shell head of the packed executable: where it unpacks itself, and what it does where it can't. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Artefacts } from "../../scripts/build/artefacts.ts";
import { buildStandIn, canMount, filesBelow, run, type RunResult, SYSTEM_PATH, told } from "./packed.ts";

const mountable = canMount();
if (!mountable) {
  console.log("Left out: the packed executable on full, read-only and noexec disks (needs root and mount)");
}
const isRoot = Deno.uid() === 0;
const temporaryName = `muster-${Deno.uid()}`;

let built: string;
let artefacts: Artefacts;
Deno.test.beforeAll(async () => {
  built = await Deno.makeTempDir();
  artefacts = await buildStandIn(built);
});
Deno.test.afterAll(() => Deno.remove(built, { recursive: true }));

/** Gives each test a directory of its own with a home and a temporary directory in it. */
async function withPlaces(test: (places: { root: string; HOME: string; TMPDIR: string }) => Promise<void>) {
  const root = await Deno.makeTempDir();
  try {
    const places = { root, HOME: `${root}/home`, TMPDIR: `${root}/tmp` };
    await Deno.mkdir(places.HOME);
    await Deno.mkdir(places.TMPDIR);
    await test(places);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

function assertStartedFrom(result: RunResult, cache: string): void {
  assertEquals(result.code, 0, result.stderr);
  assertStringIncludes(told(result, "runtime") ?? "", `${cache}/`);
}

/** Runs `script` (sh) in a mount namespace of its own; mounts vanish with it. */
function runMounted(script: string, environment: Record<string, string>): Promise<RunResult> {
  return run(["unshare", "--mount", "sh", "-ec", script], { environment });
}

Deno.test("packedHead() unpacks into MUSTER_CACHE, XDG_CACHE_HOME, HOME, TMPDIR, in this order", async () => {
  await withPlaces(async ({ root, HOME, TMPDIR }) => {
    const [MUSTER_CACHE, XDG_CACHE_HOME] = [`${root}/own cache`, `${root}/xdg`];
    const start = (environment: Record<string, string>) => run([artefacts.packed], { environment });
    assertStartedFrom(await start({ TMPDIR }), `${TMPDIR}/${temporaryName}`);
    assertStartedFrom(await start({ TMPDIR: `${root}/other`, HOME }), `${HOME}/.cache/muster`);
    await Deno.remove(`${HOME}/.cache`, { recursive: true });
    await Deno.remove(`${TMPDIR}/${temporaryName}`, { recursive: true });
    assertStartedFrom(await start({ TMPDIR, HOME, XDG_CACHE_HOME }), `${XDG_CACHE_HOME}/muster`);
    assertStartedFrom(await start({ TMPDIR, HOME, XDG_CACHE_HOME, MUSTER_CACHE }), MUSTER_CACHE);
  });
});

Deno.test("packedHead() starts a second time without any tool and without writing to the cache", async () => {
  await withPlaces(async ({ HOME, TMPDIR }) => {
    assertStartedFrom(await run([artefacts.packed], { environment: { HOME, TMPDIR } }), HOME);
    const before = filesBelow(`${HOME}/.cache`).map((path) =>
      `${path} ${Deno.statSync(path).mtime?.getTime()}`
    );
    const again = await run([artefacts.packed], { environment: { HOME, TMPDIR, PATH: "/nonexistent" } });
    // The stand-in itself needs `env`; that it was reached is the point.
    assertStringIncludes(told(again, "runtime") ?? "", HOME);
    const after = filesBelow(`${HOME}/.cache`).map((path) =>
      `${path} ${Deno.statSync(path).mtime?.getTime()}`
    );
    assertEquals(after, before);
    assertEquals(before.length, 2);
  });
});

Deno.test("packedHead() does not make a home that is not there, and ignores a relative XDG_CACHE_HOME", async () => {
  await withPlaces(async ({ root, TMPDIR }) => {
    const environment = { HOME: `${root}/nobody`, XDG_CACHE_HOME: "cache", TMPDIR };
    assertStartedFrom(await run([artefacts.packed], { environment, cwd: root }), TMPDIR);
    assertEquals([...Deno.readDirSync(root)].map(({ name }) => name).sort(), ["home", "tmp"]);
  });
});

Deno.test("packedHead() names the runtime's file muster, for ps", async () => {
  await withPlaces(async ({ HOME, TMPDIR }) => {
    assertMatch(
      told(await run([artefacts.packed], { environment: { HOME, TMPDIR } }), "runtime") ?? "",
      /\/muster$/,
    );
  });
});

Deno.test("packedHead() hands on what only it knows, and keeps the runtime away from the user's files", async () => {
  await withPlaces(async ({ root, HOME, TMPDIR }) => {
    await Deno.symlink(artefacts.packed, `${root}/torchrun`);
    await Deno.writeTextFile(`${HOME}/.npmrc`, "registry=${NOT_SET}\n");
    const command = [
      "sh",
      "-c",
      'ulimit -Sn 123; exec "$0" "$@"',
      `${root}/torchrun`,
      "a b",
      "c\nd",
      "",
      "--",
      "'\"$x",
    ];
    const result = await run(command, { environment: { HOME, TMPDIR, DENO_DIR: "/theirs" } });
    assertEquals(told(result, "MUSTER_PROGRAM_NAME"), "torchrun");
    assertEquals(told(result, "MUSTER_NOFILE_SOFT"), "123");
    assertEquals(told(result, "DENO_DIR"), `${TMPDIR}/${temporaryName}/deno`);
    assertEquals(told(result, "MUSTER_SAVED_DENO_DIR"), "/theirs");
    assertEquals(told(result, "DENO_NO_UPDATE_CHECK"), "1");
    assertEquals(told(result, "MUSTER_SAVED_HOME"), HOME);
    assertEquals(told(result, "MUSTER_REPLACED"), "DENO_DIR DENO_NO_UPDATE_CHECK HOME");
    assertStringIncludes(
      result.stdout,
      "argument=a b\nargument=c\nd\nargument=\nargument=--\nargument='\"$x\n",
    );
  });
});

Deno.test("packedHead() runs under every shell that can be /bin/sh", async () => {
  const shells = [["dash"], ["bash", "--posix"], ["busybox", "sh"], ["ksh"], ["mksh"], [
    "zsh",
    "--emulate",
    "sh",
  ]];
  let tried = 0;
  for (const shell of shells) {
    if ((await run(["sh", "-c", `command -v ${shell[0]}`])).code !== 0) continue;
    tried++;
    await withPlaces(async ({ HOME, TMPDIR }) => {
      for (const _ of ["first", "second"]) {
        const result = await run([...shell, artefacts.packed, "x  y"], { environment: { HOME, TMPDIR } });
        assertStartedFrom(result, HOME);
        assertStringIncludes(result.stdout, "argument=x  y\n", shell[0]);
        assertEquals(result.stderr, "", shell[0]);
      }
    });
  }
  assert(tried > 0);
});

Deno.test("packedHead() started many times at once leaves one copy and no leftovers", async () => {
  await withPlaces(async ({ HOME, TMPDIR }) => {
    const starts = Array.from(
      { length: 6 },
      () => run([artefacts.packed], { environment: { HOME, TMPDIR } }),
    );
    for (const result of await Promise.all(starts)) assertStartedFrom(result, HOME);
    assertEquals(filesBelow(`${HOME}/.cache/muster`).length, 2);
  });
});

Deno.test({
  name: "packedHead() started at once with the same pid in several containers leaves one copy",
  ignore: !mountable,
  fn: () =>
    withPlaces(async ({ HOME, TMPDIR }) => {
      const contained = [
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        "sh",
        "-c",
        'echo "pid=$$"; exec "$0"',
      ];
      const starts = Array.from(
        { length: 4 },
        () => run([...contained, artefacts.packed], { environment: { HOME, TMPDIR } }),
      );
      for (const result of await Promise.all(starts)) {
        assertStartedFrom(result, HOME);
        assertEquals(told(result, "pid"), "1");
      }
      assertEquals(filesBelow(`${HOME}/.cache/muster`).length, 2);
    }),
});

Deno.test("packedHead() refuses to start when the executable is damaged or cut off, and leaves nothing", async () => {
  await withPlaces(async ({ root, HOME, TMPDIR }) => {
    const whole = await Deno.readFile(artefacts.packed);
    const damaged = whole.slice();
    damaged[whole.length - 20]! ^= 0xff;
    for (const bytes of [damaged, whole.subarray(0, whole.length - 20)]) {
      await Deno.writeFile(`${root}/broken`, bytes, { mode: 0o755 });
      const { code, stdout, stderr } = await run(["sh", `${root}/broken`], {
        environment: { HOME, TMPDIR, MUSTER_CACHE: `${root}/cache` },
      });
      assertEquals([code, stdout], [71, ""], stderr);
      assertMatch(
        stderr,
        /muster: cannot unpack itself; no place would do:\n {2}\S*\/home\/\.cache\/muster: .+\n/,
      );
      for (const place of [`${root}/cache`, HOME, TMPDIR]) assertEquals(filesBelow(place), []);
    }
  });
});

Deno.test("packedHead() compares checksums of what it unpacked", async () => {
  await withPlaces(async ({ root, HOME, TMPDIR }) => {
    const bytes = await Deno.readFile(artefacts.packed);
    const head = Array.from(bytes.subarray(0, 8192), (byte) => String.fromCharCode(byte)).join("");
    const digit = head.indexOf('same "$x/muster"') + 'same "$x/muster" '.length;
    bytes[digit] = head[digit] === "0" ? 0x31 : 0x30;
    await Deno.writeFile(`${root}/changed`, bytes, { mode: 0o755 });
    const { code, stderr } = await run(["sh", `${root}/changed`], { environment: { HOME, TMPDIR } });
    assertEquals(code, 71);
    assertStringIncludes(stderr, "wrong checksum: the executable is damaged");
  });
});

Deno.test("packedHead() says for which machine it was made", async () => {
  await withPlaces(async ({ root, HOME, TMPDIR }) => {
    const other = await buildStandIn(root, "Linux vax");
    const { code, stderr } = await run([other.packed], { environment: { HOME, TMPDIR } });
    assertEquals(code, 71);
    assertMatch(stderr, /^muster: this executable is for Linux vax, and this machine is \S+ \S+: .+\n$/);
    assertEquals(filesBelow(HOME), []);
  });
});

Deno.test({
  name: "packedHead() does not trust another user's directory",
  ignore: !isRoot,
  fn: () =>
    withPlaces(async ({ root, HOME, TMPDIR }) => {
      await Deno.mkdir(`${HOME}/.cache/muster`, { recursive: true });
      await Deno.chown(`${HOME}/.cache/muster`, 65534, 65534);
      await Deno.mkdir(`${root}/elsewhere`);
      await Deno.symlink(`${root}/elsewhere`, `${TMPDIR}/${temporaryName}`);
      const foreign = await run([artefacts.packed], { environment: { HOME, TMPDIR } });
      assertEquals(filesBelow(HOME), []);
      assertEquals(filesBelow(`${root}/elsewhere`), []);
      assertEquals(foreign.code, 71);
      assertStringIncludes(foreign.stderr, `${HOME}/.cache/muster: it belongs to another user`);
      await Deno.remove(`${TMPDIR}/${temporaryName}`);
      // With sudo HOME may be another user's: nothing of root's is to appear there.
      await Deno.remove(`${HOME}/.cache`, { recursive: true });
      await Deno.chown(HOME, 65534, 65534);
      assertStartedFrom(await run([artefacts.packed], { environment: { HOME, TMPDIR } }), TMPDIR);
      assertEquals([...Deno.readDirSync(HOME)], []);
    }),
});

Deno.test({
  name: "packedHead() shares a cache that MUSTER_CACHE names with the other users of an image",
  ignore: !isRoot,
  fn: () =>
    withPlaces(async ({ root, HOME, TMPDIR }) => {
      const environment = { HOME, TMPDIR, MUSTER_CACHE: `${root}/shared` };
      await Deno.chmod(root, 0o755);
      await run([artefacts.packed], { environment });
      const before = filesBelow(environment.MUSTER_CACHE);
      const script = `${root}/muster`;
      await Deno.copyFile(artefacts.packed, script);
      const asNobody = ["setpriv", "--reuid", "65534", "--clear-groups", "sh", script];
      assertStartedFrom(await run(asNobody, { environment }), environment.MUSTER_CACHE);
      assertEquals(filesBelow(environment.MUSTER_CACHE), before);
    }),
});

Deno.test("packedHead() removes what a start left that was killed in the middle", async () => {
  await withPlaces(async ({ HOME, TMPDIR }) => {
    const cache = `${HOME}/.cache/muster`;
    await Deno.mkdir(`${cache}/.unpack.old`, { recursive: true });
    await Deno.mkdir(`${cache}/.unpack.new`);
    const twoDaysAgo = new Date(Date.now() - 48 * 3_600_000);
    await Deno.utime(`${cache}/.unpack.old`, twoDaysAgo, twoDaysAgo);
    assertStartedFrom(await run([artefacts.packed], { environment: { HOME, TMPDIR } }), cache);
    const left = [...Deno.readDirSync(cache)].map(({ name }) => name).filter((name) => name.startsWith("."));
    assertEquals(left, [".unpack.new"]);
  });
});

Deno.test({
  name: "packedHead() goes on to the next place where the disk is full, read-only or noexec",
  ignore: !mountable,
  fn: () =>
    withPlaces(async ({ root, HOME, TMPDIR }) => {
      const cache = `${root}/cache`;
      await Deno.mkdir(cache);
      const list = `find ${HOME} -type f -o -name ".unpack*" >&2`;
      const environment = { HOME, TMPDIR };
      const cases = {
        "No space left|write error": `mount -t tmpfs -o size=100k none ${cache}`,
        "Read-only file system": `mount -t tmpfs -o ro none ${cache}`,
        "[Pp]ermission denied": `mount -t tmpfs -o noexec none ${cache}`,
      };
      for (const [reason, mount] of Object.entries(cases)) {
        const asHome = await runMounted(
          `${mount.replace(cache, HOME)}; '${artefacts.packed}'; ${list}`,
          environment,
        );
        assertStartedFrom(asHome, TMPDIR);
        assertEquals(asHome.stderr, "", "nothing is left of the attempt");
        await Deno.remove(`${TMPDIR}/${temporaryName}`, { recursive: true });
        const named = await runMounted(`${mount}; '${artefacts.packed}'`, {
          ...environment,
          MUSTER_CACHE: cache,
        });
        assertStartedFrom(named, HOME);
        assertMatch(named.stderr, new RegExp(`MUSTER_CACHE cannot be used.*\\n.*(${reason})`));
        await Deno.remove(`${HOME}/.cache`, { recursive: true });
      }
    }),
});

Deno.test({
  name: "packedHead() says what to do where no place can hold programs",
  ignore: !mountable,
  fn: () =>
    withPlaces(async ({ HOME, TMPDIR }) => {
      const { code, stderr } = await runMounted(
        `for place in '${HOME}' '${TMPDIR}'; do mount -t tmpfs -o noexec none "$place"; done; '${artefacts.packed}'`,
        { HOME, TMPDIR },
      );
      assertEquals(code, 71, stderr);
      assertStringIncludes(stderr, `${HOME}/.cache/muster: `);
      assertStringIncludes(stderr, `${TMPDIR}/${temporaryName}: `);
      assertStringIncludes(stderr, "Set MUSTER_CACHE to a directory with 120 MB of room");
    }),
});

Deno.test("packedHead() stopped in the middle of unpacking ends by the signal and leaves nothing", async () => {
  await withPlaces(async ({ root, HOME, TMPDIR }) => {
    const tools = `${root}/tools`;
    await Deno.mkdir(tools);
    await run(["mkfifo", `${root}/reached`, `${root}/go`]);
    // A gzip that says when it is reached and goes on when it is told to.
    const gzip =
      `#!/bin/sh\necho reached >'${root}/reached'\nread -r go <'${root}/go'\nexec /bin/gzip "$@"\n`;
    await Deno.writeTextFile(`${tools}/gzip`, gzip, { mode: 0o755 });
    const child = new Deno.Command(artefacts.packed, {
      clearEnv: true,
      env: { PATH: `${tools}:${SYSTEM_PATH}`, HOME, TMPDIR },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    assertEquals((await run(["timeout", "20", "cat", `${root}/reached`])).stdout, "reached\n");
    child.kill("SIGTERM");
    // The script's gzip may go on, then the runtime's.
    await run([
      "timeout",
      "20",
      "sh",
      "-c",
      `echo go >'${root}/go'; cat '${root}/reached'; echo go >'${root}/go'`,
    ]);
    const { code, stdout } = await child.output();
    assertEquals([code, new TextDecoder().decode(stdout)], [143, ""]);
    assertEquals(filesBelow(HOME).filter((path) => path.includes(".unpack")), []);
  });
});

Deno.test("treeHead() starts what stands beside it, through symlinks too, and writes nothing there", async () => {
  await withPlaces(async ({ root, HOME, TMPDIR }) => {
    await run(["tar", "xzf", artefacts.tarball, "-C", root, "--strip-components=1"]);
    const before = filesBelow(root);
    await Deno.mkdir(`${root}/bin`);
    await Deno.symlink("../muster", `${root}/bin/muster`);
    await Deno.symlink(`${root}/bin/muster`, `${HOME}/torchrun`);
    const environment = { HOME, TMPDIR, PATH: `${HOME}:${SYSTEM_PATH}` };
    for (const command of [`${root}/muster`, `${root}/bin/muster`, "torchrun"]) {
      const result = await run(["sh", "-c", 'exec "$0" "$@"', command, "a  b"], { environment });
      assertEquals(result.code, 0, result.stderr);
      assertMatch(told(result, "runtime") ?? "", /\/lib\/muster$/);
      assertStringIncludes(result.stdout, "argument=a  b\n");
      assertEquals(told(result, "MUSTER_PROGRAM_NAME"), command.split("/").at(-1));
    }
    assertEquals(filesBelow(root).filter((path) => !/\/(bin|home)\//.test(path)), before);
  });
});

Deno.test("writeArtefacts() makes equal bytes of equal inputs", async () => {
  await withPlaces(async ({ root }) => {
    const again = await buildStandIn(root);
    for (const name of ["packed", "tarball", "script"] as const) {
      assertEquals(await Deno.readFile(again[name]), await Deno.readFile(artefacts[name]), name);
    }
  });
});
