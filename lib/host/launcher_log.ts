/**
 * The launcher's own messages, through LogTape. They take the same way as the workers' output, so they never stand
 * inside a worker's line and never wait for a console.
 *
 * LogTape costs 20 ms to load, as much as starting Deno, and most jobs say nothing: it is loaded with the first
 * message, and what is said meanwhile waits in order.
 */

import { utf8 } from "../core/bytes.ts";

import type { LineMix } from "../logs/line_mix.ts";
import { wallNow } from "./clock.ts";

/** What a message is: `detail` shows with LOGLEVEL=DEBUG or --verbose, `info` with LOGLEVEL=INFO, the others always. */
export type MessageKind = "detail" | "info" | "notice" | "warning" | "error";

interface LauncherLogSettings {
  /** Where messages go: the console of stderr. */
  readonly console: LineMix;
  /** The environment variable, as torchrun reads it (torchrun.md 2, "Variables the agent reads"). */
  readonly logLevel: string | undefined;
  /** `--quiet` and `--verbose` count more than LOGLEVEL. */
  readonly verbosity: "quiet" | "normal" | "verbose";
  /** "json": each message is an object on a line: `time` (UTC), `level`, `message`. */
  readonly format: "text" | "json";
}

/** LogTape's level of each kind; it has none between "info" and "warning". */
const LEVELS = {
  detail: "trace",
  info: "debug",
  notice: "info",
  warning: "warning",
  error: "error",
} as const;
type Level = typeof LEVELS[MessageKind] | "fatal";

/** From the least important on. */
const LEVEL_ORDER: readonly Level[] = ["trace", "debug", "info", "warning", "error", "fatal"];
const DEFAULT_LEVEL: Level = "info";

const CATEGORY = "muster";
const PREFIXES: Readonly<Partial<Record<Level, string>>> = { warning: "warning: ", error: "error: " };

/** Lowest level shown for each of Python's level names; a name not in here is warned about. */
const PYTHON_LEVELS: Readonly<Record<string, Level>> = {
  NOTSET: "trace",
  DEBUG: "trace",
  INFO: "debug",
  WARNING: "warning",
  WARN: "warning",
  ERROR: "error",
  CRITICAL: "fatal",
  FATAL: "fatal",
};

type Write = (kind: MessageKind, text: string) => void;

export class LauncherLog {
  readonly #console: LineMix;
  readonly #lowest: Level;
  readonly #format: "text" | "json";
  /** What is said while the library is loaded, in order. */
  readonly #waiting: (() => void)[] = [];
  #write: Write | undefined;
  #loading: Promise<void> | undefined;

  constructor(settings: LauncherLogSettings) {
    this.#console = settings.console;
    this.#format = settings.format;
    const { logLevel, verbosity } = settings;
    if (verbosity !== "normal") {
      this.#lowest = verbosity === "quiet" ? "warning" : "trace";
      return;
    }
    const named = logLevel === undefined ? DEFAULT_LEVEL : PYTHON_LEVELS[logLevel];
    this.#lowest = named ?? DEFAULT_LEVEL;
    if (named === undefined) {
      this.say(
        "warning",
        `LOGLEVEL counts as unset, as "${logLevel}" is no level: use ${
          Object.keys(PYTHON_LEVELS).join(", ")
        }`,
      );
    }
  }

  say(kind: MessageKind, text: string): void {
    // Decided here too, so that a message that nobody sees does not load the library.
    if (LEVEL_ORDER.indexOf(LEVELS[kind]) < LEVEL_ORDER.indexOf(this.#lowest)) return;
    if (this.#write !== undefined) return this.#write(kind, text);
    this.#waiting.push(() => this.#write!(kind, text));
    this.#loading ??= this.#load();
  }

  /** Shows whole lines as they are, such as a report, after what was said before. */
  show(lines: string): void {
    const show = () => {
      if (this.#format === "json") this.#print("error", lines.trimEnd());
      else this.#console.writeLines(utf8(lines));
    };
    if (this.#waiting.length === 0) show();
    else this.#waiting.push(show);
  }

  /** Loads the library before it is needed, so that the first message of a failing job costs nothing. */
  async preload(): Promise<void> {
    this.#loading ??= this.#load();
    await this.#loading;
  }

  /** Resolves when everything said so far has reached the console's queue. */
  async settled(): Promise<void> {
    await this.#loading;
  }

  async #load(): Promise<void> {
    try {
      this.#write = await this.#connect();
    } catch {
      // A message matters more than the way it takes.
      this.#write = (kind, text) => this.#print(LEVELS[kind], text);
    }
    for (const write of this.#waiting.splice(0)) write();
  }

  async #connect(): Promise<Write> {
    const { configureSync, getLogger } = await import("@logtape/logtape");
    configureSync({
      sinks: { console: (record) => this.#print(record.level, record.message.join("")) },
      loggers: [
        { category: CATEGORY, sinks: ["console"], lowestLevel: this.#lowest },
        { category: ["logtape", "meta"], sinks: [] },
      ],
      reset: true,
    });
    const logger = getLogger(CATEGORY);
    // As a template's value, so that braces in a message are no placeholders.
    return (kind, text) => logger[LEVELS[kind]]`${text}`;
  }

  #print(level: Level, text: string): void {
    if (this.#format === "json") {
      const record = { time: new Date(wallNow()).toISOString(), level, message: text };
      return this.#console.writeLines(utf8(`${JSON.stringify(record)}\n`), { stamped: false });
    }
    this.#console.writeLines(utf8(`muster: ${PREFIXES[level] ?? ""}${harmless(text)}\n`));
  }
}

/** What others have sent may be in a message: it moves no cursor, and no line of it looks like one of the launcher's own. */
function harmless(text: string): string {
  return text.replace(/[^\P{Cc}\t\n]/gu, "?").replaceAll("\n", "\n  ");
}
