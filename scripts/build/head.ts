/**
 * The shell heads in front of the runtime: one for the packed executable, which unpacks itself into a cache at the
 * first start, and one for the unpacked tree of the tarball, which starts from where it stands.
 *
 * Rules: POSIX sh, and of the tools only those that even small images have; a later start forks once (for the
 * limit on open files). Nothing that the heads set reaches a worker: lib/host/invocation.ts takes it back.
 */

/** The environment variables of lib/host/invocation.ts, and the start itself: `$e` runtime, `$s` script. */
const START = `
# The runtime must not write to, read from or look up anything of the user's: its code cache goes to a directory
# of this machine (shared homes and SQLite do not mix), it does not ask for newer versions of itself, and a
# ~/.npmrc that it can't read does not stop it. muster gives these variables their values back at its start.
MUSTER_REPLACED='DENO_DIR DENO_NO_UPDATE_CHECK'
[ -z "\${DENO_DIR+x}" ] || export MUSTER_SAVED_DENO_DIR="$DENO_DIR"
[ -z "\${DENO_NO_UPDATE_CHECK+x}" ] || export MUSTER_SAVED_DENO_NO_UPDATE_CHECK="$DENO_NO_UPDATE_CHECK"
if [ -n "\${HOME:-}" ] && [ -f "$HOME/.npmrc" ]; then
  export MUSTER_SAVED_HOME="$HOME" HOME=/proc/none
  MUSTER_REPLACED="$MUSTER_REPLACED HOME"
fi
[ -d "$t" ] || mkdir -m 700 "$t" 2>/dev/null
DENO_DIR=/proc/none DENO_NO_UPDATE_CHECK=1
[ -O "$t" ] && [ ! -L "$t" ] && DENO_DIR=$t/deno
# The runtime raises its own limit on open files: only a shell still knows what the workers must get.
MUSTER_NOFILE_SOFT=$(ulimit -Sn) MUSTER_PROGRAM_NAME=\${0##*/}
export MUSTER_REPLACED MUSTER_NOFILE_SOFT MUSTER_PROGRAM_NAME DENO_DIR DENO_NO_UPDATE_CHECK
exec "$e" run -A --quiet --no-config --no-lock --no-remote --no-npm "$s" "$@"
`;

/** Sets `$t`, a directory of this user on this machine, without a fork on Linux. */
const TEMPORARY = `
k='' u=''
while read -r k u x; do [ "$k" = Uid: ] && break; done 2>/dev/null </proc/self/status
[ "$k" = Uid: ] || u=$(id -u)
t=/tmp/muster-$u
[ -d "\${TMPDIR:-}" ] && t=$TMPDIR/muster-$u
`;

/** What the packed head must know of the parts behind it. */
export interface PackedParts {
  readonly version: string;
  /** What `uname -sm` prints where the runtime can run, "Linux x86_64". */
  readonly machine: string;
  readonly script: PackedPart;
  readonly runtime: PackedPart;
}

export interface PackedPart {
  /** Bytes in the executable, compressed. */
  readonly packedBytes: number;
  /** Of the unpacked file, in hexadecimal. */
  readonly sha256: string;
}

/** Room for the unpacked runtime. */
const ROOM = "120 MB";

/** The head of `dist/muster`. The compressed script and the compressed runtime follow it without a gap. */
export function packedHead(parts: PackedParts): string {
  let head = "";
  // The head tells where the parts begin, so its own length is in it: two rounds settle the number of digits.
  for (let round = 0; round < 3; round++) head = packedHeadOf(parts, head.length + 1);
  return head;
}

function packedHeadOf({ version, machine, script, runtime }: PackedParts, scriptAt: number): string {
  return `#!/bin/sh
# muster ${version} for ${machine} as one file: this head, the launcher and its runtime. The first start unpacks them
# into a cache: $MUSTER_CACHE, $XDG_CACHE_HOME/muster, ~/.cache/muster or $TMPDIR/muster-UID (/tmp without TMPDIR).
r=${runtime.sha256.slice(0, 16)} j=${script.sha256.slice(0, 16)}
${TEMPORARY.trim()}

# Whether cache $1 has both files, in a directory that nobody else could have filled.
usable() {
  e=$1/$r/muster s=$1/$j/muster.js
  [ -x "$e" ] && [ -s "$e" ] && [ -s "$s" ] && trusted "$1"
}

# A cache that the user named may be another's (an image's, an administrator's); one in a public place may not.
trusted() {
  case $1 in
    "\${MUSTER_CACHE:-}") ;;
    */muster-"$u") [ -O "$1" ] && [ ! -L "$1" ] ;;
    *) [ -O "$1" ] ;;
  esac
}

same() { # file, SHA-256; without a tool for it gzip's checksum has to do
  if command -v sha256sum >/dev/null; then set -- "$(sha256sum <"$1")" "$2"
  elif command -v shasum >/dev/null; then set -- "$(shasum -a 256 <"$1")" "$2"
  else return 0; fi
  [ "\${1%% *}" = "$2" ] || { echo "wrong checksum: the executable is damaged" >&2; return 1; }
}

# Unpacks into a directory of its own and moves the files into place: whoever starts at the same time sees both or
# none. Runs the runtime once from there, which finds out about noexec and about a wrong C library.
unpack() { (
  # What the user named may be meant for all users of an image; the rest is this user's alone.
  [ "$1" = "\${MUSTER_CACHE:-}" ] && umask 022 || umask 077
  x=''
  trap '[ -z "$x" ] || rm -rf "$x"' EXIT
  trap 'exit 1' HUP INT TERM
  case $1 in */muster-"$u") [ -d "$1" ] || mkdir "$1" ;; *) mkdir -p "$1" ;; esac || exit 1
  trusted "$1" || { echo "it belongs to another user" >&2; exit 1; }
  # Leftovers of starts that were killed in the middle.
  find "$1" -maxdepth 1 -name '.unpack.*' -mtime +0 -exec rm -rf {} + 2>/dev/null
  x=$(mktemp -d "$1/.unpack.XXXXXX") || exit 1
  tail -c +${scriptAt} <"$0" | head -c ${script.packedBytes} | gzip -dc >"$x/muster.js" &&
    tail -c +${scriptAt + script.packedBytes} <"$0" | gzip -dc >"$x/muster" &&
    same "$x/muster.js" ${script.sha256} && same "$x/muster" ${runtime.sha256} &&
    chmod +x "$x/muster" && "$x/muster" --version >/dev/null || exit 1
  sync "$x/muster" "$x/muster.js" 2>/dev/null
  mkdir -p "$1/$r" "$1/$j" && mv -f "$x/muster.js" "$1/$j/muster.js" && mv -f "$x/muster" "$1/$r/muster"
) 2>&1; }

try() { # cache
  m=$(unpack "$1") && usable "$1" && return
  w="$w
  $1: \${m##*
}"
  return 1
}

pick() { # caches
  for b; do usable "$b" && return; done
  [ "$(uname -sm)" = "${machine}" ] || {
    echo "muster: this executable is for ${machine}, and this machine is $(uname -sm): take the one made for it" >&2
    exit 71
  }
  for b; do try "$b" && return; done
  return 1
}

# A home that is not there, or is another user's (sudo), gets nothing; a relative XDG_CACHE_HOME is void, as XDG says.
x='' h='' w='' e='' s=''
case \${XDG_CACHE_HOME:-} in /*) x=$XDG_CACHE_HOME/muster ;; esac
[ -n "\${HOME:-}" ] && [ -d "$HOME" ] && [ -O "$HOME" ] && h=$HOME/.cache/muster
found() {
  if [ -n "\${MUSTER_CACHE:-}" ]; then
    pick "$MUSTER_CACHE" && return
    echo "muster: MUSTER_CACHE cannot be used, going on without it:$w" >&2
    w=''
  fi
  pick \${x:+"$x"} \${h:+"$h"} "$t"
}
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
found || {
  echo "muster: cannot unpack itself; no place would do:$w" >&2
  [ -z "$(ls /lib/ld-musl-* 2>/dev/null)" ] || echo "This system has musl as its C library; muster needs glibc." >&2
  echo "Set MUSTER_CACHE to a directory with ${ROOM} of room on a file system that may hold programs (not noexec)." >&2
  exit 71
}
trap - HUP INT TERM
${START.trim()}
`;
}

/** The head of the tarball's tree: `muster` beside `lib/muster` (the runtime) and `lib/muster.js`. */
export function treeHead(version: string): string {
  return `#!/bin/sh
# muster ${version}, unpacked: starts lib/muster.js with the runtime beside it and writes nothing to where it stands.
case $0 in */*) p=$0 ;; *) p=./$0 ;; esac
while [ -L "$p" ]; do
  l=$(readlink "$p")
  case $l in /*) p=$l ;; *) p=\${p%/*}/$l ;; esac
done
d=\${p%/*} e=$d/lib/muster s=$d/lib/muster.js
${TEMPORARY.trim()}
${START.trim()}
`;
}
