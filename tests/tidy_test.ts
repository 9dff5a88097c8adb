/**
 * The house rules as a test: which folder may import which, what the pure part may not touch, how large a file may
 * grow, and that nothing lies around unused.
 */

import { assertEquals } from "@std/assert";
import { dirname, join, relative } from "@std/path/posix";

const ROOT = new URL("..", import.meta.url).pathname;

/** Folders of lib, and what each may import beside itself and `core`. */
const ARROWS: Record<string, readonly string[]> = {
  core: [],
  options: [],
  store: [],
  etcd: [],
  rendezvous: [],
  supervise: [],
  logs: [],
  agent: ["options", "store", "etcd", "rendezvous", "supervise", "logs"],
  view: ["agent"],
  host: ["view", "agent", "options", "store", "etcd", "rendezvous", "supervise", "logs"],
};

/** Words that mean time, chance or the world; each with what to use in the pure part. */
const IMPURE: readonly [RegExp, string][] = [
  [/\bDeno\b/, "an effect, carried out by lib/host"],
  [/["']node:/, "an effect, carried out by lib/host"],
  [/\b(async|await|Promise|queueMicrotask)\b/, "a synchronous step with effects"],
  [/\b(setTimeout|setInterval)\b/, "Deadlines and nextWakeup()"],
  [/\b(Date|performance)\b/, "an instant that comes in as an argument"],
  [/\b(Math\.random|crypto)\b/, "a Prng or a value that comes in as an argument"],
  [/\b(console|fetch|process)\b(?=\s*[.(])/, "an effect, carried out by lib/host"],
  [/\b(localeCompare|toLocale\w+)\b/, "a comparison of code units"],
];

const LINES_MAX = 400;
const LINE_LENGTH_MAX = 140;

interface Source {
  /** Path from the project's root. */
  readonly path: string;
  readonly text: string;
}

function sources(...folders: string[]): Source[] {
  const found: Source[] = [];
  const walk = (folder: string) => {
    for (const entry of Deno.readDirSync(join(ROOT, folder))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory) walk(path);
      else if (entry.name.endsWith(".ts")) {
        found.push({ path, text: Deno.readTextFileSync(join(ROOT, path)) });
      }
    }
  };
  folders.forEach(walk);
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The code without comments and texts, in which a forbidden word means nothing. */
function withoutWords(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "")
    .replace(/\s\/\/ .*$/gm, "")
    .replace(/"(?:[^"\\\n]|\\.)*"/g, (quoted) => (quoted.startsWith('"node:') ? quoted : '""'))
    .replace(/`(?:[^`\\]|\\.)*`/g, "``");
}

function importsOf(source: Source): string[] {
  const specifiers = [...source.text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) =>
    match[1]!
  );
  return specifiers.filter((name) => name.startsWith(".")).map((name) => join(dirname(source.path), name));
}

const folderOf = (path: string) => path.split("/")[1]!;
const lib = sources("lib");

Deno.test("tidy: imports in lib point only along the arrows", () => {
  const wrong: string[] = [];
  for (const source of lib) {
    const allowed = ARROWS[folderOf(source.path)];
    if (allowed === undefined) {
      wrong.push(`${source.path}: its folder has no place in the map`);
      continue;
    }
    for (const target of importsOf(source)) {
      const folder = folderOf(target);
      if (
        !target.startsWith("lib/") ||
        (folder !== folderOf(source.path) && folder !== "core" && !allowed.includes(folder))
      ) {
        wrong.push(`${source.path} imports ${target}`);
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("tidy: outside lib/host nothing touches the world", () => {
  const wrong: string[] = [];
  for (const source of lib.filter(({ path }) => !path.startsWith("lib/host/"))) {
    withoutWords(source.text).split("\n").forEach((line) => {
      for (const [pattern, instead] of IMPURE) {
        const word = line.match(pattern)?.[0];
        if (word !== undefined) wrong.push(`${source.path}: ${word} in «${line.trim()}»; use ${instead}`);
      }
    });
  }
  assertEquals(wrong, []);
});

Deno.test("tidy: files stay small and lines readable", () => {
  const wrong: string[] = [];
  for (
    const source of [...lib, ...sources("scripts"), {
      path: "main.ts",
      text: Deno.readTextFileSync(join(ROOT, "main.ts")),
    }]
  ) {
    const lines = source.text.split("\n");
    const limit = source.path === "main.ts" ? 40 : LINES_MAX;
    if (lines.length > limit) wrong.push(`${source.path}: ${lines.length} lines, at most ${limit}`);
    lines.forEach((line, index) => {
      if (line.length > LINE_LENGTH_MAX) wrong.push(`${source.path}:${index + 1}: ${line.length} characters`);
    });
  }
  assertEquals(wrong, []);
});

Deno.test("tidy: every file in lib opens with what it is for", () => {
  assertEquals(lib.filter(({ text }) => !text.startsWith("/**")).map(({ path }) => path), []);
});

Deno.test("tidy: no file in lib is unused, and no test misses its subject", () => {
  const everything = [...lib, ...sources("scripts", "examples"), {
    path: "main.ts",
    text: Deno.readTextFileSync(join(ROOT, "main.ts")),
  }];
  const exported: string[] = Object.values(
    JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json"))).exports,
  );
  const used = new Set([...everything.flatMap(importsOf), ...exported.map((path) => join(path))]);
  const wrong = lib.filter(({ path }) => !used.has(path)).map(({ path }) => `${path} is imported by nothing`);
  const paths = new Set(lib.map(({ path }) => path));
  for (const { path } of sources("tests")) {
    const folder = relative("tests", dirname(path)).split("/")[0]!;
    if (!(folder in ARROWS) || !path.endsWith("_test.ts") || relative("tests", dirname(path)).includes("/")) {
      continue;
    }
    const subject = path.replace(/^tests\//, "lib/").replace(/_test\.ts$/, ".ts");
    if (!paths.has(subject)) wrong.push(`${path} tests ${subject}, which is not there`);
  }
  assertEquals(wrong, []);
});

Deno.test("tidy: no private member is only declared", () => {
  const wrong: string[] = [];
  for (const { path, text } of [...lib, ...sources("tests", "scripts", "examples")]) {
    for (const [, name] of text.matchAll(/^ +(?:(?:readonly|static|async|get|set) |\*)*#(\w+)/gm)) {
      if (text.match(new RegExp(`#${name}\\b`, "g"))!.length === 1) wrong.push(`${path}: #${name}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("tidy: nothing is left undone, skipped or focused", () => {
  const wrong: string[] = [];
  for (const { path, text } of [...lib, ...sources("tests", "scripts", "examples")]) {
    if (path === "tests/tidy_test.ts") continue;
    for (const pattern of [/\b(FIXME|XXX|HACK)\b/, /\bTODO\b/, /Deno\.test\.only|only: true/]) {
      const found = text.match(pattern)?.[0];
      if (found !== undefined) wrong.push(`${path}: ${found}`);
    }
  }
  assertEquals(wrong, []);
});
