/** The real file system behind `FileView`. What can't be read counts as not there. */

import type { FileView } from "../options/file_view.ts";

export const fileView: FileView = {
  readText: (path) => orElse(null, () => Deno.readTextFileSync(path)),
  list: (path) => orElse([], () => Array.from(Deno.readDirSync(path), ({ name }) => name).sort()),
  kind(path) {
    return orElse("missing", () => {
      const info = Deno.statSync(path);
      return info.isFile ? "file" : info.isDirectory ? "directory" : "other";
    });
  },
  isExecutable(path) {
    return orElse(false, () => {
      const info = Deno.statSync(path);
      return info.isFile && ((info.mode ?? 0) & 0o111) !== 0;
    });
  },
};

function orElse<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
