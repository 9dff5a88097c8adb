/**
 * Finds, in the last lines of a worker's stderr, what ended its program: Python's traceback (also with PyTorch's
 * `[rank0]: ` before each line), faulthandler's dump, an uncaught C++ exception.
 *
 * Output is whatever a program prints, so nothing here may fail, and in doubt a block ends too early.
 * What a program prints while it is being torn down (destructors, lost threads, aborts) comes after the cause and
 * must not hide it.
 */

export interface Traceback {
  /** As printed, without colours and without the prefix before each line. */
  readonly lines: readonly string[];
  /**
   * The exceptions it names, "Type: message" with all lines of the message, in the order of their raising: the
   * last is the one that ended the program.
   */
  readonly exceptions: readonly string[];
}

/** The text of a terminal line as it was last to be seen: no colours, no control characters, `\r` obeyed. */
export function plainLine(line: string): string {
  const shown = line.replace(/\r+$/, "");
  return shown.slice(shown.lastIndexOf("\r") + 1).replace(ESCAPES, "").replace(CONTROLS, "");
}

/** The traceback of what ended the program, or null when `tail` (oldest line first) has none. */
export function findTraceback(tail: readonly string[]): Traceback | null {
  const lines = tail.map(plainLine);
  const found: Record<Weight, Traceback | null> = { final: null, abort: null, aside: null, noise: null };
  for (let i = 0; i < lines.length;) {
    const block = readBlock(lines, i);
    // The last of its weight: what a program logs and survives comes before what ends it.
    if (block !== null) found[block.weight] = { lines: block.lines, exceptions: block.exceptions };
    i = block === null ? i + 1 : block.end;
  }
  return found.final ?? found.abort ?? found.aside;
}

// deno-lint-ignore no-control-regex -- terminals speak in control characters
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])/g;
// deno-lint-ignore no-control-regex -- so do broken programs
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f]/g;

/**
 * `final`: ended the program. `abort`: a C++ exception that nobody caught; after a Python traceback it is only
 * the teardown falling over. `aside`: died in a thread or a child process, which Python survives. `noise`: from
 * destructors and exit handlers.
 */
type Weight = "final" | "abort" | "aside" | "noise";

interface Block extends Traceback {
  readonly weight: Weight;
  /** Index of the first line after the block. */
  readonly end: number;
}

const PYTHON_HEADER = /^(.*?)(?: {2}\+ Exception Group )?Traceback \(most recent call last\):\s*$/;
const SYNTAX_HEADER = /^ {2}File ".*", line \d+$/;
const FAULT_HEADER = /^Fatal Python error: .+/;
const ABORT_HEADER = /^terminate called after throwing an instance of '(.*)'/;
const CHAIN = /^(?:During handling of the above exception|The above exception was the direct cause)\b.*:$/;
const ASIDE = /^(?:Exception in thread |Process \S+:$)/;
const NOISE = /^(?:Exception ignored in|Error in atexit\.)/;
/** Lines that belong to something else, so that a message of several lines ends before them. */
const FOREIGN: readonly RegExp[] = [
  // PyTorch's own log, of now and of old.
  /^(?:\[rank\d+\]: ?)?\[[EFIW]\d{3,4} /,
  /^\[[EW] \S+\.cpp:\d+\]/,
  /^\S+:\d+: \w*Warning: /,
  NOISE,
  ASIDE,
  /^(?:Fatal Python error|terminate called )/,
];

function readBlock(lines: readonly string[], start: number): Block | null {
  const line = lines[start]!;
  const python = PYTHON_HEADER.exec(line);
  if (python !== null && !python[1]!.endsWith("Original ")) return readPython(lines, start, python[1]!);
  if (SYNTAX_HEADER.test(line)) return readSyntaxError(lines, start);
  if (FAULT_HEADER.test(line)) return readFault(lines, start);
  const abort = ABORT_HEADER.exec(line);
  return abort === null ? null : readAbort(lines, start, abort[1]!);
}

/** A traceback with everything that it is chained to. Every line of it begins with `prefix`. */
function readPython(lines: readonly string[], start: number, prefix: string): Block | null {
  const body: string[] = [];
  for (let i = start; i < lines.length; i++) {
    const line = lines[i]!;
    // Loggers trim the blank after the prefix on empty lines.
    if (!line.startsWith(prefix) && line !== prefix.trimEnd()) break;
    body.push(line.slice(prefix.length));
  }
  const exceptions: string[] = [];
  let at = 0;
  while (true) {
    at = readException(body, at + 1, exceptions);
    const next = body.findIndex((line, index) => index >= at && line !== "");
    const isChained = next >= 0 && CHAIN.test(body[next]!);
    const header = isChained ? body.findIndex((line, index) => index > next && PYTHON_HEADER.test(line)) : -1;
    if (header < 0 || header > next + 2) break;
    at = header;
  }
  if (exceptions.length === 0) return null;
  const before = lines[start - 1]?.slice(prefix.length) ?? "";
  const weight = NOISE.test(before) ? "noise" : ASIDE.test(before) ? "aside" : "final";
  return { weight, lines: trimBlankEnd(body.slice(0, at)), exceptions, end: start + at };
}

/** Reads frames, then the exception with its message; adds it to `exceptions` and returns the line after it. */
function readException(body: readonly string[], start: number, exceptions: string[]): number {
  let i = start;
  const branches: string[] = [];
  while (i < body.length && /^\s+\S/.test(body[i]!)) {
    // An exception group is drawn as an indented tree: the group itself first, then its members.
    const branch = /^\s+\| ([A-Za-z_][\w.]*(?:: .*)?)$/.exec(body[i]!);
    if (branch !== null) branches.push(branch[1]!);
    i++;
  }
  if (branches.length > 0) {
    exceptions.push(...branches.reverse());
    return i;
  }
  const first = i;
  while (i < body.length && !endsMessage(body[i]!)) i++;
  const message = body.slice(first, i).join("\n");
  if (message !== "") exceptions.push(message);
  return i;
}

/** A message may have several lines; a blank one is taken for its end. */
function endsMessage(line: string): boolean {
  return line.trim() === "" || FOREIGN.some((pattern) => pattern.test(line)) ||
    PYTHON_HEADER.exec(line)?.[1] === "";
}

/** A script that Python can't compile: printed without a header. */
function readSyntaxError(lines: readonly string[], start: number): Block | null {
  for (let i = start + 1; i < Math.min(start + 6, lines.length); i++) {
    if (!/^(?:SyntaxError|IndentationError|TabError): /.test(lines[i]!)) continue;
    return { weight: "final", lines: lines.slice(start, i + 1), exceptions: [lines[i]!], end: i + 1 };
  }
  return null;
}

/** faulthandler's dump: the threads' stacks, innermost call first. */
function readFault(lines: readonly string[], start: number): Block {
  let end = start + 1;
  while (end < lines.length && /^(?:\s|$|Current thread |Thread )/.test(lines[end]!)) end++;
  return {
    weight: "final",
    lines: trimBlankEnd(lines.slice(start, end)),
    exceptions: [lines[start]!],
    end,
  };
}

/** What the C++ runtime prints of an exception that nobody caught. */
function readAbort(lines: readonly string[], start: number, type: string): Block {
  const what = /^\s+what\(\):\s+(.*)$/.exec(lines[start + 1] ?? "");
  const end = start + (what === null ? 1 : 2);
  const exception = what === null ? type : `${type}: ${what[1]}`;
  return { weight: "abort", lines: lines.slice(start, end), exceptions: [exception], end };
}

function trimBlankEnd(lines: readonly string[]): string[] {
  let end = lines.length;
  while (end > 0 && lines[end - 1]!.trim() === "") end--;
  return lines.slice(0, end);
}
