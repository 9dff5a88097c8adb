import { assertEquals } from "@std/assert";
import { fileView } from "../../lib/host/file_view.ts";

/** Runs `body` with a directory that is removed afterwards. */
async function withDirectory(body: (directory: string) => void): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "muster-files-" });
  try {
    body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("fileView reads texts and lists names in order", () =>
  withDirectory((directory) => {
    for (const name of ["b", "a", "B"]) Deno.writeTextFileSync(`${directory}/${name}`, name);
    assertEquals(fileView.readText(`${directory}/a`), "a");
    assertEquals(fileView.list(directory), ["B", "a", "b"]);
  }));

Deno.test("fileView takes what can't be read for missing", () =>
  withDirectory((directory) => {
    assertEquals(fileView.readText(`${directory}/none`), null);
    assertEquals(fileView.readText(directory), null);
    assertEquals(fileView.list(`${directory}/none`), []);
    assertEquals(fileView.kind(`${directory}/none`), "missing");
    assertEquals(fileView.isExecutable(`${directory}/none`), false);
  }));

Deno.test("fileView tells kinds apart, behind links too", () =>
  withDirectory((directory) => {
    Deno.writeTextFileSync(`${directory}/file`, "");
    Deno.symlinkSync(`${directory}/file`, `${directory}/link`);
    Deno.symlinkSync(`${directory}/none`, `${directory}/dangling`);
    assertEquals(fileView.kind(`${directory}/link`), "file");
    assertEquals(fileView.kind(`${directory}/dangling`), "missing");
    assertEquals(fileView.kind(directory), "directory");
    assertEquals(fileView.kind("/dev/null"), "other");
  }));

Deno.test("fileView knows executable files by their mode", () =>
  withDirectory((directory) => {
    const path = `${directory}/program`;
    Deno.writeTextFileSync(path, "", { mode: 0o644 });
    assertEquals(fileView.isExecutable(path), false);
    Deno.chmodSync(path, 0o750);
    assertEquals(fileView.isExecutable(path), true);
    assertEquals(fileView.isExecutable(directory), false);
  }));
