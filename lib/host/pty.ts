/**
 * Pseudo-terminals, so that a worker of a launcher on a terminal sees a terminal, as under torchrun: progress bars
 * and colours stay, and the launcher still reads every byte. Linux with glibc only.
 *
 * Rules: output is not changed on its way (OPOST off): the launcher's own terminal does that. The worker opens its
 * side by path, write-only, so that it does not become the worker's controlling terminal: no SIGHUP of ours.
 */

import type { ByteSource } from "./output_pump.ts";
import type { Poller } from "./poller.ts";

const SYMBOLS = {
  posix_openpt: { parameters: ["i32"], result: "i32" },
  grantpt: { parameters: ["i32"], result: "i32" },
  unlockpt: { parameters: ["i32"], result: "i32" },
  ptsname_r: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  tcgetattr: { parameters: ["i32", "buffer"], result: "i32" },
  tcsetattr: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
} as const;

const O_RDWR_NOCTTY_NONBLOCK_CLOEXEC = 0o2 | 0o400 | 0o4000 | 0o2000000;
const TCSANOW = 0;
const TIOCSWINSZ = 0x5414n;
const TIOCGWINSZ = 0x5413n;
/** struct termios: four 32-bit flag words, of which the second is c_oflag. */
const TERMIOS_BYTES = 64;
const OUTPUT_FLAGS = 1;
const LOCAL_FLAGS = 3;
const COLUMNS = 1;
const OPOST = 1;
const ECHO = 8;

/** One read of a terminal gives at most a page; reads are repeated up to this. */
const READ_BYTES_MAX = 64 * 1024;

/** All pseudo-terminals of one launcher. */
export class Terminals {
  readonly #libc = Deno.dlopen("libc.so.6", SYMBOLS);
  readonly #poller: Poller;
  readonly #open = new Set<TerminalSource>();

  constructor(poller: Poller) {
    this.#poller = poller;
  }

  /**
   * A new terminal of the launcher's own size, less the columns that labels take: a progress bar that is too wide
   * by one would go over two lines. Undefined where the system has no more terminals.
   */
  create(options: { readonly columnsTaken: number }): TerminalSource | undefined {
    const libc = this.#libc.symbols;
    const descriptor = libc.posix_openpt(O_RDWR_NOCTTY_NONBLOCK_CLOEXEC);
    if (descriptor < 0) return undefined;
    const name = new Uint8Array(64);
    const settings = new Uint32Array(TERMIOS_BYTES / 4);
    const isReady = libc.grantpt(descriptor) === 0 && libc.unlockpt(descriptor) === 0 &&
      libc.ptsname_r(descriptor, name, BigInt(name.length)) === 0 &&
      libc.tcgetattr(descriptor, settings) === 0;
    if (!isReady) {
      this.#poller.closeDescriptor(descriptor);
      return undefined;
    }
    settings[OUTPUT_FLAGS]! &= ~OPOST;
    settings[LOCAL_FLAGS]! &= ~ECHO;
    libc.tcsetattr(descriptor, TCSANOW, settings);
    const path = new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
    const source = new TerminalSource(path, {
      descriptor,
      poller: this.#poller,
      columnsTaken: options.columnsTaken,
      onClosed: () => this.#open.delete(source),
    });
    this.#open.add(source);
    this.#copySize(source);
    return source;
  }

  /** Passes the launcher's window size on; call it on SIGWINCH. */
  resize(): void {
    for (const source of this.#open) this.#copySize(source);
  }

  close(): void {
    for (const source of [...this.#open]) source.cancel();
    this.#libc.close();
  }

  /** From stderr or stdout, whichever is a terminal. */
  #copySize({ descriptor, columnsTaken }: TerminalSource): void {
    // struct winsize: rows, columns, and two fields that nobody uses.
    const size = new Uint16Array(4);
    const libc = this.#libc.symbols;
    if (libc.ioctl(1, TIOCGWINSZ, size) !== 0 && libc.ioctl(2, TIOCGWINSZ, size) !== 0) return;
    size[COLUMNS] = Math.max(1, size[COLUMNS]! - columnsTaken);
    libc.ioctl(descriptor, TIOCSWINSZ, size);
  }
}

interface TerminalSourceOptions {
  readonly descriptor: number;
  readonly poller: Poller;
  readonly columnsTaken: number;
  readonly onClosed: () => void;
}

/** The launcher's side of one terminal. */
export class TerminalSource implements ByteSource {
  /** The worker's side, such as /dev/pts/3. */
  readonly path: string;
  readonly #options: TerminalSourceOptions;
  readonly #buffer = new Uint8Array(READ_BYTES_MAX);
  #isClosed = false;

  constructor(path: string, options: TerminalSourceOptions) {
    this.path = path;
    this.#options = options;
  }

  get descriptor(): number {
    return this.#options.descriptor;
  }

  get columnsTaken(): number {
    return this.#options.columnsTaken;
  }

  async read(): Promise<Uint8Array | null> {
    while (!this.#isClosed) {
      const { hungUp } = await this.#options.poller.readable(this.descriptor);
      if (this.#isClosed) break;
      const count = this.#readAll();
      if (count > 0) return this.#buffer.subarray(0, count);
      if (hungUp) this.cancel();
    }
    return null;
  }

  cancel(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.poller.closeDescriptor(this.descriptor);
    this.#options.onClosed();
  }

  #readAll(): number {
    let count = 0;
    while (count < this.#buffer.length) {
      const more = this.#options.poller.read(this.descriptor, this.#buffer.subarray(count));
      if (more === 0) break;
      count += more;
    }
    return count;
  }
}
