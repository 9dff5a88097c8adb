import { assertEquals } from "@std/assert";
import { takeInvocation } from "../../lib/host/invocation.ts";

function environment(entries: Record<string, string>) {
  const map = new Map(Object.entries(entries));
  return {
    map,
    get: (name: string) => map.get(name),
    set: (name: string, value: string) => void map.set(name, value),
    delete: (name: string) => void map.delete(name),
  };
}

Deno.test("takeInvocation() returns the name the head was called by and leaves nothing of the head's", () => {
  const env = environment({
    MUSTER_PROGRAM_NAME: "torchrun",
    MUSTER_REPLACED: "DENO_DIR DENO_NO_UPDATE_CHECK HOME",
    MUSTER_SAVED_HOME: "/home/ada",
    MUSTER_SAVED_DENO_NO_UPDATE_CHECK: "",
    DENO_DIR: "/tmp/muster-0/deno",
    DENO_NO_UPDATE_CHECK: "1",
    HOME: "/nowhere",
    OTHER: "stays",
  });
  assertEquals(takeInvocation(env), "torchrun");
  assertEquals(Object.fromEntries(env.map), { HOME: "/home/ada", DENO_NO_UPDATE_CHECK: "", OTHER: "stays" });
});

Deno.test("takeInvocation() without a head changes nothing", () => {
  const env = environment({ HOME: "/home/ada", DENO_DIR: "/d" });
  assertEquals(takeInvocation(env), "muster");
  assertEquals(Object.fromEntries(env.map), { HOME: "/home/ada", DENO_DIR: "/d" });
});
