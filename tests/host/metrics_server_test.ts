import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { MetricsServer } from "../../lib/host/metrics_server.ts";
import type { WatchSettings } from "../../lib/options/launch_plan.ts";
import { jobStatus } from "../view/sample_status.ts";

const NOTHING: WatchSettings = {
  eventsPath: null,
  torchEvents: false,
  metrics: null,
  metricsPath: null,
  healthPort: null,
};

function server(changes: Partial<WatchSettings>, phase: "running" | "succeeded" = "running") {
  const said: string[] = [];
  const metrics = new MetricsServer({ ...NOTHING, ...changes }, {
    status: () => jobStatus(2, { phase, job: 'a "quoted" \\ id' }),
    warn: (text) => said.push(text),
    note: (text) => said.push(text),
  });
  metrics.open();
  return { metrics, said, port: () => Number(said[0]?.match(/port (\d+)$/)?.[1]) };
}

async function get(port: number, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return `${response.status} ${await response.text()}`;
}

/** Every line of the text format is a comment, empty, or a sample. Source: Prometheus' "Text format details". */
function checkFormat(text: string): void {
  for (const line of text.trimEnd().split("\n")) {
    assert(/^(# (HELP|TYPE) |$)|^[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)*\})? [-+.e\d]+$/.test(line), line);
  }
}

Deno.test({
  name: "MetricsServer serves metrics in Prometheus' format and /healthz, and says which free port it took",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const { metrics, port } = server({ metrics: { host: "127.0.0.1", port: 0 } });
    try {
      const text = await get(port(), "/metrics");
      assertStringIncludes(text, '\nmuster_worker_up{rank="1"} 1\n');
      checkFormat(text.replace(/^200 /, ""));
      assertEquals(await get(port(), "/healthz"), "200 ok: running, 2 of 2 workers up\n");
      assertEquals((await get(port(), "/other")).slice(0, 3), "404");
    } finally {
      await metrics.close();
    }
  },
});

Deno.test({
  name:
    "MetricsServer answers health checks on their own port, whatever the path, also while others are waited for",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const { metrics, port } = server({ healthPort: 0 }, "succeeded");
    try {
      assertEquals(await get(port(), "/"), "200 ok: succeeded, 2 of 2 workers up\n");
    } finally {
      await metrics.close();
    }
  },
});

Deno.test({
  name: "MetricsServer warns and goes on where a port is taken",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { metrics, said } = server({ metrics: { host: "127.0.0.1", port: taken.addr.port } });
    assertEquals(said, [
      `No metrics are served: cannot listen on port ${taken.addr.port} (--metrics-port): Address already in use`,
    ]);
    await metrics.close();
    taken.close();
  },
});

Deno.test("MetricsServer replaces the file as a whole, and warns once where it can't", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/muster.prom`;
    const { metrics } = server({ metricsPath: path });
    await metrics.close();
    checkFormat(await Deno.readTextFile(path));
    assertEquals([...Deno.readDirSync(directory)].map(({ name }) => name), ["muster.prom"]);

    const failing = server({ metricsPath: `${directory}/missing/muster.prom` });
    await failing.metrics.close();
    assertEquals(failing.said.length, 1);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
