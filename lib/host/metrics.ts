/** Metrics as Prometheus reads them, through its usual client, loaded only for jobs that are asked for metrics. */

import type { Metric } from "../view/metrics.ts";

/** What a scrape gets. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** A metric with more samples lets others have their turn before it: thousands of ranks take some 30 ms each time. */
const SAMPLES_AT_ONCE_MAX = 500;

/** The text of all metrics. Nothing is kept between calls: values are the status's. */
export async function metricsText(metrics: readonly Metric[]): Promise<string> {
  const { Registry, Gauge, Counter } = await loadClient();
  const texts: string[] = [];
  for (const { name, help, kind, labels, samples } of metrics) {
    if (samples.length > SAMPLES_AT_ONCE_MAX) await new Promise((resolve) => setTimeout(resolve));
    const registry = new Registry();
    const options = { name, help, labelNames: labels, registers: [registry] };
    if (kind === "gauge") {
      const gauge = new Gauge(options);
      for (const sample of samples) gauge.set(sample.labels, sample.value);
    } else {
      const counter = new Counter(options);
      for (const sample of samples) counter.inc(sample.labels, sample.value);
    }
    texts.push(await registry.metrics());
  }
  return texts.join("\n");
}

/**
 * Only the parts in use; the package as a whole loads an HTTP client too. They are CommonJS and ask for `node:util` by
 * `require`, which a bundle has only where there is a global one.
 */
async function loadClient() {
  const { createRequire } = await import("node:module");
  const scope = globalThis as { require?: unknown };
  const before = scope.require;
  scope.require ??= createRequire("file:///");
  try {
    const [registry, gauge, counter] = await Promise.all([
      import("prom-client/registry"),
      import("prom-client/gauge"),
      import("prom-client/counter"),
    ]);
    return { Registry: registry.default, Gauge: gauge.default, Counter: counter.default };
  } finally {
    if (before === undefined) delete scope.require;
  }
}
