/** The hosts that the other tests stand on: what they see, and what is left of them. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hostsTest, withNetwork } from "./network.ts";
import type { Host } from "./host.ts";

const isReached = (from: Host, address: string) =>
  from.run(["bash", "-c", `timeout 1 bash -c ': </dev/tcp/${address}/7'`]).then(() => true, () => false);

/** Accepts connections on port 7 over both families for as long as the host is there. */
async function listen(host: Host): Promise<void> {
  const script = `for await (const c of Deno.listen({ hostname: "HOST", port: 7 })) c.close();`;
  const any = host.addresses().some((address) => address.includes(":")) ? "::" : "0.0.0.0";
  const process = host.start([Deno.execPath(), "eval", `console.log("up"); ${script.replace("HOST", any)}`]);
  await process.until(() => process.lines.includes("up") || null, 10_000);
}

hostsTest("hosts: each has its own name, addresses, hosts file and processes", async (network) => {
  const [one, two] = await network.add(["one", "two"]);
  const [debian] = await network.add(["debian"], { families: "dual", isOwnNameLoopback: true });
  const seen = (host: Host) => host.run(["sh", "-c", "hostname; getent ahosts debian; ps -e -o comm="]);
  assertEquals((await one!.run(["hostname"])).trim(), "one");
  assertStringIncludes(await two!.run(["getent", "hosts", "one"]), one!.addresses()[0]!);
  assertStringIncludes(await seen(debian!), "127.0.1.1");
  assert(!(await seen(debian!)).includes("deno"), "another's process is seen");
  assertEquals(debian!.addresses().length, 2);
});

hostsTest("hosts: a link is cut, mended, and hosts are kept apart", async (network) => {
  const [one, two, three] = await network.add(["one", "two", "three"], { families: "dual" });
  await listen(two!);
  for (const address of two!.addresses()) assert(await isReached(one!, address), address);
  await two!.cut();
  for (const address of two!.addresses()) assert(!await isReached(one!, address), address);
  await two!.mend();
  for (const address of two!.addresses()) assert(await isReached(one!, address), address);
  await network.separate([one!], [two!]);
  assert(!await isReached(one!, "two"));
  assert(await isReached(three!, "two"));
});

hostsTest("hosts: IPv6 alone reaches its peers, IPv4 alone has no IPv6", async (network) => {
  const [one, two] = await network.add(["one", "two"], { families: "ipv6" });
  const [old] = await network.add(["old"], { families: "ipv4" });
  await listen(two!);
  assert(await isReached(one!, "two"));
  assertEquals((await one!.run(["ip", "-4", "addr", "show", "dev", "eth0"])).trim(), "");
  assertEquals((await old!.run(["ip", "-6", "addr"])).trim(), "");
});

hostsTest("hosts: nothing that runs on a host outlives its network", async () => {
  const process = await withNetwork(async (network) => {
    const [one] = await network.add(["one"]);
    return one!.start(["sh", "-c", "setsid sleep 600 & echo up; wait"]);
  });
  // Its output ends only when the last holder of the pipe, the sleep in a session of its own, is gone.
  await process.ended();
  assertEquals(process.end?.success, false);
});
