/** What a machine keeps of the jobs that were begun there. */

import { assertEquals, assertMatch } from "@std/assert";
import { CensusFile } from "../../lib/host/census_file.ts";

const PLACE = { jobId: "run/7 ü", endpoint: "n0:29400" };
const B = { nodeId: "b", address: "10.0.0.2:40000" };
const C = { nodeId: "c", address: null };

async function withDirectory(body: (directory: string) => void): Promise<void> {
  const parent = await Deno.makeTempDir({ prefix: "muster-census-" });
  try {
    body(`${parent}/state`);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

/** A file whose problems are errors, after `body`, closed. */
function opened(directory: string, body: (file: CensusFile) => void, place = PLACE): CensusFile {
  const file = new CensusFile(place, (text) => {
    throw new Error(text);
  }, directory);
  body(file);
  file.close();
  return file;
}

const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name);

Deno.test("CensusFile has for the next launcher what the one before knew, however that ended", async () => {
  await withDirectory((directory) => {
    // Never closed, as if killed.
    opened(directory, (file) => {
      assertEquals(file.begun.nodes, []);
      for (const count of [1, 2]) file.note({ kind: "begin", count });
      file.note({ kind: "add", ...B });
      file.note({ kind: "add", nodeId: "x", address: null });
      file.note({ kind: "gone", nodeId: "x" });
      for (const nodeId of ["x", "y"]) {
        file.note({ kind: "gone", nodeId });
        if (nodeId === "x") file.note({ kind: "formed" });
      }
      file.note({ kind: "add", ...C });
      assertEquals(opened(directory, () => {}).begun, { count: 2, nodes: [B, C], gone: ["y"] });
    });
    opened(directory, (file) => {
      assertEquals(file.begun.nodes, [B, C]);
      file.note({ kind: "add", nodeId: "c", address: "10.0.0.3:1" });
    });
    assertEquals(opened(directory, () => {}).begun.nodes, [B, { nodeId: "c", address: "10.0.0.3:1" }]);
    assertEquals(opened(directory, () => {}, { ...PLACE, jobId: "other" }).begun.nodes, []);
    assertEquals(opened(directory, () => {}, { ...PLACE, endpoint: "n1:29400" }).begun.nodes, []);
  });
});

Deno.test("CensusFile is gone with the job, and does not grow from launcher to launcher", async () => {
  await withDirectory((directory) => {
    opened(directory, (file) => {
      file.note({ kind: "begin", count: 1 });
      file.note({ kind: "add", ...B });
    });
    const sizes = Array.from({ length: 3 }, () => {
      opened(directory, (file) => {
        file.note({ kind: "add", ...C });
        file.note({ kind: "gone", nodeId: "c" });
      });
      opened(directory, () => {});
      return Deno.statSync(`${directory}/${names(directory)[0]}`).size;
    });
    assertEquals(new Set(sizes).size, 1);
    opened(directory, (file) => file.note({ kind: "clear" }));
    assertEquals(names(directory), []);
    opened(directory, (file) => {
      file.note({ kind: "add", ...B });
      file.note({ kind: "gone", nodeId: "b" });
    });
    opened(directory, () => {});
    assertEquals(names(directory), []);
  });
});

Deno.test("CensusFile passes over a line that was cut short", async () => {
  await withDirectory((directory) => {
    opened(directory, (file) => file.note({ kind: "add", ...B }));
    const path = `${directory}/${names(directory)[0]}`;
    Deno.writeTextFileSync(path, '{"kind":"add","nodeId":"c"', { append: true });
    assertEquals(opened(directory, () => {}).begun.nodes, [B]);
  });
});

Deno.test("CensusFile says once where it can't keep anything, and why", async () => {
  await withDirectory((directory) => {
    Deno.mkdirSync(directory, { mode: 0o777 });
    Deno.chmodSync(directory, 0o777);
    const said: string[] = [];
    const file = new CensusFile(PLACE, (text) => said.push(text), directory);
    file.note({ kind: "add", ...B });
    file.note({ kind: "add", ...C });
    file.close();
    assertEquals(said.length, 1);
    assertMatch(
      said[0]!,
      /Cannot keep in .*state.* who takes part: .* not this user's alone .*MUSTER_STATE_DIRECTORY/,
    );
    assertEquals(names(directory), []);
  });
});
