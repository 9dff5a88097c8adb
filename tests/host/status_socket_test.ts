import { assert, assertEquals } from "@std/assert";
import { findJobs } from "../../lib/host/status_client.ts";
import { isPrivate, openStatusDirectory } from "../../lib/host/status_directory.ts";
import { openStatusSocket } from "../../lib/host/status_socket.ts";
import { jobStatus } from "../view/sample_status.ts";

const NOTHING = { lastLines: [], output: null };

async function inDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("status socket: a job is found, asked and gone with its launcher", () =>
  inDirectory(async (directory) => {
    const socket = openStatusSocket(() => jobStatus(4096), [directory])!;
    const [found, ...others] = await findJobs({ lastLines: "all", output: null }, [directory]);
    assertEquals([found?.status.nodes[0]?.workers.length, others.length], [4096, 0]);
    const again = await found!.client.ask(NOTHING);
    assertEquals(again?.job, "llm-7b");
    socket.close();
    assertEquals(await found!.client.ask(NOTHING), null);
    found!.client.close();
    assertEquals([...Deno.readDirSync(directory)], []);
  }));

Deno.test("status socket: whoever sends something else is closed, and others are served on", () =>
  inDirectory(async (directory) => {
    const socket = openStatusSocket(() => jobStatus(2), [directory])!;
    for (const nonsense of ["GET / HTTP/1.1\r\n\r\n", "\n", "x".repeat(200_000)]) {
      const stranger = await Deno.connect({ transport: "unix", path: socket.path });
      try {
        await stranger.write(new TextEncoder().encode(nonsense));
        assertEquals(await stranger.read(new Uint8Array(10)), null);
      } catch (error) {
        // Closed while it still sent.
        assert(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset);
      }
      stranger.close();
    }
    const [found] = await findJobs(NOTHING, [directory]);
    assertEquals(found?.status.worldSize, 2);
    found?.client.close();
    socket.close();
  }));

Deno.test("status socket: what a killed launcher left is removed by who looks for jobs", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/1-dead.sock`;
    const script =
      `Deno.listen({ transport: "unix", path: ${JSON.stringify(path)} }); console.log("listens");` +
      `setInterval(() => {}, 1000);`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", script],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill("SIGKILL");
    await Promise.all([child.status, reader.cancel()]);
    assert(Deno.lstatSync(path).isSocket);
    assertEquals(await findJobs(NOTHING, [directory]), []);
    assertEquals([...Deno.readDirSync(directory)], []);
  }));

Deno.test("openStatusDirectory() uses no directory that others can enter, and no link", () =>
  inDirectory(async (directory) => {
    const open = `${directory}/open`, link = `${directory}/link`, own = `${directory}/own`;
    await Deno.mkdir(open, { mode: 0o755 });
    await Deno.chmod(open, 0o755);
    await Deno.symlink(directory, link);
    await Deno.writeTextFile(`${directory}/file`, "");
    assertEquals(openStatusDirectory([`${directory}/missing/x`, open, link, `${directory}/file`]), null);
    assertEquals(openStatusDirectory([open, own]), own);
    assertEquals(Deno.lstatSync(own).mode! & 0o777, 0o700);
    assert(isPrivate(own) && !isPrivate(open));
  }));
