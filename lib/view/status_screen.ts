/**
 * The whole picture of `muster status`, for any size of a terminal: what runs, its ranks as a table or a grid, and what
 * the chosen rank printed. Pure: a status and a view in, lines out, with what to ask the launcher next.
 */

import { ageText, type Canvas, countText, paint, sizeText, type Span } from "./paint.ts";
import { isTrouble, type Mark, MARK_LOOKS, markOf, MARKS } from "./rank_marks.ts";
import { allRanks, type JobStatus, OUTPUT_LINES_MAX, type RankStatus, type StatusRequest } from "./status.ts";
import { rankGrid } from "./status_grid.ts";
import { headLines } from "./status_head.ts";
import type { StatusView } from "./status_keys.ts";
import { ranksWithHosts, rankTable } from "./status_table.ts";

export interface Screen {
  readonly lines: readonly string[];
  /** How far a step to the side and a step up or down move the choice. */
  readonly stepX: number;
  readonly stepY: number;
  /** What the next picture of this view needs. */
  readonly request: StatusRequest;
}

/** With fewer rows only the first and the last line of the head are shown. */
const ROWS_FOR_HEAD_MIN = 14;
/** What is forgotten most easily first: narrow terminals cut the end. */
const OVERVIEW_KEYS = "q quit · arrows choose · enter output · f next trouble · t table or grid";
const OUTPUT_KEYS = "q quit · enter back · arrows other rank";
/** `--once` lists so many ranks; of larger jobs it shows the grid and the ranks in trouble. */
const ONCE_TABLE_MAX = 64;
const ONCE_GRID_ROWS_MAX = 40;
const ONCE_TROUBLE_MAX = 20;
/** Some more than are listed: by the time of the answer others may be worse. */
const ONCE_ASKED_MAX = 100;

/** What a person sees who stays. `earlier`: the status before, for rates; null: there is none. */
export function statusScreen(
  status: JobStatus,
  earlier: JobStatus | null,
  view: StatusView,
  canvas: Canvas,
): Screen {
  const { rows } = canvas;
  const head = headLines(status, earlier);
  const shownHead = rows >= ROWS_FOR_HEAD_MIN
    ? [...head, []]
    : head.filter((_, index) => index === 0 || index === head.length - 1);
  const all = ranksWithHosts(status);
  const chosen = all.find(({ rank }) => rank.rank === view.chosen) ?? all[0];
  const rowsLeft = Math.max(1, rows - shownHead.length - 1);
  const body = view.mode === "output"
    ? { lines: [], stepX: 1, stepY: 1, visible: [] as number[] }
    : ranksPart(status, view, { ...canvas, rows: rowsLeft }, chosen?.rank.rank ?? null);
  const outputRows = Math.max(0, rowsLeft - body.lines.length);
  const output = chosen === undefined ? [] : outputPart(status, chosen, outputRows, body.lines.length === 0);
  const lines = [...shownHead, ...body.lines, ...output].slice(0, Math.max(0, rows - 1));
  while (lines.length < rows - 1) lines.push([]);
  lines.push([[view.mode === "output" ? OUTPUT_KEYS : OVERVIEW_KEYS, "dim"]]);
  return {
    lines: lines.map((spans) => paint(spans, canvas)),
    stepX: body.stepX,
    stepY: body.stepY,
    request: {
      lastLines: body.visible,
      output: chosen === undefined
        ? null
        : { rank: chosen.rank.rank, lines: Math.min(OUTPUT_LINES_MAX, rows) },
    },
  };
}

/** What `statusOnce` needs: of large jobs the last lines of those only that it lists. */
export function requestForOnce(status: JobStatus): StatusRequest {
  const ranks = allRanks(status);
  if (ranks.length <= ONCE_TABLE_MAX) return { lastLines: "all", output: null };
  return {
    lastLines: ranks.filter(isTrouble).map(({ rank }) => rank).slice(0, ONCE_ASKED_MAX),
    output: null,
  };
}

/** What `--once` prints. */
export function statusOnce(status: JobStatus, canvas: Canvas): string[] {
  const all = ranksWithHosts(status);
  const severalNodes = status.nodes.length > 1;
  const lines: Span[][] = [...headLines(status, null), []];
  if (all.length <= ONCE_TABLE_MAX) {
    lines.push(...rankTable(all, canvas, { chosen: null, severalNodes }));
  } else {
    lines.push(...rankGrid(status, canvas, ONCE_GRID_ROWS_MAX, null).lines);
    const order = (rank: RankStatus) => MARKS.indexOf(markOf(rank));
    const trouble = all.filter(({ rank }) => isTrouble(rank)).sort((a, b) => order(a.rank) - order(b.rank));
    if (trouble.length > 0) {
      lines.push(
        [],
        ...rankTable(trouble.slice(0, ONCE_TROUBLE_MAX), canvas, { chosen: null, severalNodes }),
      );
    }
    if (trouble.length > ONCE_TROUBLE_MAX) {
      lines.push([[`… and ${countText(trouble.length - ONCE_TROUBLE_MAX, "rank")} more like these`, "dim"]]);
    }
  }
  return lines.map((spans) => paint(spans, canvas));
}

/** What stays on the terminal after the picture is gone. */
export function statusBrief(status: JobStatus, canvas: Canvas): string[] {
  return headLines(status, null).map((spans) => paint(spans, canvas));
}

interface RanksPart {
  readonly lines: readonly Span[][];
  readonly stepX: number;
  readonly stepY: number;
  /** Ranks whose last line is shown. */
  readonly visible: number[];
}

function ranksPart(status: JobStatus, view: StatusView, canvas: Canvas, chosen: number | null): RanksPart {
  const all = ranksWithHosts(status);
  const { rows } = canvas;
  const isTable = view.ranks === "table" || (view.ranks === "auto" && all.length + 1 <= rows);
  if (!isTable) {
    // A third of the room for what the chosen rank printed, where there is some.
    const gridRows = Math.max(1, rows - Math.max(1, Math.floor(rows / 3)));
    const grid = rankGrid(status, canvas, gridRows, chosen);
    const scale: Span[][] = grid.ranksPerCell === 1
      ? []
      : [[[`Each character stands for ${grid.ranksPerCell} ranks and shows the worst of them`, "dim"]]];
    const lines = [...grid.lines, ...scale].slice(0, rows);
    return { lines, stepX: grid.stepX, stepY: grid.stepY, visible: [] };
  }
  const count = Math.max(1, rows - 1);
  const at = Math.max(0, all.findIndex(({ rank }) => rank.rank === chosen));
  const from = Math.max(0, Math.min(at - Math.floor(count / 2), all.length - count));
  const shown = all.slice(from, from + count);
  return {
    lines: rankTable(shown, canvas, { chosen, severalNodes: status.nodes.length > 1 }),
    stepX: 1,
    stepY: 1,
    visible: shown.map(({ rank }) => rank.rank),
  };
}

/** One line about the chosen rank, and the last of what it printed. */
function outputPart(
  { output }: JobStatus,
  { rank, host }: { readonly rank: RankStatus; readonly host: string },
  rows: number,
  isAlone: boolean,
): Span[][] {
  if (rows < 2) return [];
  const gap: Span[][] = isAlone ? [] : [[]];
  const mark = MARK_LOOKS[markOf(rank)];
  const detail: Span[] = [
    [`Rank ${rank.rank} on ${host}${rank.pid === null ? "" : `, pid ${rank.pid}`}: `, "bold"],
    [describe(rank, markOf(rank)), mark.style],
    [`, printed ${sizeText(rank.outputBytes)}`],
    [rank.silentMs === null ? "" : `, last ${ageText(rank.silentMs)} ago`],
  ];
  const lines = output?.rank === rank.rank ? output.lines : [];
  const room = rows - gap.length - 1;
  return [...gap, detail, ...lines.slice(Math.max(0, lines.length - room)).map((line): Span[] => [[line]])];
}

function describe({ state, ending, sinceMs }: RankStatus, mark: Mark): string {
  if (ending !== null) return `${state}, ${ending}, ${ageText(sinceMs ?? 0)} ago`;
  if (sinceMs === null) return "not started";
  return `${mark === "silent" ? "running, silent" : state} for ${ageText(sinceMs)}`;
}
