/** The two pictures of the report: how many workers ran, and who ran when. SVG without scripts; hovering names things. */

import { durationText } from "../core/time.ts";
import { escapeHtml } from "./html.ts";
import type { JobHistory } from "./job_history.ts";
import { numberText } from "./paint.ts";
import { rankBars } from "./rank_bars.ts";
import { countTicks, tickText, timeTicks, workersOverTime } from "./report_series.ts";

const WIDTH = 1032;
const LEFT = 44;
/** Half of the last mark of the axis. */
const RIGHT = 28;
const PLOT = WIDTH - LEFT - RIGHT;
const TOP = 14;
const AXIS = 26;
const COUNT_HEIGHT = 170;
/** Of all ranks together. */
const RANKS_HEIGHT_MAX = 520;
const ROW_HEIGHT_MAX = 22;
/** More ranks have no bars of their own, but stretches of equal ones. */
const ONE_BY_ONE_MAX = 48;
const TICKS_MAX = 9;

type Scale = (at: number) => number;

/** How many workers ran, what was lost to failures, and when rounds began. */
export function workersChart(history: JobHistory): string {
  const steps = workersOverTime(history.workers);
  const max = Math.max(
    1,
    ...history.attempts.map(({ worldSize }) => worldSize),
    ...steps.map(({ count }) => count),
  );
  const x = timeScale(history);
  const bottom = TOP + COUNT_HEIGHT;
  const y = (count: number) => round(bottom - count / max * COUNT_HEIGHT);
  const parts = [
    ...history.lost.map(({ from, to }) => {
      const width = Math.max(2, round(x(to) - x(from)));
      const title = `${durationText(to - from)} lost to a failure`;
      return rect("lost", x(from), TOP, width, COUNT_HEIGHT, title);
    }),
    ...countTicks(max).map((count) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(count)}" y2="${y(count)}"/>` +
      `<text x="${LEFT - 8}" y="${y(count) + 4}" text-anchor="end">${numberText(count)}</text>`
    ),
    ...history.attempts.slice(1).map(({ from, attempt }) =>
      `<line class="round" x1="${round(x(from))}" x2="${round(x(from))}" y1="${TOP}" y2="${bottom}">` +
      `<title>Attempt ${attempt} begins</title></line>`
    ),
    countPath(steps, x, y, history.durationMs),
    ...history.workers.filter(({ outcome }) => outcome === "failed").map((worker) => {
      const at = round(x(worker.to));
      const title = `Rank ${worker.rank} on ${worker.host} failed: ${worker.ending}, after ${
        durationText(worker.to)
      }`;
      return `<path class="failed" d="M${at} ${TOP + 2} l-6 -11 h12 z">${titleTag(title)}</path>`;
    }).slice(0, FAILURE_MARKS_MAX),
    timeAxis(history, x, bottom),
  ];
  return svg(bottom + AXIS, "Workers running over time", parts);
}

/** A page of red triangles tells no more than this many. */
const FAILURE_MARKS_MAX = 500;

/** Who ran when and how it ended, a row for each rank. */
export function ranksChart(history: JobHistory): string {
  const count = Math.max(1, ...history.workers.map(({ rank }) => rank + 1));
  const row = Math.min(ROW_HEIGHT_MAX, RANKS_HEIGHT_MAX / count);
  const height = Math.ceil(row * count);
  const bottom = TOP + height;
  const x = timeScale(history);
  const isOneByOne = count <= ONE_BY_ONE_MAX;
  const gap = isOneByOne ? 2 : 0;
  const bars = rankBars(history.workers, { pixelsPerMs: PLOT / history.durationMs, isOneByOne }).map(
    (bar) => {
      const top = round(TOP + bar.firstRank * row);
      const rows = (bar.lastRank - bar.firstRank + 1) * row;
      // A failure of one rank among thousands must be seen.
      const height = Math.max(bar.outcome === "failed" ? 2 : 0.5, round(rows - gap));
      return rect(bar.outcome ?? "running", LEFT + bar.x, top, bar.width, height, barTitle(bar));
    },
  );
  // What failed is drawn last, over its neighbours.
  const isFailed = (bar: string) => bar.includes('class="failed"');
  const labels = rankLabels(count, row).map((rank) =>
    `<text x="${LEFT - 8}" y="${round(TOP + (rank + 0.5) * row + 4)}" text-anchor="end">${rank}</text>`
  );
  const parts = [
    ...timeTicks(history.durationMs, TICKS_MAX).map((at) =>
      `<line class="grid" x1="${round(x(at))}" x2="${round(x(at))}" y1="${TOP}" y2="${bottom}"/>`
    ),
    ...labels,
    ...bars.filter((bar) => !isFailed(bar)),
    ...bars.filter(isFailed),
    timeAxis(history, x, bottom),
  ];
  return svg(bottom + AXIS, "When each rank ran", parts);
}

function barTitle({ firstRank, lastRank, outcome, worker }: ReturnType<typeof rankBars>[number]): string {
  const ranks = firstRank === lastRank
    ? `Rank ${firstRank} on ${worker.host}, pid ${worker.pid}`
    : `Ranks ${firstRank}-${lastRank}`;
  const end = outcome === null ? "still running" : `${outcome}, ${worker.ending}`;
  const cause = worker.cause === null ? "" : ` (${worker.cause})`;
  return `${ranks}: attempt ${worker.attempt}, ran ${durationText(worker.to - worker.from)}, ${end}${cause}`;
}

/** Ranks whose number stands at the side: all where there is room, else round ones. */
function rankLabels(count: number, row: number): number[] {
  const room = 15;
  const step = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096].find((size) => size * row >= room) ??
    count;
  return Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
}

function countPath(
  steps: ReturnType<typeof workersOverTime>,
  x: Scale,
  y: Scale,
  durationMs: number,
): string {
  if (steps.length === 0) return "";
  let edge = `M${round(x(steps[0]!.at))} ${y(0)}`;
  // Of thousands of changes within a pixel the lowest and the last count.
  for (let index = 0; index < steps.length;) {
    const at = Math.round(x(steps[index]!.at) * 2) / 2;
    let lowest = steps[index]!.count;
    let next = index + 1;
    while (next < steps.length && Math.round(x(steps[next]!.at) * 2) / 2 === at) {
      lowest = Math.min(lowest, steps[next++]!.count);
    }
    const { count } = steps[next - 1]!;
    edge += ` H${at}${lowest < count ? ` V${y(lowest)}` : ""} V${y(count)}`;
    index = next;
  }
  const last = steps.at(-1)!;
  if (last.count > 0) edge += ` H${round(x(durationMs))}`;
  const area = `${edge} V${y(0)} H${round(x(steps[0]!.at))} Z`;
  return `<path class="area" d="${area}"/><path class="edge" d="${edge}"/>`;
}

function timeAxis({ durationMs }: JobHistory, x: Scale, bottom: number): string {
  const ticks = timeTicks(durationMs, TICKS_MAX).map((at) =>
    `<line class="axis" x1="${round(x(at))}" x2="${round(x(at))}" y1="${bottom}" y2="${bottom + 5}"/>` +
    `<text x="${round(x(at))}" y="${bottom + 19}" text-anchor="middle">${tickText(at)}</text>`
  );
  return `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${bottom}" y2="${bottom}"/>${
    ticks.join("")
  }`;
}

function timeScale({ durationMs }: JobHistory): Scale {
  return (at) => LEFT + at / durationMs * PLOT;
}

function rect(kind: string, x: number, y: number, width: number, height: number, title: string): string {
  const size = `x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"`;
  const corners = width >= 6 && height >= 6 ? ' rx="2"' : "";
  return `<rect class="${kind}" ${size}${corners}>${titleTag(title)}</rect>`;
}

function titleTag(text: string): string {
  return `<title>${escapeHtml(text)}</title>`;
}

function svg(height: number, label: string, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${label}">\n${
    parts.join("\n")
  }\n</svg>`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
