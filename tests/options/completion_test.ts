/** Each shell that is installed takes the completions in and is asked for some. */

import { assertEquals } from "@std/assert";
import { completionText, type Shell } from "../../lib/options/completion.ts";

interface Question {
  /** The words so far; the last is being completed. */
  readonly words: readonly string[];
  /** What must be offered, in any order. */
  readonly offered: readonly string[];
}

const QUESTIONS: readonly Question[] = [
  { words: ["--rd"], offered: ["--rdzv-backend", "--rdzv-conf", "--rdzv-endpoint", "--rdzv-id"] },
  { words: ["--gp"], offered: ["--gpus"] },
  { words: ["--exit-code", ""], offered: ["torchrun", "worker"] },
  { words: ["--nproc-per-node", "2", "--no-p"], offered: ["--no-python"] },
  { words: ["--role", "run", "-t", "3", "--no-p"], offered: ["--no-python"] },
  { words: ["run", "--no-p"], offered: ["--no-python"] },
  { words: ["train.py", "--no-p"], offered: [] },
  { words: ["--", "--no-p"], offered: [] },
  { words: ["--log-dir", ""], offered: ["logs/"] },
  { words: ["--python", "tr"], offered: ["train.py"] },
  { words: ["lau"], offered: ["launch"] },
];

shellTest("bash", async (file, directory) => {
  for (const { words, offered } of QUESTIONS) {
    // Where nothing is offered, `complete -o default` leaves it to bash: files.
    const script = `source '${file}'
COMP_WORDS=(muster ${words.map((word) => `'${word}'`).join(" ")}) COMP_CWORD=${words.length}
_muster
(( \${#COMPREPLY[@]} )) && printf '%s\\n' "\${COMPREPLY[@]}"
:`;
    const isByDefault = words[0] === "--python";
    const answers = await ask(["bash", "--norc", "-c", script], directory);
    const expected = isByDefault ? [] : offered.map((word) => word.replace(/\/$/, ""));
    assertEquals(answers, expected.toSorted(), words.join(" "));
  }
});

Deno.test("completionText() lets bash complete values after an equals sign", async () => {
  const script = `source /dev/stdin <<'END'
${completionText("bash", "torchrun")}
END
COMP_WORDS=(torchrun --rdzv-backend = c) COMP_CWORD=3
_torchrun
echo "\${COMPREPLY[@]}"`;
  assertEquals(await ask(["bash", "--norc", "-c", script], "/"), ["c10d"]);
});

shellTest("fish", async (file, directory) => {
  for (const { words, offered } of QUESTIONS) {
    const line = ["muster", ...words].join(" ");
    const answers = await ask(
      ["fish", "--no-config", "-c", `source '${file}'; complete -C '${line}'`],
      directory,
    );
    assertEquals(answers.map((answer) => answer.split("\t")[0]), offered.toSorted(), line);
  }
});

shellTest("zsh", async (file, directory) => {
  // Without a terminal zsh completes nothing; that it takes the text in and knows whose it is can be seen.
  const script =
    `autoload -U compinit; compinit -D -u; source '${file}'; print $_comps[muster] $+functions[_muster]`;
  assertEquals(await ask(["zsh", "-f", "-c", script], directory), ["_muster 1"]);
});

shellTest("tcsh", async (file, directory) => {
  const [answer = ""] = await ask(["tcsh", "-f", "-c", `source '${file}'; complete muster`], directory);
  assertEquals(answer.includes("'n@--exit-code@(torchrun worker)@'"), true, answer);
});

/** A test with the completions in a file, in a directory with a script and a folder. */
function shellTest(shell: Shell, body: (file: string, directory: string) => Promise<void>): void {
  const isInstalled = (Deno.env.get("PATH") ?? "").split(":").some((folder) => exists(`${folder}/${shell}`));
  if (!isInstalled) console.log(`Left out: completions of ${shell}, which is not installed`);
  Deno.test({
    name: `completionText() is understood by ${shell}`,
    ignore: !isInstalled,
    fn: async () => {
      const directory = await Deno.makeTempDir({ prefix: "muster-completion-" });
      const file = await Deno.makeTempFile({ prefix: "muster-completion-" });
      try {
        await Deno.writeTextFile(file, completionText(shell, "muster"));
        await Deno.writeTextFile(`${directory}/train.py`, "");
        await Deno.mkdir(`${directory}/logs`);
        await body(file, directory);
      } finally {
        await Deno.remove(directory, { recursive: true });
        await Deno.remove(file);
      }
    },
  });
}

/** The lines a shell prints, sorted. */
async function ask(command: readonly string[], cwd: string): Promise<string[]> {
  const [program, ...args] = command;
  const output = await new Deno.Command(program!, { args, cwd, env: { HOME: cwd }, stdin: "null" }).output();
  assertEquals([output.code, new TextDecoder().decode(output.stderr)], [0, ""], command.join(" "));
  return new TextDecoder().decode(output.stdout).split("\n").filter((line) => line !== "").sort();
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
