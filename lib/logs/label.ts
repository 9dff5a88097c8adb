/**
 * The label before each line of a tee: torchrun's `[default0]:` or the user's template (torchrun.md 5.3), put in
 * front of lines without decoding them.
 */

import { utf8 } from "../core/bytes.ts";

export interface LabelValues {
  readonly roleName: string;
  readonly localRank: number;
  readonly rank: number;
  /** As gethostname(2) gives it. */
  readonly hostName: string;
}

/** The label of one worker; `template` null gives torchrun's default. */
export function lineLabel(template: string | null, values: LabelValues): string {
  if (template === null) return `[${values.roleName}${values.localRank}]:`;
  return safeSubstitute(template, {
    role_name: values.roleName,
    local_rank: String(values.localRank),
    rank: String(values.rank),
    hostname: values.hostName,
  });
}

/** Python's `string.Template.safe_substitute`: `$$` becomes `$`, unknown names stay. */
function safeSubstitute(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(
    /\$(?:(\$)|([_a-z][_a-z0-9]*)|\{([_a-z][_a-z0-9]*)\})/gi,
    (whole, dollar: string | undefined, plain: string | undefined, braced: string | undefined) => {
      if (dollar !== undefined) return "$";
      const name = plain ?? braced!;
      return Object.hasOwn(values, name) ? values[name]! : whole;
    },
  );
}

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** Puts a label in front of every line of one stream; a line may come in pieces. */
export class LineLabeller {
  readonly #label: Uint8Array;
  /** What a carriage return does: it stays and the label is repeated, or it becomes a newline. */
  readonly #carriageReturn: "kept" | "newline";
  #atLineStart = true;
  #afterCarriageReturn = false;
  #scratch = new Uint8Array(0);

  constructor(label: string, options: { readonly carriageReturn: "kept" | "newline" }) {
    this.#label = utf8(label);
    this.#carriageReturn = options.carriageReturn;
  }

  /** The line went on elsewhere: the next byte begins a new one. */
  startLine(): void {
    this.#atLineStart = true;
    this.#afterCarriageReturn = false;
  }

  /** `bytes` with labels; a view that holds until the next call. */
  label(bytes: Uint8Array): Uint8Array {
    const label = this.#label;
    const replaced = this.#carriageReturn === "newline";
    let out = this.#room(bytes.length + 4 * label.length + 64);
    let length = 0;
    let atLineStart = this.#atLineStart;
    let afterCarriageReturn = this.#afterCarriageReturn;
    // One pass, byte by byte: lines are short, and a call per line costs more than their bytes.
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      if (afterCarriageReturn) {
        afterCarriageReturn = false;
        if (byte === NEWLINE) {
          // Second half of one line end; the first half is out already.
          if (!replaced) out[length++] = byte;
          continue;
        }
      }
      if (atLineStart && (byte !== CARRIAGE_RETURN || replaced)) {
        if (length + label.length + (bytes.length - i) + 1 > out.length) {
          out = this.#grow(out, length, length + (label.length + 1) * 2 + (bytes.length - i) * 2);
        }
        for (let j = 0; j < label.length; j++) out[length++] = label[j]!;
        atLineStart = false;
      }
      if (byte === CARRIAGE_RETURN) {
        out[length++] = replaced ? NEWLINE : byte;
        atLineStart = true;
        afterCarriageReturn = true;
      } else {
        out[length++] = byte;
        if (byte === NEWLINE) atLineStart = true;
      }
    }
    this.#atLineStart = atLineStart;
    this.#afterCarriageReturn = afterCarriageReturn;
    return out.subarray(0, length);
  }

  #room(bytes: number): Uint8Array {
    if (this.#scratch.length < bytes) this.#scratch = new Uint8Array(bytes * 2);
    return this.#scratch;
  }

  #grow(out: Uint8Array, length: number, bytes: number): Uint8Array {
    const grown = new Uint8Array(bytes);
    grown.set(out.subarray(0, length));
    this.#scratch = grown;
    return grown;
  }
}
