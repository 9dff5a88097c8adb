import { assertEquals } from "@std/assert";
import { checkProblem, planned, planOf } from "./planning.ts";

Deno.test("planWatch() reads where events and metrics go", () => {
  const tree = { directories: ["/out"] };
  assertEquals(
    planOf(
      [
        "--events=/out/e.jsonl",
        "--event-log-handler=console",
        "--metrics-port=9400",
        "--metrics-file=m.prom",
      ],
      { tree, environment: { TORCHELASTIC_HEALTH_CHECK_PORT: "8080" } },
    ).watch,
    {
      eventsPath: "/out/e.jsonl",
      torchEvents: true,
      metrics: { host: "::", port: 9400 },
      metricsPath: "m.prom",
      healthPort: 8080,
    },
  );
  assertEquals(planOf(["--metrics-port=127.0.0.1:0"]).watch.metrics, { host: "127.0.0.1", port: 0 });
});

Deno.test("planWatch() refuses what can't be written or listened on before anything starts", () => {
  checkProblem(["--events=/no/e.jsonl"], '--events cannot be written: there is no directory "/no"');
  checkProblem(["--metrics-file=/out"], '--metrics-file must be the name of a file: got "/out"', {
    tree: { directories: ["/out"] },
  });
});

Deno.test("planWatch() goes on without a health check where its variable is no port, as torchrun", () => {
  const { plan, notices } = planned([], { environment: { TORCHELASTIC_HEALTH_CHECK_PORT: "http" } });
  assertEquals(plan?.watch.healthPort, null);
  assertEquals(notices, [
    'TORCHELASTIC_HEALTH_CHECK_PORT must be a port, from 0 to 65535: got "http"; no health check is served',
  ]);
});
