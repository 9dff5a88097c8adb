import { assertEquals } from "@std/assert";
import { checkNotice, checkProblem, planOf } from "./planning.ts";

Deno.test("planStopping() reads the time to stop from the option, then torchrun's variable", () => {
  const given = { environment: { TORCH_ELASTIC_SHUTDOWN_TIMEOUT: " 7" } };
  assertEquals(planOf(["--shutdown-timeout=0"], given).shutdownTimeoutMs, 0);
  assertEquals(planOf([], given).shutdownTimeoutMs, 7_000);
  assertEquals(planOf([], { environment: { TORCH_ELASTIC_SHUTDOWN_TIMEOUT: "-5" } }).shutdownTimeoutMs, 0);
  checkProblem([], 'TORCH_ELASTIC_SHUTDOWN_TIMEOUT must be a whole number of seconds: got "2.5"', {
    environment: { TORCH_ELASTIC_SHUTDOWN_TIMEOUT: "2.5" },
  });
});

Deno.test("planStopping() takes signals to handle by name, and leaves out what cannot be handled", () => {
  assertEquals(planOf(["--signals-to-handle=TERM,SIGUSR1"]).signalsToHandle, ["SIGTERM", "SIGUSR1"]);
  assertEquals(planOf(["--signals-to-handle="]).signalsToHandle, []);
  const faults = ["--signals-to-handle=SIGTERM,SIGSEGV"];
  assertEquals(planOf(faults).signalsToHandle, ["SIGTERM"]);
  checkNotice(faults, "--signals-to-handle: SIGSEGV cannot be handled; ignored");
});

Deno.test("planStopping() passes on signals that do not stop the workers", () => {
  const args = ["--forward-signals=USR1,TERM,USR2"];
  assertEquals(planOf(args).forwardSignals, ["SIGUSR1", "SIGUSR2"]);
  checkNotice(args, "SIGTERM is not passed on, because it stops the workers");
  assertEquals(planOf([...args, "--signals-to-handle=INT"]).forwardSignals, [
    "SIGUSR1",
    "SIGTERM",
    "SIGUSR2",
  ]);
  checkProblem(["--forward-signals=SEGV"], "SIGSEGV cannot be handled, so it cannot be passed on");
});

Deno.test("planStopping() turns torchrun's file timer on by its variable", () => {
  const timer = (environment: Record<string, string>) => planOf([], { environment }).fileTimer;
  assertEquals(timer({ TORCHELASTIC_ENABLE_FILE_TIMER: "1" }), { path: null });
  assertEquals(timer({ TORCHELASTIC_ENABLE_FILE_TIMER: "1", TORCHELASTIC_TIMER_FILE: "/t" }), { path: "/t" });
  assertEquals(timer({ TORCHELASTIC_ENABLE_FILE_TIMER: "true" }), undefined);
  assertEquals(timer({ TORCHELASTIC_TIMER_FILE: "/t" }), undefined);
});

Deno.test("planStopping() turns the D-state guard on by a positive number only", () => {
  const limit = (text: string) =>
    planOf([], { environment: { TORCHELASTIC_UNINTERRUPTIBLE_STATE_TIMEOUT: text } })
      .uninterruptibleTimeoutMs;
  assertEquals(limit("2.5"), 2_500);
  for (const text of ["", "0", "-1", "soon", "nan", "inf"]) assertEquals(limit(text), null, text);
});
