/** A moment as people and torchrun's reports write it. */

import type { WallMs } from "../core/time.ts";

/** "2026-11-23_22:50:42": `at` on a clock that is `offsetMinutes` ahead of UTC. */
export function localTime(at: WallMs, offsetMinutes: number): string {
  const seconds = Math.floor(at / 1000) + offsetMinutes * 60;
  const days = Math.floor(seconds / 86_400);
  const ofDay = seconds - days * 86_400;
  const { year, month, day } = civilDate(days);
  const clock = [Math.floor(ofDay / 3600), Math.floor(ofDay / 60) % 60, ofDay % 60];
  return `${year}-${padded(month)}-${padded(day)}_${clock.map(padded).join(":")}`;
}

function padded(number: number): string {
  return String(number).padStart(2, "0");
}

/**
 * The date of a day counted from 1970-01-01, Gregorian. A year is taken to begin in March, so that the leap day is
 * its last; an era is the 400 years after which the calendar repeats (Howard Hinnant's `civil_from_days`).
 */
function civilDate(daysSince1970: number): { year: number; month: number; day: number } {
  const days = daysSince1970 + 719_468;
  const era = Math.floor(days / 146_097);
  const dayOfEra = days - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra -
    (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  };
}
