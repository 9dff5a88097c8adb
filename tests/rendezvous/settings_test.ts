import { assertEquals } from "@std/assert";
import { settingsText } from "../../lib/rendezvous/settings.ts";
import { SETTINGS } from "./scripted_job.ts";

Deno.test("settingsText() has all that decides what becomes of a job, and no times", () => {
  const failover = true;
  assertEquals(settingsText({ ...SETTINGS, failover }), "--nnodes=2 --max-restarts=0");
  assertEquals(
    settingsText({ ...SETTINGS, failover, joinMs: 1, exitBarrierMs: 2 }),
    "--nnodes=2 --max-restarts=0",
  );
  assertEquals(settingsText({ ...SETTINGS, nodesMax: 8, nodesStep: 2 }), "--nnodes=2:8:2 --max-restarts=0");
  assertEquals(
    settingsText({ ...SETTINGS, maxRestarts: 3, onNodeLoss: "fail" }),
    "--nnodes=2 --max-restarts=3 --on-node-loss=fail, without fail-over",
  );
});
