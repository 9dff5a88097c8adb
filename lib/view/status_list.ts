/** Several jobs of one node, a line each, to choose one by its id. */

import { durationText } from "../core/time.ts";
import { type Canvas, paint, type Span } from "./paint.ts";
import { allRanks, type JobStatus } from "./status.ts";

export function jobList(statuses: readonly JobStatus[], canvas: Canvas): string[] {
  const rows = statuses.map((status) => {
    const ranks = allRanks(status);
    const up = ranks.filter(({ state }) => state === "running").length;
    return [
      status.job,
      status.program,
      status.phase,
      `${up} of ${ranks.length} up`,
      durationText(status.elapsedMs),
      String(status.nodes[0]?.launcherPid ?? ""),
    ];
  });
  const titles = ["JOB", "PROGRAM", "STATE", "WORKERS", "SINCE", "LAUNCHER"];
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length))
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => cell.padEnd(widths[column]!)).join("  ");
  const lines: Span[][] = [
    [[line(titles), "dim"]],
    ...rows.map((row): Span[] => [[line(row)]]),
    [],
    [["Choose one: muster status --job ID (its beginning is enough)", "dim"]],
  ];
  return lines.map((spans) => paint(spans, canvas));
}
