/**
 * Reads a pickle without running it: just the opcodes that CPython's pickler writes for torchrun's record, and just its
 * five classes. A class is a name here, an object is a list of what was said of it; nothing is ever called.
 *
 * Rules: every other opcode, class and size is refused by `PickleError`, with one line that repeats nothing of the
 * pickle. What the parts mean is for `torch_record_codec.ts` to check. Opcodes: CPython's `Lib/pickletools.py`.
 */

/** The bytes are no record of torchrun's; the message is a clause whose subject is the record. */
export class PickleError extends Error {
  override readonly name = "PickleError";
}

const ELASTIC = "torch.distributed.elastic.rendezvous.dynamic_rendezvous";
const CLASSES = {
  [`${ELASTIC}._RendezvousState`]: "state",
  [`${ELASTIC}._NodeDesc`]: "node",
  "datetime.datetime": "datetime",
  "datetime.timezone": "timezone",
  "datetime.timedelta": "timedelta",
} as const;

export type ClassName = typeof CLASSES[keyof typeof CLASSES];

/** Dictionaries and sets are lists in the order of the pickle; equal keys are the reader's to find. */
export type PickleValue =
  | { readonly kind: "none" }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "integer"; readonly value: number }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "bytes"; readonly value: Uint8Array }
  | { readonly kind: "tuple"; readonly items: readonly PickleValue[] }
  | { readonly kind: "dict"; readonly entries: [PickleValue, PickleValue][] }
  | { readonly kind: "set"; readonly items: PickleValue[] }
  | { readonly kind: "class"; readonly name: ClassName }
  /** Made by NEWOBJ; `state` by a BUILD that follows. */
  | { readonly kind: "object"; readonly name: ClassName; state: PickleValue | null }
  /** Made by REDUCE. */
  | { readonly kind: "call"; readonly name: ClassName; readonly items: readonly PickleValue[] };

/** A record of 4,000 nodes has some 600 KB. */
export const PICKLE_BYTES_MAX = 1024 * 1024;
const STACK_MAX = 32 * 1024;
const MEMO_MAX = 128 * 1024;
const TEXT_BYTES_MAX = 1024;
/** More than a process id or a round can be; also what a number can hold. */
const LONG_BYTES_MAX = 8;

type Item = PickleValue | "mark";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The one value that the pickle stands for.
 * @throws {PickleError} It is too large, broken, or of other parts than torchrun's record.
 */
export function readPickle(bytes: Uint8Array): PickleValue {
  if (bytes.length > PICKLE_BYTES_MAX) throw new PickleError(`has more than ${PICKLE_BYTES_MAX} bytes`);
  return new PickleReader(bytes).read();
}

class PickleReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  readonly #stack: Item[] = [];
  readonly #memo: PickleValue[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  read(): PickleValue {
    if (this.#uint8() !== 0x80) throw new PickleError("does not begin as a pickle");
    const protocol = this.#uint8();
    if (protocol !== 4 && protocol !== 5) {
      throw new PickleError(`is a pickle of protocol ${protocol}, not 4 or 5`);
    }
    while (true) {
      const opcode = this.#uint8();
      if (opcode === 0x2e) break;
      this.#step(opcode);
      if (this.#stack.length > STACK_MAX) throw new PickleError(`has more than ${STACK_MAX} open parts`);
    }
    const value = this.#pop();
    if (this.#stack.length > 0 || this.#offset < this.#bytes.length) {
      throw new PickleError("goes on after its end");
    }
    return value;
  }

  #step(opcode: number): void {
    switch (opcode) {
      case 0x95: // FRAME: for faster reading only; its length is a promise that nothing depends on.
        this.#take(8);
        return;
      case 0x4e:
        return this.#push({ kind: "none" });
      case 0x88:
        return this.#push({ kind: "boolean", value: true });
      case 0x89:
        return this.#push({ kind: "boolean", value: false });
      case 0x4b:
        return this.#push({ kind: "integer", value: this.#uint8() });
      case 0x4d:
        return this.#push({ kind: "integer", value: this.#view.getUint16(this.#take(2), true) });
      case 0x4a:
        return this.#push({ kind: "integer", value: this.#view.getInt32(this.#take(4), true) });
      case 0x8a:
        return this.#push({ kind: "integer", value: this.#long() });
      case 0x8c:
        return this.#push({ kind: "text", value: this.#text(this.#uint8()) });
      case 0x58:
        return this.#push({ kind: "text", value: this.#text(this.#uint32()) });
      case 0x43: {
        const length = this.#uint8(), start = this.#take(length);
        return this.#push({ kind: "bytes", value: this.#bytes.slice(start, start + length) });
      }
      case 0x28:
        this.#stack.push("mark");
        return;
      case 0x29:
        return this.#push({ kind: "tuple", items: [] });
      case 0x85:
        return this.#tuple(1);
      case 0x86:
        return this.#tuple(2);
      case 0x87:
        return this.#tuple(3);
      case 0x7d:
        return this.#push({ kind: "dict", entries: [] });
      case 0x8f:
        return this.#push({ kind: "set", items: [] });
      case 0x73:
        return this.#setItems([this.#pop(), this.#pop()].reverse());
      case 0x75:
        return this.#setItems(this.#popToMark());
      case 0x90: {
        const items = this.#popToMark();
        this.#top("set").items.push(...items);
        return;
      }
      case 0x94:
        if (this.#memo.length >= MEMO_MAX) throw new PickleError(`remembers more than ${MEMO_MAX} parts`);
        this.#memo.push(this.#topValue());
        return;
      case 0x68:
        return this.#recall(this.#uint8());
      case 0x6a:
        return this.#recall(this.#uint32());
      case 0x93:
        return this.#class();
      case 0x81:
        return this.#newObject();
      case 0x52:
        return this.#reduce();
      case 0x62: {
        const state = this.#pop(), object = this.#top("object");
        if (object.state !== null) throw new PickleError("builds an object twice");
        object.state = state;
        return;
      }
      default:
        throw new PickleError(`has opcode 0x${opcode.toString(16)}, which torchrun's record never has`);
    }
  }

  #setItems(flat: readonly PickleValue[]): void {
    if (flat.length % 2 !== 0) throw new PickleError("has a key without a value");
    const { entries } = this.#top("dict");
    for (let index = 0; index < flat.length; index += 2) entries.push([flat[index]!, flat[index + 1]!]);
  }

  #tuple(length: number): void {
    const items: PickleValue[] = [];
    for (let count = 0; count < length; count++) items.unshift(this.#pop());
    this.#push({ kind: "tuple", items });
  }

  #class(): void {
    const name = this.#pop(), module = this.#pop();
    const path = module.kind === "text" && name.kind === "text" ? `${module.value}.${name.value}` : "";
    if (!Object.hasOwn(CLASSES, path)) {
      throw new PickleError("names a class that torchrun's record never has");
    }
    this.#push({ kind: "class", name: CLASSES[path as keyof typeof CLASSES] });
  }

  #newObject(): void {
    const items = this.#pop(), type = this.#pop();
    const isPlain = items.kind === "tuple" && items.items.length === 0 && type.kind === "class" &&
      (type.name === "state" || type.name === "node");
    if (!isPlain) throw new PickleError("makes an object otherwise than torchrun does");
    this.#push({ kind: "object", name: type.name, state: null });
  }

  #reduce(): void {
    const items = this.#pop(), type = this.#pop();
    const isTime = items.kind === "tuple" && type.kind === "class" && type.name !== "state" &&
      type.name !== "node";
    if (!isTime) throw new PickleError("calls what is not a time");
    this.#push({ kind: "call", name: type.name, items: items.items });
  }

  #recall(index: number): void {
    const value = this.#memo[index];
    if (value === undefined) throw new PickleError("recalls what it never remembered");
    this.#push(value);
  }

  #push(value: PickleValue): void {
    this.#stack.push(value);
  }

  #pop(): PickleValue {
    const item = this.#stack.pop();
    if (item === undefined || item === "mark") throw new PickleError("takes what is not there");
    return item;
  }

  #popToMark(): PickleValue[] {
    const start = this.#stack.lastIndexOf("mark");
    if (start < 0) throw new PickleError("takes what is not there");
    const items = this.#stack.splice(start) as PickleValue[];
    return items.slice(1);
  }

  #topValue(): PickleValue {
    const item = this.#stack.at(-1);
    if (item === undefined || item === "mark") throw new PickleError("takes what is not there");
    return item;
  }

  #top<Kind extends "dict" | "set" | "object">(kind: Kind): PickleValue & { kind: Kind } {
    const value = this.#topValue();
    if (value.kind !== kind) throw new PickleError(`puts something into what is no ${kind}`);
    return value as PickleValue & { kind: Kind };
  }

  #text(length: number): string {
    if (length > TEXT_BYTES_MAX) throw new PickleError(`has a text of more than ${TEXT_BYTES_MAX} bytes`);
    const start = this.#take(length);
    try {
      return decoder.decode(this.#bytes.subarray(start, start + length));
    } catch {
      throw new PickleError("has a text that is not UTF-8");
    }
  }

  /** Two's complement, little-endian. */
  #long(): number {
    const length = this.#uint8();
    if (length > LONG_BYTES_MAX) throw new PickleError(`has a number of more than ${LONG_BYTES_MAX} bytes`);
    const start = this.#take(length);
    let value = 0n;
    for (let index = length - 1; index >= 0; index--) {
      value = value << 8n | BigInt(this.#bytes[start + index]!);
    }
    const number = Number(BigInt.asIntN(8 * length, value));
    if (!Number.isSafeInteger(number)) throw new PickleError("has a number beyond 2^53");
    return number;
  }

  #uint8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** Goes past `length` bytes and tells where they start. */
  #take(length: number): number {
    const start = this.#offset;
    if (length > this.#bytes.length - start) throw new PickleError("ends too early");
    this.#offset = start + length;
    return start;
  }
}
