/**
 * The end of a launcher that is itself at fault: a broken invariant, an error that nobody expected. It says so, with
 * all that helps to mend it, and leaves without a goodbye, so that the guard ends every worker.
 */

import { EXIT_CODES } from "../core/errors.ts";

/** From now on no error goes unseen: whatever nobody catches ends the launcher. */
export function endByDefects(): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    endByDefect(event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    endByDefect(event.reason);
  });
}

/** Ends the launcher at once. */
export function endByDefect(error: unknown): never {
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  try {
    const words =
      `muster: a defect of muster itself ends the job, please report it with these lines:\n${text}\n`;
    // Synchronous: nothing may come between this and the end.
    Deno.stderr.writeSync(new TextEncoder().encode(words));
  } catch {
    // Nobody reads; the exit code still tells.
  }
  Deno.exit(EXIT_CODES.internal);
}
