import { assertEquals } from "@std/assert";
import { torchrunSign } from "../../lib/host/fleet_hooks.ts";
import { planOf } from "../options/planning.ts";

function signs(keys: readonly string[], environment: Record<string, string>, ...args: string[]): string[] {
  const { meeting } = planOf(["--nnodes=2", ...args], { environment });
  let haveWorkersBegun = false;
  const isSign = torchrunSign("j", meeting!, () => haveWorkersBegun);
  const before = keys.filter(isSign);
  haveWorkersBegun = true;
  return [...before, ...keys.filter(isSign).map((key) => `${key} later`)];
}

Deno.test("torchrunSign() knows what torchrun's agents write, and no worker, and no other job's agent", () => {
  const keys = ["/torch.rendezvous.j", "/torch.rendezvous.jj", "/j/torchelastic/role_info/1", "init/", "/x"];
  const identical = { TORCH_ELASTIC_WORKER_IDENTICAL: "1" };
  const c10d = ["--rdzv-backend=c10d", "--rdzv-endpoint=h"];
  assertEquals(signs(keys, {}, ...c10d), [keys[0]!, `${keys[0]} later`]);
  assertEquals(signs(keys, identical, ...c10d), [keys[0]!, `${keys[0]} later`]);
  assertEquals(signs(keys, {}, "--master-port=1"), [keys[2]!, `${keys[2]} later`]);
  assertEquals(signs(keys, identical, "--master-port=1"), [keys[2]!, keys[3]!, `${keys[2]} later`]);
});
