/**
 * N of our nodes in one process, over real sockets, all joining one job at once with MIN = MAX = N. Prints the seconds from
 * the common start until the last one has its place, and the bytes that passed the loopback device meanwhile: run it in a
 * network namespace of its own for the latter to mean something. The ports at which nodes could take over are left out
 * (--no-failover): each node looks through its process's descriptors for its own, which here are everybody's.
 */

import { openMeeting } from "../../lib/host/meeting.ts";
import { planOnThisMachine } from "../../lib/host/machine_info.ts";
import { readCommand } from "../../lib/options/command.ts";
import type { LaunchPlan } from "../../lib/options/launch_plan.ts";

const nodes = Number(Deno.args[0]);

async function planOf(port: number): Promise<LaunchPlan> {
  const args = [
    ...[`--nnodes=${nodes}`, "--rdzv-backend=c10d", `--rdzv-endpoint=127.0.0.1:${port}`, "--rdzv-id=bench"],
    ...["--no-failover", "--no-python", "true"],
  ];
  const command = readCommand(args, Deno.env.toObject(), "muster");
  if (command.kind !== "launch") throw new Error("The command line starts nothing");
  const { plan, problems } = await planOnThisMachine(command.parsed);
  if (plan === null) throw new Error(problems.map(({ message }) => message).join("\n"));
  return plan;
}

function loopbackBytes(): number {
  const line = Deno.readTextFileSync("/proc/net/dev").split("\n").find((line) =>
    line.trim().startsWith("lo:")
  )!;
  return Number(line.split(":")[1]!.trim().split(/\s+/)[0]);
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** Resolves to the node's first rank once it has its place. */
function join(plan: LaunchPlan): Promise<number> {
  return new Promise((resolve, reject) => {
    const opened = openMeeting({
      plan,
      hostName: "node",
      observe: undefined,
      ownStatus: () => null,
      say: (level, text) => level === "error" ? reject(new Error(text)) : undefined,
      onNews: async (news) => {
        const meeting = await opened;
        if (news.kind === "serve-store") {
          // The workers' store is not part of the meeting.
          const store = { address: "127.0.0.1", port: 1, hostedByLauncher: true };
          meeting.request({ kind: "store-served", round: news.round, store });
        } else if (news.kind === "round") resolve(news.seat.baseRank);
        else if (news.kind === "job-over") reject(new Error(news.outcome.text ?? "The job is over"));
      },
    });
    opened.then((meeting) => meeting.request({ kind: "join" }), reject);
  });
}

const plan = await planOf(freePort());
// Modules that are imported when they are needed are there, as in a second start.
await import("../../lib/host/switching_meeting.ts");
const bytesBefore = loopbackBytes();
const startedAt = performance.now();
const ranks = await Promise.all(Array.from({ length: nodes }, () => join(plan)));
const seconds = (performance.now() - startedAt) / 1000;
if (new Set(ranks).size !== nodes || Math.max(...ranks) !== nodes - 1) throw new Error(`Ranks are ${ranks}`);
console.log(JSON.stringify({ seconds, bytes: loopbackBytes() - bytesBefore }));
Deno.exit(0);
