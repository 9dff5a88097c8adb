/** What keys do in `muster status`: a view in, a view out. */

import { isTrouble } from "./rank_marks.ts";
import { allRanks, type JobStatus } from "./status.ts";

export interface StatusView {
  /** The rank under the cursor. */
  readonly chosen: number;
  /** `output`: what the chosen rank printed, on the whole screen. */
  readonly mode: "overview" | "output";
  /** `auto`: a table where it fits, else a grid. */
  readonly ranks: "auto" | "table" | "grid";
}

export const FIRST_VIEW: StatusView = { chosen: 0, mode: "overview", ranks: "auto" };

export type Key =
  | "up"
  | "down"
  | "left"
  | "right"
  | "first"
  | "last"
  | "enter"
  | "escape"
  | "table"
  | "trouble"
  | "quit";

/** What terminals send. Source: ECMA-48 and xterm's "Control Sequences", PC-style function keys. */
const KEYS: Readonly<Record<string, Key>> = {
  "\x1b[A": "up",
  "\x1bOA": "up",
  k: "up",
  "\x1b[B": "down",
  "\x1bOB": "down",
  j: "down",
  "\x1b[C": "right",
  "\x1bOC": "right",
  l: "right",
  "\x1b[D": "left",
  "\x1bOD": "left",
  h: "left",
  "\x1b[H": "first",
  "\x1bOH": "first",
  g: "first",
  "\x1b[F": "last",
  "\x1bOF": "last",
  G: "last",
  "\r": "enter",
  "\n": "enter",
  o: "enter",
  "\x1b": "escape",
  t: "table",
  f: "trouble",
  q: "quit",
  "\x03": "quit",
  "\x04": "quit",
};

/** The keys in what was read at once; others are passed over. */
export function readKeys(text: string): Key[] {
  // deno-lint-ignore no-control-regex
  const parts = text.match(/\x1b[[O][0-9;]*[A-Za-z~]|[\s\S]/g) ?? [];
  return parts.flatMap((part) => KEYS[part] ?? []);
}

/** The view after `key`; null: the person leaves. */
export function afterKey(
  key: Key,
  view: StatusView,
  status: JobStatus,
  { stepX, stepY }: { readonly stepX: number; readonly stepY: number },
): StatusView | null {
  const ranks = allRanks(status);
  const last = ranks.at(-1)?.rank ?? 0;
  const to = (rank: number): StatusView => ({ ...view, chosen: Math.max(0, Math.min(last, rank)) });
  switch (key) {
    case "up":
      return to(view.chosen - stepY);
    case "down":
      return to(view.chosen + stepY);
    case "left":
      return to(view.chosen - stepX);
    case "right":
      return to(view.chosen + stepX);
    case "first":
      return to(0);
    case "last":
      return to(last);
    case "enter":
      return { ...view, mode: view.mode === "output" ? "overview" : "output" };
    case "escape":
      return view.mode === "output" ? { ...view, mode: "overview" } : view;
    case "table":
      return { ...view, mode: "overview", ranks: view.ranks === "table" ? "grid" : "table" };
    case "trouble": {
      const trouble = ranks.filter(isTrouble).map(({ rank }) => rank);
      const next = trouble.find((rank) => rank > view.chosen) ?? trouble[0];
      return next === undefined ? view : to(next);
    }
    case "quit":
      return null;
  }
}
