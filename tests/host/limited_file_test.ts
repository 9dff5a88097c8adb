import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { LimitedFile } from "../../lib/host/limited_file.ts";

const BYTES_MAX = 8192;

/** A limited file in a directory of its own. */
async function withFile(
  test: (file: LimitedFile, path: string, names: () => string[]) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/stdout.log`;
    const file = await Deno.open(path, { write: true, create: true, truncate: true });
    const names = () => [...Deno.readDirSync(directory)].map(({ name }) => name).toSorted();
    await test(new LimitedFile(file, { path, bytesMax: BYTES_MAX }), path, names);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function write(file: LimitedFile, text: string): Promise<void> {
  for (let bytes = utf8(text); bytes.length > 0;) bytes = bytes.subarray(await file.write(bytes));
}

/** Lines "line 1\n", "line 2\n", … from `first` to `last`. */
function lines(first: number, last: number): string {
  return Array.from({ length: last - first + 1 }, (_, i) => `line ${first + i}\n`).join("");
}

Deno.test("LimitedFile keeps what is within the limit byte for byte", () =>
  withFile(async (file, path, names) => {
    const text = lines(1, 700);
    assert(text.length > BYTES_MAX * 0.7 && text.length < BYTES_MAX);
    await write(file, text);
    assertEquals(names(), ["stdout.log", "stdout.log.1", "stdout.log.2"]);
    await file.close();
    assertEquals(await Deno.readTextFile(path), text);
    assertEquals(names(), ["stdout.log"]);
  }));

Deno.test("LimitedFile keeps whole lines of head and tail, and says how much was left out", () =>
  withFile(async (file, path, names) => {
    const text = lines(1, 100_000);
    const prng = new Prng(3);
    for (let at = 0; at < text.length;) {
      const end = at + 1 + prng.below(3000);
      await write(file, text.slice(at, end));
      at = end;
    }
    await file.close();
    const kept = await Deno.readTextFile(path);
    assert(kept.length <= BYTES_MAX && kept.length > BYTES_MAX / 2, String(kept.length));
    const [, head, count, tail] = kept.match(
      /^(.*\n)\n… ([\d,]+) bytes left out here \(--log-max-size\)\n\n(.*)$/s,
    )!;
    const left = Number(count!.replaceAll(",", ""));
    assertEquals(head!.length + left + tail!.length, text.length);
    assert(text.startsWith(head!) && text.endsWith(tail!));
    assertMatch(tail!, /^line \d+\n/);
    assertEquals(names(), ["stdout.log"]);
  }));

Deno.test("LimitedFile says while it is written where the output goes on", () =>
  withFile(async (file, path) => {
    await write(file, lines(1, 100_000));
    const head = await Deno.readTextFile(path);
    assertMatch(head, /\n… the output goes on in stdout\.log\.1 and stdout\.log\.2 until its end/);
    const tail = await Deno.readTextFile(`${path}.1`) + await Deno.readTextFile(`${path}.2`);
    assert(lines(1, 100_000).endsWith(tail) && tail.length <= BYTES_MAX / 2);
    await file.close();
  }));

Deno.test("LimitedFile limits one endless line, too", () =>
  withFile(async (file, path) => {
    await write(file, "a".repeat(100_000) + "z");
    await file.close();
    const kept = await Deno.readTextFile(path);
    assert(kept.length <= BYTES_MAX);
    assertMatch(kept, /^a+\n… [\d,]+ bytes left out here .*\n\na+z$/s);
  }));

Deno.test("LimitedFile leaves the pieces where they are if they can't be brought together", () =>
  withFile(async (file, path, names) => {
    await write(file, lines(1, 2000));
    await Deno.rename(`${path}.2`, `${path}.3`);
    let message = "";
    await file.close().catch((error: Error) => message = error.message);
    assertMatch(message, /No such file/);
    assert(names().includes("stdout.log.3"));
    assertEquals(fromUtf8(await Deno.readFile(path)).startsWith("line 1\n"), true);
  }));
