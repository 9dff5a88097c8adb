/** From a plan to the launcher's exit code: makes what the launch needs, runs it, and leaves nothing behind. */

import type { SayLevel } from "../agent/effect.ts";
import { EXIT_CODES, SystemError } from "../core/errors.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import { type Consoles, openConsoles } from "./console.ts";
import { JobWatch } from "./job_watch.ts";
import { launch } from "./launch.ts";
import { LauncherLog } from "./launcher_log.ts";
import { LogDirectory } from "./log_directory.ts";
import { OutputHub } from "./output.ts";
import { mayReadEnvironments } from "./process_table.ts";
import { withTimerFile } from "./watchdogs.ts";

/** How long a console that does not read may hold up the launcher's end. */
const FLUSH_LIMIT_MS = 5_000;

/** Runs the job on this node. `notices` are said before it starts. */
export async function runJob(plan: LaunchPlan, notices: readonly string[]): Promise<number> {
  const { colour, fold, timestamps } = plan.logs;
  const stamp = timestamps ? (await import("./stamp.ts")).newStamp : undefined;
  const consoles = openConsoles({ colour, fold, stamp });
  const log = new LauncherLog({
    ...plan.messages,
    console: consoles.stderr.mix,
    logLevel: Deno.env.get("LOGLEVEL"),
  });
  for (const notice of notices) log.say("notice", notice);
  if (!mayReadEnvironments()) {
    log.say(
      "warning",
      "Without deno's -A, processes that a worker puts into a session of their own can't be found: they may outlive " +
        "the job",
    );
  }
  try {
    return await runWith(withTimerFile(plan), consoles, log);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    log.say("error", error.message);
    await log.settled();
    consoles.stderr.mix.flush();
    await consoles.stderr.writer.flush(FLUSH_LIMIT_MS);
    return EXIT_CODES.system;
  }
}

async function runWith(plan: LaunchPlan, consoles: Consoles, log: LauncherLog): Promise<number> {
  const { workerCount, role, logs } = plan;
  // What is a detail in a log file is company for a person who waits.
  const say = (level: SayLevel, text: string) =>
    log.say(level === "info" && consoles.stderrIsTerminal ? "notice" : level, text);
  const hostName = Deno.hostname();
  const specs = logs.specsModule === null
    ? undefined
    : await (await import("./logs_specs_module.ts")).loadLogsSpecs(logs.specsModule);
  const directory = LogDirectory.create({ baseDirectory: logs.baseDirectory, jobId: plan.jobId });
  const output = await OutputHub.open({
    settings: { ...logs, jobId: plan.jobId, console: plan.console, workerCount, role, hostName },
    specs,
    consoles,
    directory,
    warn: (text) => say("warning", text),
  });
  const waitingLine = plan.meeting === null
    ? undefined
    : new (await import("./waiting_line.ts")).WaitingLine({ console: consoles.stderr.mix, say });
  const watch = new JobWatch({ plan, hostName, say, show: (lines) => log.show(lines) });
  await watch.prepare();
  const code = await launch(plan, {
    output,
    watch,
    hostName,
    stdinIsTerminal: Deno.stdin.isTerminal(),
    say,
    showWaiting: (waiting) => waitingLine?.show(waiting),
    preload: () => {
      void Promise.all([import("./report_output.ts"), log.preload()]);
      watch.preload();
    },
    report: async (verdict, attempts) => {
      const { putOutReport } = await import("./report_output.ts");
      putOutReport(verdict, attempts, {
        log,
        stderrIsTerminal: consoles.stderrIsTerminal,
        colour: consoles.stderr.colour,
        reportPath: plan.reportPath,
        ownErrorFile: plan.ownErrorFile,
      });
    },
  });
  await watch.close();
  if (code !== EXIT_CODES.success && directory.hasFiles) {
    say("notice", `Error files and logs are kept in ${directory.path}`);
  } else {
    directory.remove();
  }
  await log.settled();
  await output.close(FLUSH_LIMIT_MS);
  return code;
}
