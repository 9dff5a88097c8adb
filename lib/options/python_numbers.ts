/**
 * Numbers as Python reads them from text, because torchrun hands its arguments to `int()` and `float()`:
 * blanks around, a sign, underscores between digits and the digits of any script are all legal.
 */

/** `int(text)`; null where Python raises ValueError. Beyond ±(2^53 − 1) the value stays at that bound. */
export function parsePythonInteger(text: string): number | null {
  const plain = plainNumber(text);
  if (!/^[+-]?\d+(_\d+)*$/.test(plain)) return null;
  const value = Number(plain.replaceAll("_", ""));
  const bounded = Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
  return bounded === 0 ? 0 : bounded;
}

/** `float(text)`; null where Python raises ValueError. `inf` and `nan` are numbers. */
export function parsePythonFloat(text: string): number | null {
  const plain = plainNumber(text);
  const word = /^([+-]?)(inf|infinity|nan)$/i.exec(plain);
  if (word !== null) {
    if (word[2]!.toLowerCase() === "nan") return NaN;
    return word[1] === "-" ? -Infinity : Infinity;
  }
  const digits = "\\d+(?:_\\d+)*";
  const number = new RegExp(`^[+-]?(?:${digits}\\.?(?:${digits})?|\\.${digits})(?:[eE][+-]?${digits})?$`);
  return number.test(plain) ? Number(plain.replaceAll("_", "")) : null;
}

/** `text` without blanks around, its decimal digits as ASCII. */
function plainNumber(text: string): string {
  const trimmed = text.trim();
  // The usual case; the tables of Unicode cost start-up time.
  if (/^[ -~]*$/.test(trimmed)) return trimmed;
  return trimmed.replace(/\p{Nd}/gu, (digit) => {
    // Unicode encodes every script's digits as runs of ten from zero on, so the place in the run is the value.
    const codePoint = digit.codePointAt(0)!;
    let first = codePoint;
    while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first--;
    return String((codePoint - first) % 10);
  });
}
