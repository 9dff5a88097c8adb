import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { allProcesses, carriesMark, processInfo } from "../../lib/host/process_table.ts";

const FIXTURE = new URL("../fixtures/guard_host.ts", import.meta.url).pathname;

const isAlive = (pid: number) => !["Z", "X", undefined].includes(processInfo(pid)?.state);
const marked = (id: string) => allProcesses().filter((pid) => isAlive(pid) && carriesMark(pid, id));

/** Waits until `condition` holds; fails after ten seconds, which no healthy run comes near. */
async function until(condition: () => boolean, what: string): Promise<void> {
  for (let round = 0; round < 500; round++) {
    if (condition()) return;
    await delay(20);
  }
  throw new Error(`Waited in vain until ${what}`);
}

/** Runs `body` with a fixture that has started its three processes; ends all of them whatever happens. */
async function withHost(
  body: (host: {
    readonly id: string;
    readonly child: Deno.ChildProcess;
    readonly guard: number;
    readonly say: (word: string) => Promise<void>;
    readonly nextLine: () => Promise<string>;
    readonly endInput: () => Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  const id = crypto.randomUUID().replaceAll("-", "");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", FIXTURE, id],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const writer = child.stdin.getWriter();
  let pending = "";
  const nextLine = async (): Promise<string> => {
    while (!pending.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) return pending;
      pending += value;
    }
    const end = pending.indexOf("\n");
    const line = pending.slice(0, end);
    pending = pending.slice(end + 1);
    return line;
  };
  try {
    const { guard } = JSON.parse(await nextLine());
    // sh, two sleeps in its group and one that left the session: the shell becomes the third sleep.
    await until(() => marked(id).length === 3, "all three processes run");
    await body({
      id,
      child,
      guard,
      nextLine,
      endInput: () => writer.close(),
      say: (word) => writer.write(new TextEncoder().encode(word)),
    });
  } finally {
    for (const pid of [child.pid, ...marked(id)]) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It is gone, as it should be.
      }
    }
    await child.status;
    await writer.close().catch(() => {});
    await reader.cancel().catch(() => {});
  }
}

Deno.test("Guard ends workers, their children and escaped sessions when the launcher is SIGKILLed", async () => {
  await withHost(async ({ id, child, guard }) => {
    child.kill("SIGKILL");
    await until(() => marked(id).length === 0, "no marked process is left");
    await until(() => !isAlive(guard), "the guard has ended too");
  });
});

Deno.test("Guard that is killed is replaced, and the new one knows the groups", async () => {
  await withHost(async ({ id, child, guard, say, nextLine }) => {
    Deno.kill(guard, "SIGKILL");
    assertEquals(await nextLine(), "guard replaced");
    await say("guard?\n");
    const replacement = JSON.parse(await nextLine()).guard;
    assertNotEquals(replacement, guard);
    assert(isAlive(replacement));
    child.kill("SIGKILL");
    await until(() => marked(id).length === 0, "no marked process is left");
  });
});

Deno.test("Guard kills nothing after a goodbye", async () => {
  await withHost(async ({ id, guard, endInput, nextLine }) => {
    await endInput();
    assertEquals(await nextLine(), "closed");
    await until(() => !isAlive(guard), "the guard has ended");
    assertEquals(marked(id).length, 3);
  });
});
