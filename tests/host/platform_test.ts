import { assertEquals, assertStringIncludes } from "@std/assert";
import { platformProblem } from "../../lib/host/platform.ts";

Deno.test("platformProblem() is silent on Linux with glibc and on macOS", () => {
  assertEquals(platformProblem({ os: "linux", arch: "x86_64", env: "gnu" }), null);
  assertEquals(platformProblem({ os: "linux", arch: "aarch64", env: "gnu" }), null);
  assertEquals(platformProblem({ os: "darwin", arch: "aarch64" }), null);
});

Deno.test("platformProblem() refuses Windows by name and warns about musl", () => {
  const windows = platformProblem({ os: "windows", arch: "x86_64", env: "msvc" });
  assertEquals(windows?.kind, "refused");
  assertStringIncludes(windows?.message ?? "", "windows");
  const alpine = platformProblem({ os: "linux", arch: "x86_64", env: "musl" });
  assertEquals(alpine?.kind, "untested");
  assertStringIncludes(alpine?.message ?? "", "musl");
});
