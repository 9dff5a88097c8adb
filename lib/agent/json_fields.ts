/**
 * Reads JSON that came from another node, field by field: each has a type and a limit, and what is unknown is skipped,
 * so that a newer node may say more.
 */

import { PeerError } from "../store/wire.ts";

/** A JSON object with its place in the message. @throws {PeerError} from every method: no such field, or over a limit. */
export class JsonFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #place: string;

  constructor(value: unknown, place: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(place, "an object");
    this.#fields = value as Readonly<Record<string, unknown>>;
    this.#place = place;
  }

  text(name: string, lengthMax: number): string {
    return readText(this.#fields[name], this.#at(name), lengthMax);
  }

  /** A whole number that is not negative. */
  count(name: string): number {
    return readCount(this.#fields[name], this.#at(name));
  }

  number(name: string): number {
    const value = this.#fields[name];
    if (typeof value !== "number" || !Number.isFinite(value)) throw wrong(this.#at(name), "a number");
    return value;
  }

  flag(name: string): boolean {
    const value = this.#fields[name];
    if (typeof value !== "boolean") throw wrong(this.#at(name), "true or false");
    return value;
  }

  /** One of `words`. */
  word<Word extends string>(name: string, words: readonly Word[]): Word {
    const value = this.#fields[name];
    if (!words.includes(value as Word)) throw wrong(this.#at(name), words.join(" or "));
    return value as Word;
  }

  /** Null where the field is null; a field that is missing is wrong. */
  nullable<T>(name: string, read: (name: string) => T): T | null {
    return this.#fields[name] === null ? null : read(name);
  }

  /** As it came, for a reader that checks it. */
  value(name: string): unknown {
    return this.#fields[name];
  }

  object(name: string): JsonFields {
    return new JsonFields(this.#fields[name], this.#at(name));
  }

  list<T>(name: string, lengthMax: number, read: (value: unknown, place: string) => T): T[] {
    const value = this.#fields[name];
    if (!Array.isArray(value) || value.length > lengthMax) {
      throw wrong(this.#at(name), `a list of at most ${lengthMax}`);
    }
    return value.map((item, index) => read(item, `${this.#at(name)}[${index}]`));
  }

  texts(name: string, lengthMax: number, textMax: number): string[] {
    return this.list(name, lengthMax, (value, place) => readText(value, place, textMax));
  }

  #at(name: string): string {
    return `${this.#place}.${name}`;
  }
}

export function readText(value: unknown, place: string, lengthMax: number): string {
  if (typeof value !== "string" || value.length > lengthMax) {
    throw wrong(place, `a text of at most ${lengthMax} characters`);
  }
  return value;
}

export function readCount(value: unknown, place: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw wrong(place, "a whole number");
  return value as number;
}

function wrong(place: string, wanted: string): PeerError {
  return new PeerError(`sent a report in which ${place} is not ${wanted}`);
}
