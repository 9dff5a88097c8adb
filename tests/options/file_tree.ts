/**
 * File systems that exist only in memory. A recorded tree (`trees/*.json`) holds the texts of files, the nodes of
 * devices and the programs of one machine, as drivers' documentation and public listings show them.
 */

import type { FileKind, FileView } from "../../lib/options/file_view.ts";
import type { MachineView } from "../../lib/options/machine_view.ts";

export interface Tree {
  /** Where it is from. */
  readonly about?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly nodes?: readonly string[];
  readonly programs?: readonly string[];
  readonly directories?: readonly string[];
}

export function fileTree(tree: Tree): FileView {
  const { files = {}, nodes = [], programs = [], directories = [] } = tree;
  const leaves = [...Object.keys(files), ...nodes, ...programs];
  const folders = new Set<string>(directories);
  for (const path of [...leaves, ...directories]) {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      folders.add(path.slice(0, at));
    }
  }
  const kind = (path: string): FileKind => {
    if (path in files || programs.includes(path)) return "file";
    if (nodes.includes(path)) return "other";
    return folders.has(path) || path === "/" || path === "." ? "directory" : "missing";
  };
  return {
    readText: (path) => files[path] ?? null,
    list(path) {
      const below = [...leaves, ...folders].filter((leaf) => leaf.startsWith(`${path}/`));
      return [...new Set(below.map((leaf) => leaf.slice(path.length + 1).split("/")[0]!))].sort();
    },
    kind,
    isExecutable: (path) => programs.includes(path),
  };
}

export function recordedTree(name: string): Tree {
  return JSON.parse(Deno.readTextFileSync(new URL(`trees/${name}.json`, import.meta.url)));
}

/** A machine with a Python, a script and nothing else, unless told otherwise. */
export function machine(
  given: { readonly tree?: Tree | string } & Partial<Omit<MachineView, "files">> = {},
): MachineView {
  const { tree = {}, ...rest } = given;
  const { files, programs, ...others } = typeof tree === "string" ? recordedTree(tree) : tree;
  return {
    environment: { PATH: "/usr/bin" },
    cwd: "/work",
    cpuCount: 3,
    uuid: "00000000-0000-4000-8000-00000000002a",
    commandOutput: undefined,
    files: fileTree({
      ...others,
      files: { "train.py": "", ...files },
      programs: ["/usr/bin/python3", ...(programs ?? [])],
    }),
    ...rest,
  };
}
