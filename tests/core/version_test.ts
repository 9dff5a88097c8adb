import { assertEquals } from "@std/assert";
import { VERSION } from "../../lib/core/version.ts";

Deno.test("VERSION equals deno.json's", () => {
  const configuration = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)));
  assertEquals(VERSION, configuration.version);
});
