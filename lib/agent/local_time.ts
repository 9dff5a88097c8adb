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

/**
 * The moment that `localTime` writes as `text` for UTC, with a fraction of a second and a "Z" or without them; null:
 * it is written otherwise.
 */
export function fromLocalTime(text: string): WallMs | null {
  const parts = /^(\d{4,})-(\d\d)-(\d\d)_(\d\d):(\d\d):(\d\d)(\.\d+)?Z?$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined) return null;
  const [year, month, day, hours, minutes, seconds, fraction] = parts as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const days = daysSince1970(year, month, day);
  return (days * 86_400 + hours * 3600 + minutes * 60 + seconds) * 1000 +
    Math.round((fraction || 0) * 1000);
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

/** The reverse of `civilDate` (Howard Hinnant's `days_from_civil`). */
function daysSince1970(year: number, month: number, day: number): number {
  const yearFromMarch = month <= 2 ? year - 1 : year;
  const era = Math.floor(yearFromMarch / 400);
  const yearOfEra = yearFromMarch - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
