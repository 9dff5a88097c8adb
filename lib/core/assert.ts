/**
 * The only way to crash. A failed assertion is a defect of muster, never of a user, a worker or a peer;
 * the host turns it into exit code 70 with the text below.
 */

/** A broken invariant inside muster. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Ends the run when `condition` does not hold. */
export function assert(condition: unknown, message = "An invariant does not hold"): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Returns `value`, which must be there. */
export function assertDefined<T>(value: T | null | undefined, what = "A value"): T {
  if (value === null || value === undefined) throw new AssertionError(`${what} is missing`);
  return value;
}

/** Closes a `switch` over a union: the compiler proves that no case was forgotten. */
export function unreachable(value: never): never {
  throw new AssertionError(`Unexpected case: ${JSON.stringify(value)}`);
}
