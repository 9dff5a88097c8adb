/**
 * Times as Python's `datetime` packs them for a pickle: year, month, day, hour, minute and second of UTC, then the
 * microseconds in three bytes, all big-endian (CPython's `datetime.__reduce__`).
 */

import type { WallUs } from "./torch_record.ts";

const PACKED_BYTES = 10;
/** The last whose microseconds are exact numbers. */
const YEAR_MAX = 2254;

/** The time in ten bytes; null: they are none that this can be. */
export function unpackTime(bytes: Uint8Array): WallUs | null {
  if (bytes.length !== PACKED_BYTES) return null;
  const [high, low, month, day, hour, minute, second, a, b, c] = bytes as unknown as number[];
  const year = high! << 8 | low!, microsecond = a! << 16 | b! << 8 | c!;
  const days = daysBefore(year, month!) + day! - 1;
  const isProper = year >= 1970 && year <= YEAR_MAX && month! >= 1 && month! <= 12 && day! >= 1 &&
    days < daysBefore(month === 12 ? year + 1 : year, month === 12 ? 1 : month! + 1) &&
    hour! < 24 && minute! < 60 && second! < 60 && microsecond < 1_000_000;
  if (!isProper) return null;
  return (((days * 24 + hour!) * 60 + minute!) * 60 + second!) * 1_000_000 + microsecond;
}

/** The ten bytes of a time. */
export function packTime(time: WallUs): Uint8Array {
  const microsecond = time % 1_000_000;
  let rest = (time - microsecond) / 1_000_000;
  const take = (base: number) => {
    const digit = rest % base;
    rest = (rest - digit) / base;
    return digit;
  };
  const second = take(60), minute = take(60), hour = take(24);
  let year = 1970 + Math.floor(rest / 366), month = 1;
  while (daysBefore(year + 1, 1) <= rest) year++;
  while (month < 12 && daysBefore(year, month + 1) <= rest) month++;
  const day = rest - daysBefore(year, month) + 1;
  return Uint8Array.of(
    ...[year >> 8, year & 255, month, day, hour, minute, second],
    ...[microsecond >> 16, microsecond >> 8 & 255, microsecond & 255],
  );
}

/** Days from 1970 to the first of `month`, Gregorian. */
function daysBefore(year: number, month: number): number {
  // March comes first, so that the leap day is a year's last.
  const y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;
  return 365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) +
    Math.floor((153 * m + 2) / 5) - 719_468;
}
