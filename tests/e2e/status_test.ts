/** `muster status` on real jobs and in a real terminal (tmux). */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { checkScreen } from "../view/screens.ts";
import { killMarked, newMark } from "./processes.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const MUSTER = [Deno.execPath(), "run", "-A", "--quiet", `${ROOT}main.ts`];
const WAIT_MS = 30_000;

/** A runtime directory of its own. Other jobs of this machine can be seen all the same, so each test's has an id of its own. */
async function alone(
  body: (run: { readonly env: Record<string, string>; readonly directory: string }) => Promise<void>,
): Promise<void> {
  const mark = newMark();
  const directory = await Deno.makeTempDir({ prefix: "status-" });
  const env = { ...mark.env, XDG_RUNTIME_DIR: directory, LANG: "C.UTF-8", TERM: "xterm-256color" };
  try {
    await body({ env, directory });
  } finally {
    killMarked(mark);
    await Deno.remove(directory, { recursive: true });
  }
}

/** As long as the id on the recorded screens, which it is replaced by. */
const SCREEN_ID = "llm-7b";

function newId(): string {
  return crypto.randomUUID().slice(0, SCREEN_ID.length);
}

async function output(args: readonly string[], env: Record<string, string>) {
  const { code, stdout, stderr } = await new Deno.Command(args[0]!, {
    args: args.slice(1),
    env,
    stdin: "null",
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + WAIT_MS; !await holds();) {
    if (Date.now() > deadline) throw new Error(`Not so after ${WAIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function startJob(env: Record<string, string>, args: readonly string[], script: string): Deno.ChildProcess {
  return new Deno.Command(MUSTER[0]!, {
    args: [...MUSTER.slice(1), ...args, "--no-python", "sh", "-c", script],
    env,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

Deno.test("status: a job is found without any flag, whichever way its output goes", () =>
  alone(async ({ env, directory }) => {
    const id = newId();
    const script = "echo I am $RANK; echo late $RANK >&2; exec sleep 60";
    const jobs = [
      startJob(env, [
        "--nproc-per-node=2",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=localhost:0",
        `--rdzv-id=${id}-seen`,
      ], script),
      startJob(env, [
        ...[
          "--nproc-per-node=3",
          "--rdzv-backend=c10d",
          "--rdzv-endpoint=localhost:0",
          `--rdzv-id=${id}-filed`,
        ],
        ...["-r3", `--log-dir=${directory}/logs`],
      ], script),
    ];
    const ask = async (...args: string[]) => await output([...MUSTER, "status", ...args], env);
    const statuses = async () =>
      (await ask("--json")).stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))
        .filter(({ job }) => job.startsWith(id));
    const printed = "I am 0\nlate 0\n".length;
    await until(
      "both jobs have printed",
      async () =>
        (await statuses()).filter(({ nodes }) =>
          nodes[0].workers.every((worker: { outputBytes: number }) => worker.outputBytes === printed)
        ).length === 2,
    );

    const list = await ask("--job", id);
    for (const text of [`${id}-seen`, `${id}-filed`, "2 of 2 up", "3 of 3 up", "--job ID"]) {
      assertStringIncludes(list.stdout, text);
    }
    const filed = await ask("--job", `${id}-fil`, "--once");
    assertStringIncludes(filed.stdout, "● 3 running");
    // Two files of one moment: either line may be the last.
    assertMatch(filed.stdout, /(I am|late) 2$/m);
    const unknown = await ask("--job", `${id}-other`);
    assertEquals(unknown.code, 1);
    assertStringIncludes(
      unknown.stderr,
      `No job of yours with the id "${id}-other" runs on this node; there is `,
    );

    for (const job of jobs) job.kill("SIGTERM");
    await Promise.all(jobs.map((job) => job.status));
    assertEquals([...Deno.readDirSync(`${directory}/muster`)], [], "launchers take their sockets with them");
    assertEquals((await ask("--job", id)).code, 1);
  }));

Deno.test("status: in a terminal of any size it draws, follows keys and leaves nothing behind", () =>
  alone(async ({ env, directory }) => {
    const id = newId();
    const host = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", `${ROOT}tests/fixtures/status_host.ts`, "64", "8", id],
      env,
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const tmux = (...args: string[]) =>
      output(["tmux", "-S", `${directory}/tmux`, "-f", "/dev/null", ...args], env);
    try {
      await until(
        "the job can be asked",
        async () => (await output([...MUSTER, "status", "--once", "--job", id], env)).code === 0,
      );
      const command = `${MUSTER.join(" ")} status --job ${id}; echo "ended with $?"; sleep 60`;
      await tmux("new-session", "-d", "-x", "90", "-y", "24", command);
      const screen = async () =>
        (await tmux("capture-pane", "-p")).stdout.trimEnd().replace(id, SCREEN_ID).split("\n");
      const shows = (text: string) => until(text, async () => (await screen()).join("\n").includes(text));

      await shows("this is rank 0");
      checkScreen("tmux_grid_90x24", await screen());
      await tmux("send-keys", "Down", "Down", "Right", "Enter");
      await shows("this is rank 17");
      checkScreen("tmux_output_90x24", await screen());
      await tmux("send-keys", "Escape", "t");
      await shows("LAST LINE");
      await tmux("resize-window", "-x", "46", "-y", "16");
      await until("it fits the new size", async () => (await screen()).length === 16);
      // The last word of the last line: what is drawn from the top is then there.
      await shows("f nex…");
      checkScreen("tmux_table_46x16", await screen());
      const colours = (await tmux("capture-pane", "-p", "-e")).stdout;
      assertStringIncludes(colours, "\x1b[32m●");

      await tmux("send-keys", "q");
      await shows("ended with 0");
      const after = (await screen()).join("\n");
      assertStringIncludes(after, "● 64 running");
      assert(!after.includes("q quit"), "the screen before is back");
    } finally {
      await tmux("kill-server");
      host.kill("SIGKILL");
      await Promise.all([host.status, host.stdin.close()]);
    }
  }));

Deno.test("status: any node of a job shows all of it, and so does the job's address from elsewhere", () =>
  alone(async ({ env }) => {
    const id = newId();
    const port = freePort();
    const args = [
      "--nnodes=2",
      "--nproc-per-node=2",
      "--rdzv-backend=c10d",
      `--rdzv-endpoint=127.0.0.1:${port}`,
    ];
    const secret = { ...env, MUSTER_JOB_SECRET: "only for friends" };
    const jobs = ["a", "b"].map((node) =>
      startJob(
        secret,
        [...args, `--rdzv-id=${id}`, `--node-id=${node}`],
        "echo rank $RANK is here; exec sleep 60",
      )
    );
    const status = async (...words: string[]) =>
      await output([...MUSTER, "status", "--json", ...words], secret);
    const lines = (stdout: string): string[] =>
      stdout === ""
        ? []
        : JSON.parse(stdout).nodes.flatMap(({ workers }: { workers: { lastLine: string }[] }) =>
          workers.map(({ lastLine }) => lastLine)
        );
    const all = [0, 1, 2, 3].map((rank) => `rank ${rank} is here`);
    await until("all ranks are seen from elsewhere", async () => {
      const { stdout } = await status(`127.0.0.1:${port}`);
      return lines(stdout).join() === all.join();
    });
    assertEquals(
      lines((await status("--job", id)).stdout),
      all,
      "one job, though two launchers of it run here",
    );

    const stranger = await output([...MUSTER, "status", "--once", `127.0.0.1:${port}`], env);
    assertEquals(stranger.code, 71);
    assertStringIncludes(stranger.stderr, "asks for the job's secret");
    for (const job of jobs) job.kill("SIGTERM");
    await Promise.all(jobs.map((job) => job.status));
  }));

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
