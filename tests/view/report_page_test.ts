import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readHistory } from "../../lib/view/job_history.ts";
import { reportPage } from "../../lib/view/report_page.ts";
import { linesOf, restartedEvents } from "./histories.ts";

const page = (events: ReturnType<typeof restartedEvents>) => reportPage(readHistory(linesOf(events))!);

/** Every element that is opened is closed, in order. */
function checkNesting(html: string): void {
  const open: string[] = [];
  const withoutStyle = html.replace(/<style>[\s\S]*?<\/style>/, "");
  for (const [tag, slash, name] of withoutStyle.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*>/g)) {
    if (tag.endsWith("/>") || name === "meta") continue;
    if (slash === "") open.push(name!);
    else assertEquals(open.pop(), name, tag);
  }
  assertEquals(open, []);
}

Deno.test("reportPage() is one file that needs nothing else", () => {
  const html = page(restartedEvents(4));
  checkNesting(html);
  assert(!/<script|<link|<img|src=|href=|url\(|@import/.test(html));
});

Deno.test("reportPage() says what happened, in words and figures", () => {
  const html = page(restartedEvents(4));
  for (
    const text of [
      '<span class="badge succeeded">succeeded</span>',
      "<b>30 min</b>",
      "<b>5 s</b>",
      "Rank 1 (pid 101) failed: exit code 3",
      "Ranks 0,2-3 were stopped: SIGTERM",
      "Restart 1 of 1",
      "Rank 1 on here failed: exit code 3, after 1 min",
    ]
  ) assertStringIncludes(html, text);
});

Deno.test("reportPage() names the root cause of a job that failed", () => {
  const events = restartedEvents(4);
  // As far as the first attempt went, had it been the only one.
  const end = events.findIndex(({ event }) => event === "restart");
  const failed = [...events.slice(0, end), { ...events.at(-1)!, outcome: "failed", time: events[end]!.time }];
  const html = page(failed as typeof events);
  assertStringIncludes(html, "<b>Rank 1 on here failed first:</b>");
  assertStringIncludes(html, '<span class="badge failed">failed</span>');
});

Deno.test("reportPage() shows what a program calls itself as text, never as a page's parts", () => {
  const evil = '<script>alert(1)</script>"&';
  const html = page(
    restartedEvents(2).map((event) => ({
      ...event,
      host: evil,
      ...("program" in event ? { program: evil } : {}),
    })),
  );
  checkNesting(html);
  assert(!html.includes("<script"));
  assertStringIncludes(html, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;");
});

Deno.test("reportPage() stays small for thousands of workers, and says where it cuts", () => {
  const events = restartedEvents(4096);
  const html = page(events);
  assert(html.length < 200_000, `${html.length} characters`);
  const failing = events.map((event) =>
    event.event === "worker-ended"
      ? { ...event, outcome: "failed" as const, signal: `signal ${event.rank}` }
      : event
  );
  assertMatch(page(failing), /The first 100 of 8,192; the events file has all/);
});

Deno.test("reportPage() shows a job whose end was not recorded", () => {
  const html = page(restartedEvents(3).slice(0, 7));
  checkNesting(html);
  assertStringIncludes(html, "end not recorded");
  assertStringIncludes(html, "still ran");
});

Deno.test("reportPage() leaves room for the last mark of the time axis, and shows nothing that isn't known", () => {
  const html = page(restartedEvents(4));
  assert(!/undefined|NaN|null/.test(html));
  const width = Number(html.match(/viewBox="0 0 (\d+)/)?.[1]);
  const marks = [...html.matchAll(/<text x="([\d.]+)" y="[\d.]+" text-anchor="middle">([^<]+)/g)];
  assert(marks.length > 4);
  // Of 12 pixels' height a character is some 7 wide.
  for (const [, x, text] of marks) assert(Number(x) + text!.length * 3.5 <= width, `${text} at ${x}`);
});
