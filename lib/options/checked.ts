/** What checking a text gives: its value, or the problem with it. */

import { assert } from "../core/assert.ts";
import type { UsageProblem } from "../core/errors.ts";

export type Checked<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "problem"; readonly problem: UsageProblem };

export function accept<T>(value: T): Checked<T> {
  return { kind: "value", value };
}

/** A problem; `hint` is what to try, where there is something better than the help. */
export function refuse(message: string, hint?: string): Checked<never> {
  return { kind: "problem", problem: hint === undefined ? { message } : { message, hint } };
}

/** The value of a text that has been checked before. */
export function checkedValue<T>(checked: Checked<T>): T {
  assert(checked.kind === "value", "A value was used that had a problem");
  return checked.value;
}

/** `text` as messages show what was given. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
