/** `muster status`: finds the job, shows it once or stays with it. */

import { utf8 } from "../core/bytes.ts";
import { EXIT_CODES } from "../core/errors.ts";
import { readStatusTask, STATUS_HELP, type StatusTask } from "../view/status_arguments.ts";
import { jobList } from "../view/status_list.ts";
import { requestForOnce, statusBrief, statusOnce } from "../view/status_screen.ts";
import { encodeStatus, type StatusRequest } from "../view/status.ts";
import { SECRET_VARIABLE } from "./meeting.ts";
import { findJobs, type FoundJob } from "./status_client.ts";
import { canvasOf } from "./terminal_canvas.ts";

const EVERYTHING: StatusRequest = { lastLines: "all", output: null };
/** Enough to choose a job by; last lines of thousands would keep its launcher busy. */
const FIGURES: StatusRequest = { lastLines: [], output: null };

/** Does what stands behind `muster status` and returns the exit code; 1: there is no such job. */
export async function runStatusCommand(args: readonly string[]): Promise<number> {
  const task = readStatusTask(args);
  if (task.kind === "help") {
    await print(STATUS_HELP);
    return EXIT_CODES.success;
  }
  if (task.kind === "problems") {
    for (const { message } of task.problems) await complain(message);
    await complain("Try 'muster status --help'");
    return EXIT_CODES.usage;
  }
  const jobs = task.address === null ? await findJobs(FIGURES) : await findRemote(task.address);
  if (jobs === null) return EXIT_CODES.system;
  try {
    return await show(task, jobs);
  } finally {
    for (const { client } of jobs) client.close();
  }
}

/** Null: nobody answers there, which has been said. */
async function findRemote(address: string): Promise<FoundJob[] | null> {
  const { StatusLink } = await import("./status_link.ts");
  const client = new StatusLink(address);
  const status = await client.ask(FIGURES);
  if (status !== null) return [{ client, status }];
  await complain(
    `No job answers at ${address}: it ${client.problem ?? "can't be asked yet"}` +
      ` (the address is that of the job's --rdzv-endpoint; a job's secret is taken from ${SECRET_VARIABLE})`,
  );
  client.close();
  return null;
}

async function show(task: StatusTask, jobs: readonly FoundJob[]): Promise<number> {
  const wanted = jobs.filter(({ status }) => task.job === null || status.job.startsWith(task.job));
  const exact = wanted.filter(({ status }) => status.job === task.job);
  const chosen = exact.length > 0 ? exact : wanted;
  const [only] = chosen;
  if (only === undefined) {
    const which = task.job === null
      ? "No job of yours runs"
      : `No job of yours with the id "${task.job}" runs`;
    const others = jobs.length > 0 ? `; there is ${jobs.map(({ status }) => status.job).join(", ")}` : "";
    await complain(`${which} on this node${others} (a job can be asked 0.3 s after its start)`);
    return EXIT_CODES.workerFailed;
  }
  if (task.isJson) {
    for (const { client, status } of chosen) {
      await print(`${encodeStatus(await client.ask(EVERYTHING) ?? status)}\n`);
    }
    return EXIT_CODES.success;
  }
  const canvas = canvasOf(Deno.stdout);
  if (chosen.length > 1) {
    await print(`${jobList(chosen.map(({ status }) => status), canvas).join("\n")}\n`);
    return EXIT_CODES.success;
  }
  if (task.isOnce || !Deno.stdout.isTerminal() || !Deno.stdin.isTerminal()) {
    const status = await only.client.ask(requestForOnce(only.status)) ?? only.status;
    await print(`${statusOnce(status, canvas).join("\n")}\n`);
    return EXIT_CODES.success;
  }
  const { followJob } = await import("./status_terminal.ts");
  const last = await followJob(only);
  await print(`${statusBrief(last.status, canvasOf(Deno.stdout)).join("\n")}\n`);
  if (last.hasEnded) await print("The launcher has ended; above is how it stood last.\n");
  return EXIT_CODES.success;
}

async function print(text: string): Promise<void> {
  for (let rest = utf8(text); rest.length > 0;) rest = rest.subarray(await Deno.stdout.write(rest));
}

async function complain(line: string): Promise<void> {
  await Deno.stderr.write(utf8(`muster status: ${line}\n`));
}
