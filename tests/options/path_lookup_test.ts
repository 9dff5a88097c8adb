import { assertEquals } from "@std/assert";
import { findOnPath, searchPath } from "../../lib/options/path_lookup.ts";
import { machine } from "./file_tree.ts";

const programs = ["/a/tool", "/b/tool", "./here", "/usr/bin/env"];
const view = (environment: Record<string, string>) =>
  machine({ environment, tree: { programs, files: { "/a/notes": "", "/b/notes": "" } } });

Deno.test("findOnPath() takes the first directory that has the program", () => {
  assertEquals(findOnPath("tool", view({ PATH: "/none:/b:/a" })), "/b/tool");
  assertEquals(findOnPath("nothing", view({ PATH: "/a:/b" })), null);
});

Deno.test("findOnPath() passes by files that are not executable", () => {
  assertEquals(findOnPath("notes", view({ PATH: "/a:/b" })), null);
});

Deno.test("findOnPath() reads an empty entry as the working directory", () => {
  assertEquals(findOnPath("here", view({ PATH: "/a:" })), "./here");
  assertEquals(findOnPath("here", view({ PATH: "/a" })), null);
});

Deno.test("searchPath() has a default where PATH is not set", () => {
  assertEquals(searchPath(view({})), ["/bin", "/usr/bin"]);
  assertEquals(findOnPath("env", view({})), "/usr/bin/env");
});
