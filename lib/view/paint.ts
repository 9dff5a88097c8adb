/**
 * Text on a terminal: pieces with styles, cut to the columns that there are. Sizes and ages as short as a table needs.
 *
 * Rules: what a program printed never reaches the terminal as it is: a control character could move the cursor or
 * change the keys. Without colour nothing is lost: colours only repeat what a character says.
 */

export type Style = "plain" | "bold" | "dim" | "good" | "notice" | "bad" | "chosen";

/** A piece of a line. */
export type Span = readonly [text: string, style?: Style];

/** What a terminal can show. */
export interface Canvas {
  readonly columns: number;
  /** Infinity: as many as it takes. */
  readonly rows: number;
  readonly colour: boolean;
  /** Whether it shows more than ASCII. */
  readonly unicode: boolean;
}

/** SGR codes that every terminal knows. */
const CODES: Readonly<Record<Style, string>> = {
  plain: "",
  bold: "\x1b[1m",
  dim: "\x1b[2m",
  good: "\x1b[32m",
  notice: "\x1b[33m",
  bad: "\x1b[1;31m",
  chosen: "\x1b[7m",
};
const RESET = "\x1b[0m";

/** One line of at most `columns`, without trailing blanks. */
export function paint(spans: readonly Span[], { columns, colour, unicode }: Canvas): string {
  let left = columns;
  let line = "";
  for (const [text, style = "plain"] of spans) {
    if (left <= 0) break;
    const plain = printable(text, unicode);
    const shown = cut(plain, left, unicode);
    left -= widthOf(shown);
    // Reverse video is no colour: the choice must be seen.
    const isStyled = style !== "plain" && shown !== "" && (colour || style === "chosen");
    line += isStyled ? `${CODES[style]}${shown}${RESET}` : shown;
    if (shown !== plain) break;
  }
  return line.trimEnd();
}

/** `text` in `columns`, filled up with blanks. */
export function fill(text: string, columns: number, unicode: boolean): string {
  const shown = cut(printable(text, unicode), columns, unicode);
  return shown + " ".repeat(Math.max(0, columns - widthOf(shown)));
}

/** Columns that `text`, which has no control characters, takes on a terminal. */
export function widthOf(text: string): number {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += widthOfOne(character);
  return width;
}

function cut(text: string, columns: number, unicode: boolean): string {
  if (widthOf(text) <= columns) return text;
  const mark = unicode ? "…" : "~";
  let shown = "";
  let width = 0;
  for (const character of text) {
    width += widthOfOne(character);
    if (width > columns - 1) break;
    shown += character;
  }
  return columns < 1 ? "" : `${shown}${mark}`;
}

/** Wide: East Asian ideographs, syllables and forms, and pictures (Unicode's East Asian Width W and F, in short). */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

function widthOfOne(character: string): number {
  return NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}

// deno-lint-ignore no-control-regex
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;
// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
// deno-lint-ignore no-control-regex
const BEYOND_ASCII = /[^\x00-\x7f]/g;

/** `text` with escape sequences taken out, tabs as blanks and other control characters as dots. */
export function printable(text: string, unicode: boolean): string {
  const plain = text.replace(ESCAPES, "").replaceAll("\t", "    ").replaceAll("\n", " ").replace(
    CONTROLS,
    ".",
  );
  return unicode ? plain : plain.replace(BEYOND_ASCII, (character) => ASCII[character] ?? "?");
}

/** What the views themselves draw, for terminals without it. */
const ASCII: Readonly<Record<string, string>> = {
  "●": "#",
  "○": "o",
  "·": ".",
  "✓": "+",
  "✗": "X",
  "■": "s",
  "←": "<",
  "→": ">",
  "↑": "^",
  "↓": "v",
  "…": "~",
  "─": "-",
};

/** "850ms", "12s", "3m", "4h", "5d". */
export function ageText(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)}ms`;
  const units: readonly [number, string][] = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "m"], [
    1000,
    "s",
  ]];
  const [unit, name] = units.find(([size]) => milliseconds >= size)!;
  return `${Math.floor(milliseconds / unit)}${name}`;
}

/** "512 B", "1.2 KiB", "34 MiB". */
export function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes, unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** "1 worker", "12,000 workers". */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${numberText(count)} ${count === 1 ? one : many}`;
}

/** "12,000". */
export function numberText(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}
