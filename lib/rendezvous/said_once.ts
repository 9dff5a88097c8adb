/** Lines that are worth saying, but not twice. */

/** What is remembered; a peer that makes up new texts for ever is not believed for ever. */
const TEXTS_MAX = 100;

export class SaidOnce {
  readonly #say: (level: "notice" | "warning", text: string) => void;
  readonly #texts = new Set<string>();

  constructor(say: (level: "notice" | "warning", text: string) => void) {
    this.#say = say;
  }

  has(text: string): boolean {
    return this.#texts.has(text);
  }

  say(level: "notice" | "warning", text: string): void {
    if (this.#texts.has(text) || this.#texts.size >= TEXTS_MAX) return;
    this.#texts.add(text);
    this.#say(level, text);
  }
}
