/**
 * The file system as the pure part of muster sees it: four questions, answered at once. `lib/host` answers them from
 * the disk, tests from recorded trees. A relative path counts from the launcher's working directory.
 */

export type FileKind = "file" | "directory" | "other" | "missing";

export interface FileView {
  /** The text of a small file; null: there is none, or it can't be read. */
  readText(path: string): string | null;
  /** The names in a directory, in the order of their code units; none where it can't be read. */
  list(path: string): readonly string[];
  /** What is there, at the end of all links. `other` is a pipe, a device or a socket. */
  kind(path: string): FileKind;
  /** Whether somebody may execute the file. */
  isExecutable(path: string): boolean;
}

/** The numbers in names that are `prefix` and a number, ascending: 0 and 1 for `nvidia0`, `nvidia1`, `nvidiactl`. */
export function numbersAfter(prefix: string, names: readonly string[]): number[] {
  return names
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b);
}
