/** `${local_rank}` in arguments, compared with Python's `string.Template` on generated texts. */

import { assertEquals } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { substituteLocalRank } from "../../lib/options/worker_command.ts";
import { interopTest, PYTHON, runProgram } from "./harness.ts";

const SCRIPT = `
import json, string, sys
cases = json.load(sys.stdin)
print(json.dumps([string.Template(text).safe_substitute(local_rank="7") for text in cases]))
`;

/** What texts are made of: everything that means something to a template, and what is close to it. */
const PARTS = [
  ...[
    "$",
    "$$",
    "\${local_rank}",
    "$local_rank",
    "local_rank",
    "{",
    "}",
    "\${",
    "$LOCAL_RANK",
    "\${Local_Rank}",
  ],
  ...[
    "$HOME",
    "\${rank}",
    "_",
    "_x",
    "9",
    " ",
    "=",
    "\\",
    "\n",
    "é",
    "ſ",
    "K",
    "İ",
    "ı",
    "😀",
    "$é",
    "\${é}",
    "$_",
  ],
  ...["\${local_rank", "\${ local_rank}", "\${local_rank }", "$local_rank2", "$local_rank-", "\t", "'", '"'],
];

interopTest("substituteLocalRank() equals Python's safe_substitute on 5,000 generated texts", async () => {
  const prng = new Prng(15);
  const cases = Array.from(
    { length: 5_000 },
    () => Array.from({ length: prng.below(9) }, () => prng.pick(PARTS)).join(""),
  );
  const run = await runProgram([PYTHON, "-c", SCRIPT], { stdin: JSON.stringify(cases) });
  assertEquals(run.code, 0, run.stderr);
  const wanted: string[] = JSON.parse(run.stdout);
  assertEquals(wanted.length, cases.length);
  const wrong = cases.flatMap((text, index) => {
    const got = substituteLocalRank(text, 7);
    return got === wanted[index] ? [] : [{ text, got, wanted: wanted[index] }];
  });
  assertEquals(wrong, []);
});
