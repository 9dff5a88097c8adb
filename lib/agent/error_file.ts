/**
 * Reads what a worker recorded of its own end in TORCHELASTIC_ERROR_FILE (`@record`, torchrun.md 5.5).
 *
 * The file comes from the worker's own code, is written without care for readers (open, write, no rename), and the
 * worker may be killed half-way. So every oddity is a value with a reason, never an exception: a broken file
 * costs the report its traceback and nothing else.
 */

import type { WallMs } from "../core/time.ts";

/** A JSON object as parsed: its fields are looked at one by one. */
export type JsonObject = Readonly<Record<string, unknown>>;

export interface ErrorRecord {
  /** "ValueError: bad learning rate"; null: the file has none. */
  readonly message: string | null;
  /** Python's traceback, by lines; null: the file has none. */
  readonly callstack: readonly string[] | null;
  /** When the worker says it failed; whole seconds from PyTorch itself. */
  readonly failedAt: WallMs | null;
  /** The whole file, to be handed on to the launcher's own parent. */
  readonly document: JsonObject;
}

export type ErrorFileContent =
  | { readonly kind: "record"; readonly record: ErrorRecord }
  /** `problem` completes "the file …", without full stop. */
  | { readonly kind: "unusable"; readonly problem: string };

/**
 * Understands `message` as PyTorch's object with `extraInfo`, and as plain text with an optional top-level
 * `timestamp`. Fields that are missing or of another type count as missing.
 */
export function parseErrorFile(text: string): ErrorFileContent {
  if (text.trim() === "") return unusable("is empty: the worker ended while writing it");
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return unusable("isn't JSON: the worker ended while writing it, or wrote something else");
  }
  const document = asObject(parsed);
  if (document === null) return unusable("isn't a JSON object");
  const inner = asObject(document.message);
  const extra = asObject(inner?.extraInfo);
  const message = asText(inner === null ? document.message : inner.message);
  const callstack = asText(extra?.py_callstack);
  if (message === null && callstack === null) return unusable("has no message");
  return {
    kind: "record",
    record: {
      message,
      callstack: callstack === null ? null : callstack.trimEnd().split("\n"),
      failedAt: asInstant(extra === null ? document.timestamp : extra.timestamp),
      document,
    },
  };
}

function unusable(problem: string): ErrorFileContent {
  return { kind: "unusable", problem };
}

function asObject(value: unknown): JsonObject | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : null;
}

function asText(value: unknown): string | null {
  return typeof value === "string" && value.trim() !== "" ? value : null;
}

/** Unix seconds as a number or as text, whole (PyTorch) or with a fraction (its imitators). */
function asInstant(value: unknown): WallMs | null {
  const seconds = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof seconds === "number" && Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : null;
}
