/** `--timestamps`: the text of the time before a line on a console. */

import { localTime } from "../agent/local_time.ts";
import type { WallMs } from "../core/time.ts";
import { wallNow } from "./clock.ts";

/**
 * Returns a function that gives the text for now: for a person at a terminal the time of day, elsewhere, where a
 * text may be read days later and far away, the date and the distance from UTC too.
 */
export function newStamp(isTerminal: boolean): () => string {
  let at: WallMs | undefined;
  let text = "";
  return () => {
    const now = wallNow();
    if (now === at) return text;
    at = now;
    return text = stampText(now, { offsetMinutes: -new Date(now).getTimezoneOffset(), isTerminal });
  };
}

/** "22:50:42.007 " or "2026-11-23T22:50:42.007+01:00 ". */
export function stampText(
  at: WallMs,
  { offsetMinutes, isTerminal }: { readonly offsetMinutes: number; readonly isTerminal: boolean },
): string {
  const [date, time] = localTime(at, offsetMinutes).split("_");
  const precise = `${time}.${String(Math.floor(at) % 1000).padStart(3, "0")}`;
  if (isTerminal) return `${precise} `;
  const minutes = Math.abs(offsetMinutes);
  const parts = [Math.floor(minutes / 60), minutes % 60].map((number) => String(number).padStart(2, "0"));
  return `${date}T${precise}${offsetMinutes < 0 ? "-" : "+"}${parts.join(":")} `;
}
