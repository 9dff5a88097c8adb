/**
 * The files that are shipped: `muster.js`, `muster` (packed: one file that unpacks itself at its first start) and a
 * tarball of the same, unpacked.
 *
 * The runtime is Deno's own executable: `deno compile` needs a part of it that not every network can fetch, and
 * this needs nothing. Equal inputs give equal bytes: no time stamps, no owners, one compressor.
 */

import { gzipSync } from "node:zlib";
import { createTar } from "nanotar";
import { concat } from "../../lib/core/bytes.ts";
import { packedHead, treeHead } from "./head.ts";

export interface ArtefactOptions {
  readonly version: string;
  /** The bundle. */
  readonly code: string;
  /** Deno's executable for the machine that the artefacts are made for. */
  readonly runtimePath: string;
  /** What `uname -sm` prints there. */
  readonly machine: string;
  /** Where the files go; must exist. */
  readonly directory: string;
}

export interface Artefacts {
  readonly script: string;
  readonly packed: string;
  readonly tarball: string;
}

/** Writes all artefacts and returns their paths. */
export async function writeArtefacts(options: ArtefactOptions): Promise<Artefacts> {
  const { version, machine, directory } = options;
  const artefacts = {
    script: `${directory}/muster.js`,
    packed: `${directory}/muster`,
    tarball: `${directory}/${treeName(version, machine)}.tar.gz`,
  };
  const script = await part(new TextEncoder().encode(options.code));
  const runtime = await part(await Deno.readFile(options.runtimePath));
  await Deno.writeFile(artefacts.script, script.bytes);
  await replaceExecutable(artefacts.packed, [
    new TextEncoder().encode(packedHead({ version, machine, script, runtime })),
    script.packed,
    runtime.packed,
  ]);
  await Deno.writeFile(artefacts.tarball, concat(tarball(options, script, runtime)));
  return artefacts;
}

/** What `uname -sm` prints on a machine that Deno describes as `build`. */
export function machineName(build: Pick<typeof Deno.build, "os" | "arch">): string {
  if (build.os === "darwin") return `Darwin ${build.arch === "aarch64" ? "arm64" : build.arch}`;
  return `Linux ${build.arch}`;
}

/** One of the two files behind the head. */
interface Part {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly packed: Uint8Array;
  readonly packedBytes: number;
  readonly sha256: string;
}

async function part(bytes: Uint8Array<ArrayBuffer>): Promise<Part> {
  const packed = gzipSync(bytes, { level: 9 });
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return { bytes, packed, packedBytes: packed.length, sha256: digest.toHex() };
}

function treeName(version: string, machine: string): string {
  return `muster-${version}-${machine.toLowerCase().replace(" ", "-")}`;
}

/** Members of a gzip file may follow each other, so the runtime is compressed once for both artefacts. */
function tarball({ version, machine }: ArtefactOptions, script: Part, runtime: Part): Uint8Array[] {
  const tree = treeName(version, machine);
  const license = Deno.readFileSync(new URL("../../LICENSE", import.meta.url));
  const plain = { mode: "0644", uid: 0, gid: 0, mtime: 0 };
  const executable = { ...plain, mode: "0755" };
  const files = [
    { name: `${tree}/`, attrs: executable },
    { name: `${tree}/LICENSE`, data: license, attrs: plain },
    { name: `${tree}/muster`, data: new TextEncoder().encode(treeHead(version)), attrs: executable },
    { name: `${tree}/lib/`, attrs: executable },
    { name: `${tree}/lib/muster.js`, data: script.bytes, attrs: plain },
    { name: `${tree}/lib/muster`, data: runtime.bytes, attrs: executable },
  ];
  const tar = createTar(files);
  const block = 512;
  // Every file is a header of one block and its data in whole blocks. The runtime is the last.
  const runtimeAt = files.slice(0, -1).reduce(
    (offset, { data }) => offset + block + Math.ceil((data?.length ?? 0) / block) * block,
    block,
  );
  const runtimeEnd = runtimeAt + runtime.bytes.length;
  return [
    gzipSync(tar.subarray(0, runtimeAt)),
    runtime.packed,
    gzipSync(tar.subarray(runtimeEnd)),
    // The two empty blocks that end an archive: the library leaves them out at some sizes, and more do no harm.
    gzipSync(new Uint8Array(2 * block)),
  ];
}

/** Replaces the file by a new one: a running executable can't be written to. */
async function replaceExecutable(path: string, parts: readonly Uint8Array[]): Promise<void> {
  await Deno.writeFile(`${path}.new`, concat(parts), { mode: 0o755 });
  await Deno.rename(`${path}.new`, path);
}
