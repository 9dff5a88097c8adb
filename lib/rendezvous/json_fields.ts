/** Reads JSON from the network field by field: what is missing or of another kind is an error, what is unknown is passed over. */

/** A message can't be read; the message is a clause whose subject is its sender: "sent a round without a number". */
export class MessageError extends Error {
  override readonly name = "MessageError";
}

/** A text longer than this has no business in a message. */
const TEXT_LENGTH_MAX = 4096;
const LIST_LENGTH_MAX = 65_536;

export class JsonFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #what: string;

  /** `what`: how errors call it. @throws {MessageError} `value` is no object. */
  constructor(value: unknown, what: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new MessageError(`sent a ${what} that is no object`);
    }
    this.#fields = value as Record<string, unknown>;
    this.#what = what;
  }

  static parse(text: string, what: string): JsonFields {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new MessageError(`sent a ${what} that is no JSON`);
    }
    return new JsonFields(value, what);
  }

  text(name: string): string {
    const value = this.#fields[name];
    if (typeof value !== "string" || value.length > TEXT_LENGTH_MAX) throw this.#wrong(name);
    return value;
  }

  textOrNull(name: string): string | null {
    return this.#isAbsent(name) ? null : this.text(name);
  }

  oneOf<Value extends string>(name: string, values: readonly Value[]): Value {
    const value = values.find((candidate) => candidate === this.#fields[name]);
    if (value === undefined) throw this.#wrong(name);
    return value;
  }

  /** A whole number from 0 on. */
  count(name: string): number {
    const value = this.#fields[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw this.#wrong(name);
    return value;
  }

  countOrNull(name: string): number | null {
    return this.#isAbsent(name) ? null : this.count(name);
  }

  flag(name: string): boolean {
    const value = this.#fields[name];
    if (typeof value !== "boolean") throw this.#wrong(name);
    return value;
  }

  object(name: string): JsonFields {
    return new JsonFields(this.#fields[name], `${this.#what}'s ${name}`);
  }

  objectOrNull(name: string): JsonFields | null {
    return this.#isAbsent(name) ? null : this.object(name);
  }

  objects(name: string): JsonFields[] {
    return this.#list(name).map((value) => new JsonFields(value, `${this.#what}'s ${name}`));
  }

  texts(name: string): string[] {
    return this.#list(name).map((value) => {
      if (typeof value !== "string" || value.length > TEXT_LENGTH_MAX) throw this.#wrong(name);
      return value;
    });
  }

  #list(name: string): unknown[] {
    const value = this.#fields[name];
    if (!Array.isArray(value) || value.length > LIST_LENGTH_MAX) throw this.#wrong(name);
    return value;
  }

  #isAbsent(name: string): boolean {
    return this.#fields[name] === undefined || this.#fields[name] === null;
  }

  #wrong(name: string): MessageError {
    return new MessageError(`sent a ${this.#what} with a wrong ${name}`);
  }
}
