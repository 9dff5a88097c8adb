import { assertEquals } from "@std/assert";
import { findTraceback, plainLine } from "../../lib/agent/traceback.ts";
import { sampleLines } from "./samples.ts";

const TRACEBACK = [
  "Traceback (most recent call last):",
  '  File "train.py", line 3, in <module>',
  '    raise ValueError("bad")',
  "ValueError: bad",
];

function exceptionsIn(name: string): readonly string[] | undefined {
  return findTraceback(sampleLines(name))?.exceptions;
}

Deno.test("findTraceback() finds nothing where there is none", () => {
  assertEquals(findTraceback([]), null);
  assertEquals(findTraceback(sampleLines("exit_with_text")), null);
  assertEquals(findTraceback(["Traceback (most recent call last):"]), null);
});

Deno.test("findTraceback() returns the traceback as it was printed", () => {
  assertEquals(findTraceback(["epoch 1", ...TRACEBACK]), {
    lines: TRACEBACK,
    exceptions: ["ValueError: bad"],
  });
});

Deno.test("findTraceback() takes off what PyTorch puts before each line", () => {
  const lines = ["loading", ...TRACEBACK.map((line) => `[rank3]: ${line}`), "[rank3]:[W1123 teardown"];
  assertEquals(findTraceback(lines), { lines: TRACEBACK, exceptions: ["ValueError: bad"] });
});

Deno.test("findTraceback() follows a chain to its end", () => {
  assertEquals(exceptionsIn("chained_exception"), [
    "KeyError: 'epoch'",
    "RuntimeError: The checkpoint can't be read",
  ]);
  assertEquals(exceptionsIn("data_loader_killed")?.length, 2);
});

Deno.test("findTraceback() keeps all lines of a message", () => {
  assertEquals(exceptionsIn("plain_exception"), ["ValueError: the learning rate must be positive:\ngot -1"]);
  assertEquals(
    exceptionsIn("data_loader_raises")?.[0]?.endsWith("ZeroDivisionError: division by zero"),
    true,
  );
});

Deno.test("findTraceback() is not led astray by threads, destructors and teardown", () => {
  assertEquals(exceptionsIn("thread_then_exit"), ["ValueError: the real one"]);
  assertEquals(exceptionsIn("ignored_exception"), ["ValueError: the real one"]);
  const abort = ["terminate called after throwing an instance of 'c10::Error'", "  what():  CUDA error"];
  assertEquals(findTraceback([...TRACEBACK, ...abort])?.exceptions, ["ValueError: bad"]);
});

Deno.test("findTraceback() takes the last of several: what is logged and survived comes first", () => {
  const survived = TRACEBACK.with(3, "KeyError: 'logged'");
  assertEquals(findTraceback([...survived, "going on", ...TRACEBACK])?.exceptions, ["ValueError: bad"]);
});

Deno.test("findTraceback() falls back on a thread's exception", () => {
  assertEquals(findTraceback(["Exception in thread Thread-1:", ...TRACEBACK])?.exceptions, [
    "ValueError: bad",
  ]);
});

Deno.test("findTraceback() names an exception group after its members", () => {
  assertEquals(exceptionsIn("exception_group"), [
    "OSError: [Errno 28] No space left on device",
    "ValueError: shard 1",
    "ExceptionGroup: two shards failed (2 sub-exceptions)",
  ]);
});

Deno.test("findTraceback() reads syntax errors, faulthandler's dump and uncaught C++ exceptions", () => {
  assertEquals(exceptionsIn("syntax_error"), ["SyntaxError: '(' was never closed"]);
  assertEquals(exceptionsIn("segfault_with_faulthandler"), ["Fatal Python error: Segmentation fault"]);
  assertEquals(findTraceback(sampleLines("segfault_with_faulthandler"))?.lines.length, 6);
  assertEquals(exceptionsIn("terminate_cpp"), ["std::out_of_range: vector::_M_range_check"]);
});

Deno.test("findTraceback() reads on behind C++ frames and warnings", () => {
  assertEquals(exceptionsIn("store_goes_away")?.length, 1);
});

Deno.test("findTraceback() sees through a terminal's colours and redrawn lines", () => {
  const coloured = TRACEBACK.map((line) => `\x1b[1;35m${line}\x1b[0m\r`);
  assertEquals(findTraceback(coloured)?.lines, TRACEBACK);
});

Deno.test("plainLine() shows what was last to be seen", () => {
  assertEquals(plainLine("10%\r20%\r"), "20%");
  assertEquals(plainLine("\x1b]0;title\x07\x1b[31mred\x1b[0m\x00"), "red");
  assertEquals(plainLine("a\tb"), "a\tb");
});
