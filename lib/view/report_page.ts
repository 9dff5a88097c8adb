/**
 * A job's history as one HTML file that needs nothing else: no script, no font, no network. What happened is in words
 * too, so that it can be read aloud, printed and searched.
 */

import { durationText } from "../core/time.ts";
import { utcTime } from "../agent/job_event.ts";
import { VERSION } from "../core/version.ts";
import { escapeHtml } from "./html.ts";
import type { Attempt, JobHistory, WorkerSpan } from "./job_history.ts";
import { momentRows } from "./moment_text.ts";
import { countText, numberText } from "./paint.ts";
import { ranksChart, workersChart } from "./report_chart.ts";
import { REPORT_STYLE } from "./report_style.ts";

/** Longer lists are cut, and say so: the file has the rest. */
const FAILURES_MAX = 100;
const MOMENTS_MAX = 400;

export function reportPage(history: JobHistory): string {
  const title = `${history.program} · ${history.job}`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
${REPORT_STYLE}
</style>
</head>
<body>
<main>
${
    [
      header(history),
      tiles(history),
      rootCause(history),
      section(
        "Workers",
        "How many ran. Yellow: from a failure until all ran again. Red: a worker failed. Dashed: a new attempt.",
        scrolling(workersChart(history)),
      ),
      section(
        "Ranks",
        "When each ran, by how it ended. Hover for details.",
        `${legend(history)}${scrolling(ranksChart(history))}`,
      ),
      section("Attempts", null, attemptsTable(history)),
      failures(history),
      section("What happened", null, momentsTable(history)),
    ].filter((part) => part !== "").join("\n")
  }
<footer>Made by muster ${VERSION} from its events. Times are since ${utcTime(history.startedAt)}.</footer>
</main>
</body>
</html>
`;
}

function header({ program, job, hosts, startedAt, end }: JobHistory): string {
  const outcome = end?.outcome ?? "unknown";
  const place = hosts.length === 1 ? hosts[0]! : countText(hosts.length, "machine");
  const start = utcTime(startedAt).slice(0, 19).replace("T", " ");
  return `<header><h1>${escapeHtml(program)}</h1>` +
    `<span class="badge ${outcome}">${
      outcome === "unknown" ? "end not recorded" : outcome
    }</span></header>\n` +
    `<div class="muted">Job ${escapeHtml(job)} on ${escapeHtml(place)}, started ${start} UTC</div>`;
}

function tiles({ durationMs, end, attempts, lost, workers, hosts }: JobHistory): string {
  const lostMs = end?.lostMs ?? lost.reduce((sum, { from, to }) => sum + to - from, 0);
  const first = end?.firstWorkerMs ?? null;
  const size = Math.max(0, ...attempts.map(({ worldSize }) => worldSize));
  const share = durationMs > 0 && lostMs > 0 ? ` (${percentText(lostMs / durationMs)})` : "";
  const all: readonly [string, string][] = [
    [durationText(durationMs), "from start to end"],
    [numberText(size), `workers on ${countText(hosts.length, "machine")}`],
    [String(attempts.length), attempts.length === 1 ? "attempt" : "attempts"],
    [durationText(lostMs), `lost to failures${share}`],
    [String(workers.filter(({ outcome }) => outcome === "failed").length), "workers failed"],
    [first === null ? "none" : durationText(first), "to the first worker"],
  ];
  return `<div class="tiles">${
    all.map(([value, what]) =>
      `<div class="tile"><b>${escapeHtml(value)}</b><span>${escapeHtml(what)}</span></div>`
    )
      .join("")
  }</div>`;
}

function percentText(share: number): string {
  return share < 0.01 ? "under 1 %" : `${Math.round(share * 100)} %`;
}

function rootCause({ end, attempts }: JobHistory): string {
  if (end === null || end.outcome === "succeeded") return "";
  const cause = attempts.at(-1)?.rootCause ?? null;
  const text = cause === null
    ? escapeHtml(end.cause ?? "No cause was recorded")
    : `<b>Rank ${cause.rank} on ${escapeHtml(cause.host)} failed first:</b> ${escapeHtml(cause.summary)} ` +
      `<span class="muted">(exit code ${cause.exitCode}${
        cause.signal === null ? "" : `, ${cause.signal}`
      }, pid ${cause.pid})</span>`;
  return `<div class="cause">${text}</div>`;
}

function section(title: string, note: string | null, content: string): string {
  const noteText = note === null ? "" : `<p class="note">${escapeHtml(note)}</p>`;
  return `<section><h2>${title}</h2>${noteText}\n${content}\n</section>`;
}

const LEGEND: readonly (readonly [WorkerSpan["outcome"], string, string])[] = [
  ["succeeded", "succeeded", "ended well"],
  ["failed", "failed", "failed"],
  ["stopped", "stopped", "was stopped"],
  [null, "running", "still ran"],
];

function legend({ workers }: JobHistory): string {
  const shown = LEGEND.filter(([outcome]) => workers.some((worker) => worker.outcome === outcome));
  const items = shown.map(([, name, text]) =>
    `<span><i style="background:var(--${name})"></i>${text}</span>`
  );
  return `<div class="legend">${items.join("")}</div>`;
}

function attemptsTable({ attempts }: JobHistory): string {
  const rows = attempts.map((attempt) => {
    const { from, to, runningAt, worldSize, nodeCount, outcome } = attempt;
    return `<tr><td class="number">${attempt.attempt}</td><td class="number">${attempt.round ?? ""}</td>` +
      `<td class="number">${nodeCount}</td><td class="number">${numberText(worldSize)}</td>` +
      `<td class="number">${durationText(from)}</td>` +
      `<td class="number">${runningAt === null ? "never" : durationText(runningAt - from)}</td>` +
      `<td class="number">${durationText(to - from)}</td>` +
      `<td>${word(outcome)}</td><td class="text">${attemptCause(attempt)}</td></tr>`;
  });
  const heads = ["Attempt", "Round", "Nodes", "Workers", "Begins at", "All running after", "Took"];
  return table(
    `${heads.map((head) => `<th class="number">${head}</th>`).join("")}<th>Ended</th><th>Why</th>`,
    rows,
  );
}

function attemptCause({ rootCause, cause }: Attempt): string {
  return rootCause === null
    ? escapeHtml(cause ?? "")
    : `Rank ${rootCause.rank} on ${escapeHtml(rootCause.host)}: ${escapeHtml(rootCause.summary)}`;
}

function failures({ workers }: JobHistory): string {
  const failed = workers.filter(({ outcome }) => outcome === "failed").sort((a, b) => a.to - b.to);
  if (failed.length === 0) return "";
  const rows = failed.slice(0, FAILURES_MAX).map((worker) =>
    `<tr><td class="time">${durationText(worker.to)}</td><td class="number">${worker.rank}</td>` +
    `<td>${
      escapeHtml(worker.host)
    }</td><td class="number">${worker.pid}</td><td class="number">${worker.attempt}</td>` +
    `<td class="text">${escapeHtml(worker.ending ?? "")}, after ${
      durationText(worker.to - worker.from)
    }</td></tr>`
  );
  const heads = `<th>After</th><th class="number">Rank</th><th>Machine</th><th class="number">Pid</th>` +
    `<th class="number">Attempt</th><th>Ended with</th>`;
  return section("Workers that failed", cutNote(failed.length, FAILURES_MAX), table(heads, rows));
}

function momentsTable(history: JobHistory): string {
  const all = momentRows(history);
  const rows = all.slice(0, MOMENTS_MAX).map(({ at, host, text, kind }) =>
    `<tr><td class="time">${durationText(at)}</td>${
      history.hosts.length > 1 ? `<td>${escapeHtml(host)}</td>` : ""
    }` +
    `<td class="text">${
      kind === "plain" ? escapeHtml(text) : `<span class="word ${kind}">${escapeHtml(text)}</span>`
    }</td></tr>`
  );
  const heads = `<th>After</th>${history.hosts.length > 1 ? "<th>Machine</th>" : ""}<th>Event</th>`;
  const note = cutNote(all.length, MOMENTS_MAX);
  return `${note === null ? "" : `<p class="note">${note}</p>`}${table(heads, rows)}`;
}

function cutNote(count: number, max: number): string | null {
  return count > max ? `The first ${max} of ${numberText(count)}; the events file has all.` : null;
}

function table(heads: string, rows: readonly string[]): string {
  return scrolling(`<table><thead><tr>${heads}</tr></thead><tbody>\n${rows.join("\n")}\n</tbody></table>`);
}

/** What is wider than a narrow screen moves alone, not the whole page. */
function scrolling(content: string): string {
  return `<div class="scroll">${content}</div>`;
}

function word(outcome: Attempt["outcome"]): string {
  return outcome === null ? "end not recorded" : `<span class="word ${outcome}">${outcome}</span>`;
}
