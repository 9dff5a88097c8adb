import { assertEquals } from "@std/assert";
import { readReportTask } from "../../lib/view/report_arguments.ts";

Deno.test("readReportTask() puts the page beside the events unless told otherwise", () => {
  const task = (args: string[]) => {
    const read = readReportTask(args);
    return read.kind === "make" ? [read.format, read.input, read.output] : read;
  };
  assertEquals(task(["e.jsonl"]), ["html", "e.jsonl", "e.html"]);
  assertEquals(task(["e.log", "--format=perfetto"]), ["perfetto", "e.log", "e.log.trace.json"]);
  assertEquals(task(["-", "--format", "html"]), ["html", "-", "-"]);
  assertEquals(task(["-o", "x.html", "e.jsonl"]), ["html", "e.jsonl", "x.html"]);
  assertEquals(task(["--help"]), { kind: "help" });
});

Deno.test("readReportTask() collects what is wrong", () => {
  const read = readReportTask(["--format", "pdf", "--fast"]);
  assertEquals(read.kind === "problems" && read.problems.map(({ message }) => message), [
    "There is no option --fast",
    "The file that --events wrote is missing",
    '--format must be html or perfetto: got "pdf"',
  ]);
});
