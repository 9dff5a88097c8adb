/**
 * Reads JSON that came from another node, field by field: each has a type and a limit, and what is unknown is passed over,
 * so that a newer node may say more.
 */

/** What was sent can't be read; the message is a clause whose subject is its sender: "sent a round that is not JSON". */
export class MessageError extends Error {
  override readonly name = "MessageError";
}

/** A longer text, unless said otherwise, has no business in a message. */
const TEXT_LENGTH_MAX = 4096;
const LIST_LENGTH_MAX = 65_536;

/** A JSON object with its place in the message. @throws {MessageError} from every method: no such field, or over a limit. */
export class JsonFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #place: string;

  /** `place`: how errors call it. */
  constructor(value: unknown, place: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(place, "an object");
    this.#fields = value as Readonly<Record<string, unknown>>;
    this.#place = place;
  }

  static parse(text: string, place: string): JsonFields {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw wrong(place, "JSON");
    }
    return new JsonFields(value, place);
  }

  text(name: string, lengthMax = TEXT_LENGTH_MAX): string {
    return readText(this.#fields[name], this.#at(name), lengthMax);
  }

  textOrNull(name: string): string | null {
    return this.#optional(name, () => this.text(name));
  }

  /** A whole number that is not negative. */
  count(name: string): number {
    return readCount(this.#fields[name], this.#at(name));
  }

  countOrNull(name: string): number | null {
    return this.#optional(name, () => this.count(name));
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

  oneOf<Value extends string>(name: string, values: readonly Value[]): Value {
    const value = values.find((candidate) => candidate === this.#fields[name]);
    if (value === undefined) throw wrong(this.#at(name), "a word that belongs there");
    return value;
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

  objectOrNull(name: string): JsonFields | null {
    return this.#optional(name, () => this.object(name));
  }

  objects(name: string): JsonFields[] {
    return this.list(name, LIST_LENGTH_MAX, (value, place) => new JsonFields(value, place));
  }

  list<T>(name: string, lengthMax: number, read: (value: unknown, place: string) => T): T[] {
    const value = this.#fields[name];
    if (!Array.isArray(value) || value.length > lengthMax) {
      throw wrong(this.#at(name), `a list of at most ${lengthMax}`);
    }
    return value.map((item, index) => read(item, `${this.#at(name)}[${index}]`));
  }

  texts(name: string, lengthMax = LIST_LENGTH_MAX, textMax = TEXT_LENGTH_MAX): string[] {
    return this.list(name, lengthMax, (value, place) => readText(value, place, textMax));
  }

  objectsOrNull(name: string): JsonFields[] | null {
    return this.#optional(name, () => this.objects(name));
  }

  /** Null where the field is null or missing. */
  #optional<T>(name: string, read: () => T): T | null {
    return (this.#fields[name] ?? null) === null ? null : read();
  }

  #at(name: string): string {
    return `${this.#place}.${name}`;
  }
}

function readText(value: unknown, place: string, lengthMax: number): string {
  if (typeof value !== "string" || value.length > lengthMax) {
    throw wrong(place, `a text of at most ${lengthMax} characters`);
  }
  return value;
}

export function readCount(value: unknown, place: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw wrong(place, "a whole number");
  return value as number;
}

function wrong(place: string, wanted: string): MessageError {
  return new MessageError(`sent a ${place} that is not ${wanted}`);
}
