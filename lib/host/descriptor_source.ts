/** A pipe that is read through a descriptor of our own, in non-blocking mode. */

import type { ByteSource } from "./output_pump.ts";
import type { Poller } from "./poller.ts";

const READ_BYTES_MIN = 4 * 1024;
const READ_BYTES_MAX = 64 * 1024;
/** A read that brought this much is followed by a wait, so that a fast writer never keeps the event loop busy. */
const LARGE_BYTES = 4 * 1024;

export class DescriptorSource implements ByteSource {
  readonly #descriptor: number;
  readonly #poller: Poller;
  #buffer = new Uint8Array(READ_BYTES_MIN);
  #lastWasLarge = false;
  #isClosed = false;

  /** Takes over `descriptor`, which is closed at the end. */
  constructor(descriptor: number, poller: Poller) {
    this.#descriptor = descriptor;
    this.#poller = poller;
  }

  async read(): Promise<Uint8Array | null> {
    if (!this.#lastWasLarge && !this.#isClosed) {
      const chunk = this.#readNow();
      if (chunk !== undefined) return chunk;
    }
    while (!this.#isClosed) {
      const { hungUp } = await this.#poller.readable(this.#descriptor);
      if (this.#isClosed) break;
      const chunk = this.#readNow();
      if (chunk !== undefined) return chunk;
      if (hungUp) this.cancel();
    }
    return null;
  }

  cancel(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#poller.closeDescriptor(this.#descriptor);
  }

  #readNow(): Uint8Array | undefined {
    if (this.#lastWasLarge && this.#buffer.length < READ_BYTES_MAX) {
      this.#buffer = new Uint8Array(READ_BYTES_MAX);
    }
    const count = this.#poller.read(this.#descriptor, this.#buffer);
    this.#lastWasLarge = count >= LARGE_BYTES;
    return count === 0 ? undefined : this.#buffer.subarray(0, count);
  }
}
