/** Ranks as a table, a line each, with the last line that each printed. Columns go where there is no room. */

import { ageText, type Canvas, fill, sizeText, type Span } from "./paint.ts";
import { MARK_LOOKS, markOf } from "./rank_marks.ts";
import type { JobStatus, RankStatus } from "./status.ts";

interface Column {
  readonly title: string;
  readonly text: (rank: RankStatus, host: string) => string;
  /** Left out first, where there is no room: the lowest number. 0: never. */
  readonly leaves: number;
  readonly alignsRight: boolean;
}

const COLUMNS: readonly Column[] = [
  { title: "RANK", text: ({ rank }) => String(rank), leaves: 0, alignsRight: true },
  { title: "NODE", text: (_, host) => host, leaves: 3, alignsRight: false },
  { title: "PID", text: ({ pid }) => pid === null ? "" : String(pid), leaves: 1, alignsRight: true },
  { title: "STATE", text: stateText, leaves: 0, alignsRight: false },
  {
    title: "FOR",
    text: ({ sinceMs }) => sinceMs === null ? "" : ageText(sinceMs),
    leaves: 4,
    alignsRight: true,
  },
  { title: "OUTPUT", text: ({ outputBytes }) => sizeText(outputBytes), leaves: 2, alignsRight: true },
  {
    title: "AGE",
    text: ({ silentMs }) => silentMs === null ? "" : ageText(silentMs),
    leaves: 0,
    alignsRight: true,
  },
];

/** Less of a last line is not worth its place. */
const LINE_COLUMNS_MIN = 24;
const NODE_COLUMNS_MAX = 20;

/** Ranks in their order with the machine of each. */
export function ranksWithHosts({ nodes }: JobStatus): { rank: RankStatus; host: string }[] {
  return nodes.flatMap(({ host, workers }) => workers.map((rank) => ({ rank, host })))
    .sort((a, b) => a.rank.rank - b.rank.rank);
}

/** A title and a line for each of `rows`. `chosen`: the rank under the cursor; null: none is. */
export function rankTable(
  rows: readonly { readonly rank: RankStatus; readonly host: string }[],
  canvas: Canvas,
  { chosen, severalNodes }: { readonly chosen: number | null; readonly severalNodes: boolean },
): Span[][] {
  const all = COLUMNS.filter(({ title }) => severalNodes || title !== "NODE").map((column) => ({
    ...column,
    texts: rows.map(({ rank, host }) => column.text(rank, host)),
    columns: 0,
  }));
  for (const column of all) {
    const longest = Math.max(column.title.length, ...column.texts.map((text) => text.length));
    column.columns = column.title === "NODE" ? Math.min(longest, NODE_COLUMNS_MAX) : longest;
  }
  // The sign in front takes two, and two stand between columns.
  const width = (columns: typeof all) => 2 + columns.reduce((sum, { columns }) => sum + columns + 2, 0);
  let shown = all;
  for (const leaving of [1, 2, 3, 4]) {
    if (width(shown) + LINE_COLUMNS_MIN <= canvas.columns) break;
    shown = shown.filter(({ leaves }) => leaves !== leaving);
  }
  const line = (texts: readonly string[]) =>
    shown.map(({ columns, alignsRight }, index) => {
      const text = texts[index]!;
      return `${alignsRight ? text.padStart(columns) : fill(text, columns, canvas.unicode)}  `;
    }).join("");
  const title: Span[] = [[`  ${line(shown.map(({ title }) => title))}LAST LINE`, "dim"]];
  return [
    title,
    ...rows.map(({ rank }, index): Span[] => {
      const { sign, style } = MARK_LOOKS[markOf(rank)];
      const cells = line(shown.map(({ texts }) => texts[index]!));
      return [
        [`${sign} `, style],
        [cells, rank.rank === chosen ? "chosen" : "plain"],
        [rank.lastLine ?? ""],
      ];
    }),
  ];
}

function stateText({ state, ending }: RankStatus): string {
  return ending === null ? state : `${state}, ${ending}`;
}
