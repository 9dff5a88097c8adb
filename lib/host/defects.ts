/**
 * The end of a launcher that is itself at fault: a broken invariant, an error that nobody expected. It says so, with
 * all that helps to mend it, and leaves without a goodbye, so that the guard ends every worker.
 */

import { utf8 } from "../core/bytes.ts";
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
  const isRefused = error instanceof Deno.errors.NotCapable;
  try {
    // Synchronous: nothing may come between this and the end.
    Deno.stderr.writeSync(utf8(`muster: ${isRefused ? permissionText(error) : defectText(error)}\n`));
  } catch {
    // Nobody reads; the exit code still tells.
  }
  Deno.exit(isRefused ? EXIT_CODES.system : EXIT_CODES.internal);
}

function permissionText(error: Error): string {
  return `Deno refuses what the launcher needs: ${error.message}. Start it with 'deno run -A'; README lists the least`;
}

function defectText(error: unknown): string {
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  return `a defect of muster itself ends the job, please report it with these lines:\n${text}`;
}
