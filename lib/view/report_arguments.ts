/** What `muster report …` is asked to make. Pure: words in, a task out. */

import type { UsageProblem } from "../core/errors.ts";

export interface ReportTask {
  readonly kind: "make";
  readonly format: "html" | "perfetto";
  /** "-": standard input. */
  readonly input: string;
  /** "-": standard output. */
  readonly output: string;
}

export type ReportRequest =
  | ReportTask
  | { readonly kind: "help" }
  | { readonly kind: "problems"; readonly problems: readonly UsageProblem[] };

export const REPORT_HELP = `usage: muster report FILE [--format html|perfetto] [-o OUTPUT]

Makes one HTML page of the events that --events wrote to FILE: workers over time, ranks, attempts, failures. Of a file with
several jobs it shows the last.

  --format html      a page for any browser (default), to FILE.html
  --format perfetto  a trace for https://ui.perfetto.dev, to FILE.trace.json
  -o, --output FILE  where to; - for standard output
  -h, --help         this text
`;

const FORMATS = { html: ".html", perfetto: ".trace.json" } as const;

export function readReportTask(args: readonly string[]): ReportRequest {
  let input: string | null = null, output: string | null = null, format = "html";
  const problems: UsageProblem[] = [];
  const words = args.flatMap((word) => {
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    return equals < 0 ? [word] : [word.slice(0, equals), word.slice(equals + 1)];
  });
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (word === "-h" || word === "--help") return { kind: "help" };
    if (word === "--format" || word === "-o" || word === "--output") {
      const value = words[++index];
      if (value === undefined) problems.push({ message: `${word} needs a value` });
      else if (word === "--format") format = value;
      else output = value;
    } else if (word.startsWith("-") && word !== "-") problems.push({ message: `There is no option ${word}` });
    else if (input === null) input = word;
    else problems.push({ message: `One file at most: got "${input}" and "${word}"` });
  }
  if (input === null) problems.push({ message: "The file that --events wrote is missing" });
  if (format !== "html" && format !== "perfetto") {
    problems.push({ message: `--format must be html or perfetto: got "${format}"` });
  }
  if (problems.length > 0 || input === null) return { kind: "problems", problems };
  const known = format as keyof typeof FORMATS;
  const beside = input === "-" ? "-" : `${input.replace(/\.jsonl?$/, "")}${FORMATS[known]}`;
  return { kind: "make", format: known, input, output: output ?? beside };
}
