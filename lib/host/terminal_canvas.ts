/** What the terminal at hand can show. */

import type { Canvas } from "../view/paint.ts";

const COLUMNS_WITHOUT_TERMINAL = 100;

export function canvasOf(output: { isTerminal(): boolean }): Canvas {
  const isTerminal = output.isTerminal();
  let columns = COLUMNS_WITHOUT_TERMINAL, rows = Infinity;
  try {
    if (isTerminal) ({ columns, rows } = Deno.consoleSize());
  } catch {
    // A terminal that does not tell its size.
  }
  // Source: locale(7): the first of these that is set decides.
  const locale = Deno.env.get("LC_ALL") || Deno.env.get("LC_CTYPE") || Deno.env.get("LANG") || "";
  const unicode = /utf-?8/i.test(locale);
  const colour = isTerminal && !Deno.noColor && Deno.env.get("TERM") !== "dumb";
  return { columns: Math.max(1, columns), rows: Math.max(1, rows), colour, unicode };
}
