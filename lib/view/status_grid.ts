/**
 * Ranks as a grid, a character each, or a character for several where there are more ranks than room. While there is
 * room for it every node has lines of its own; else the lines begin with a rank.
 */

import { type Canvas, fill, type Span } from "./paint.ts";
import { type Mark, MARK_LOOKS, markOf, MARKS } from "./rank_marks.ts";
import { allRanks, type JobStatus, type RankStatus } from "./status.ts";

export interface Grid {
  readonly lines: readonly Span[][];
  /** Ranks of one character. */
  readonly ranksPerCell: number;
  /** How far a step to the side and a step up or down move the choice. */
  readonly stepX: number;
  readonly stepY: number;
}

/** Cells are drawn in groups of this many, as devices mostly come. */
const GROUP = 8;
const LABEL_COLUMNS_MAX = 20;

/** `rows`: lines that there are for it. `chosen`: the rank under the cursor; null: none is. */
export function rankGrid(status: JobStatus, canvas: Canvas, rows: number, chosen: number | null): Grid {
  const byNode = rowsByNode(status, canvas);
  if (status.nodes.length > 1 && byNode.lines.length <= rows) return drawn(byNode, 1, canvas, chosen);
  const ranks = allRanks(status);
  for (let ranksPerCell = 1;; ranksPerCell *= 2) {
    const flat = flatRows(ranks, ranksPerCell, canvas);
    if (flat.lines.length <= rows || flat.lines.length <= 1) return drawn(flat, ranksPerCell, canvas, chosen);
  }
}

interface Row {
  readonly label: string;
  readonly cells: readonly (readonly RankStatus[])[];
}

interface Rows {
  readonly lines: readonly Row[];
  readonly labelColumns: number;
}

function rowsByNode({ nodes }: JobStatus, canvas: Canvas): Rows {
  const longest = Math.max(...nodes.map(({ host }) => host.length), 1);
  const labelColumns = Math.min(longest, LABEL_COLUMNS_MAX, Math.floor(canvas.columns / 3));
  const cellsPerLine = cellsThatFit(canvas.columns - labelColumns - 1);
  const lines = nodes.flatMap(({ host, workers }) => {
    const cells = [...workers].sort((a, b) => a.rank - b.rank).map((worker) => [worker]);
    return chunks(cells, cellsPerLine).map((part, index) => ({
      label: index === 0 ? host : "",
      cells: part,
    }));
  });
  return { lines, labelColumns };
}

function flatRows(ranks: readonly RankStatus[], ranksPerCell: number, canvas: Canvas): Rows {
  const labelColumns = String(ranks.at(-1)?.rank ?? 0).length;
  const cellsPerLine = cellsThatFit(canvas.columns - labelColumns - 1);
  const lines = chunks(chunks(ranks, ranksPerCell), cellsPerLine).map((cells) => ({
    label: String(cells[0]![0]!.rank).padStart(labelColumns),
    cells,
  }));
  return { lines, labelColumns };
}

/** Whole groups with a blank between two of them, or as many as there is room for where not even one group fits. */
function cellsThatFit(columns: number): number {
  const groups = Math.floor((columns + 1) / (GROUP + 1));
  return groups === 0 ? Math.max(1, columns) : groups * GROUP;
}

function drawn(rows: Rows, ranksPerCell: number, canvas: Canvas, chosen: number | null): Grid {
  const lines = rows.lines.map(({ label, cells }): Span[] => {
    const spans: Span[] = [[`${fill(label, rows.labelColumns, canvas.unicode)} `, "dim"]];
    cells.forEach((ranks, index) => {
      if (index > 0 && index % GROUP === 0) spans.push([" "]);
      const { sign, style } = MARK_LOOKS[worst(ranks)];
      spans.push([sign, ranks.some(({ rank }) => rank === chosen) ? "chosen" : style]);
    });
    return joined(spans);
  });
  const longest = Math.max(1, ...rows.lines.map(({ cells }) => cells.length));
  return { lines, ranksPerCell, stepX: ranksPerCell, stepY: ranksPerCell * longest };
}

function worst(ranks: readonly RankStatus[]): Mark {
  let best = MARKS.length - 1;
  for (const rank of ranks) best = Math.min(best, MARKS.indexOf(markOf(rank)));
  return MARKS[best]!;
}

/** Neighbours of one style as one span: a line of thousands of escape codes would flicker. */
function joined(spans: readonly Span[]): Span[] {
  const merged: [string, Span[1]][] = [];
  for (const [text, style] of spans) {
    const last = merged.at(-1);
    if (last !== undefined && last[1] === style) last[0] += text;
    else merged.push([text, style]);
  }
  return merged as Span[];
}

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from(
    { length: Math.ceil(items.length / size) },
    (_, index) => items.slice(index * size, (index + 1) * size),
  );
}
