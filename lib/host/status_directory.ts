/**
 * Where launchers leave the sockets on which they tell how their jobs stand: a directory that only its user can enter,
 * since whoever can connect reads what workers print.
 */

/** Where a user's sockets may be, best first. A shell and a batch job of one user need not have the same variables. */
export function statusDirectories(): string[] {
  const uid = Deno.uid();
  const runtime = Deno.env.get("XDG_RUNTIME_DIR");
  const all = [runtime ? `${runtime}/muster` : null, `/run/user/${uid}/muster`, `/tmp/muster-status-${uid}`];
  return [...new Set(all.filter((path) => path !== null))];
}

/** The first of them that is there or can be made; null: none is safe to use. */
export function openStatusDirectory(candidates = statusDirectories()): string | null {
  for (const path of candidates) {
    try {
      Deno.mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      // Somebody's who has the name already is looked at below; a parent that is missing rules the place out.
      if (!(error instanceof Deno.errors.AlreadyExists)) continue;
    }
    if (isPrivate(path)) return path;
  }
  return null;
}

/** A directory, no link to one, of this user's, in which nobody else may do anything. */
export function isPrivate(path: string): boolean {
  try {
    const { isDirectory, uid, mode } = Deno.lstatSync(path);
    return isDirectory && uid === Deno.uid() && mode !== null && (mode & 0o077) === 0;
  } catch {
    return false;
  }
}
