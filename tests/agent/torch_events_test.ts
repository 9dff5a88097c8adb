import { assert, assertEquals } from "@std/assert";
import { pythonJson } from "../../lib/agent/torch_events.ts";
import { failedWith, killedBy, OK } from "./played_job.ts";
import { recordedJob, restartedJob, WALL_AT_ZERO } from "./recorded.ts";

interface Line {
  readonly name: string;
  readonly source: string;
  readonly timestamp: number;
  readonly metadata: Readonly<Record<string, unknown>> & { readonly metadata: string };
}

const parsed = (lines: readonly string[]): Line[] => lines.map((line) => JSON.parse(line));
const brief = (lines: readonly string[]) =>
  parsed(lines).map(({ name, source, metadata }) =>
    `${source} ${name.split(".").at(-1)} ${metadata.global_rank} ${metadata.agent_restarts}`
  );

Deno.test("TorchEvents tells a restart as torchrun does, but for the launcher's own end", () => {
  const job = restartedJob();
  job.end(3_000, 0, OK);
  job.end(4_000, 1, failedWith(4));
  assertEquals(brief(job.torchLines), [
    "AGENT RENDEZVOUS null 0",
    "AGENT ASSIGN_WORKER_RANKS null 0",
    "WORKER START 0 0",
    "WORKER START 1 0",
    "AGENT RENDEZVOUS null 1",
    "AGENT ASSIGN_WORKER_RANKS null 1",
    "WORKER START 0 1",
    "WORKER START 1 1",
    "WORKER TERMINATED 0 1",
    "WORKER FAILED 1 1",
    "AGENT FAILED null 1",
  ]);
});

Deno.test("TorchEvents gives the true time and plain values", () => {
  const job = restartedJob();
  const start = parsed(job.torchLines)[2]!;
  assertEquals(start.timestamp, WALL_AT_ZERO + 50);
  assertEquals(JSON.parse(start.metadata.metadata), {
    group_world_size: 1,
    entry_point: "true",
    local_rank: 0,
    role_rank: 0,
    role_world_size: 2,
    exit_code: null,
    worker_pid: null,
  });
});

Deno.test("TorchEvents hands on a worker's error file, and torchrun's stand-in where there is none", () => {
  const job = recordedJob({}, { 1: '{"message": {"message": "ValueError: ü"}}' });
  job.tell(0, { kind: "start" });
  job.end(100, 1, failedWith(1));
  job.end(200, 0, killedBy("SIGTERM"));
  const [first, second] = parsed(job.torchLines.slice(-3)).map(({ metadata }) => metadata);
  assertEquals(
    first?.raw_error,
    '{"message": "<NONE>", "errorTraits": {"category": "system_terminated_error", "retryability": "False"}}',
  );
  assertEquals(second?.raw_error, '{"message": {"message": "ValueError: \\u00fc"}}');
});

Deno.test("TorchEvents tells of a stop in the launcher's own line alone", () => {
  const job = recordedJob();
  job.tell(0, { kind: "start" });
  job.tell(100, { kind: "signal", signal: "SIGTERM" });
  job.end(200, 0, killedBy("SIGTERM"));
  job.end(200, 1, killedBy("SIGTERM"));
  assertEquals(brief(job.torchLines).slice(4), ["AGENT FAILED null 0"]);
  assertEquals(parsed(job.torchLines).at(-1)?.metadata.raw_error, "SIGTERM received");
});

Deno.test("pythonJson() writes what Python's json.dumps writes", () => {
  assertEquals(
    pythonJson({ a: [1, null, true, 1.5], "é": "\u{1F600}\n\u007f" }),
    '{"a": [1, null, true, 1.5], "\\u00e9": "\\ud83d\\ude00\\n\\u007f"}',
  );
  assert(pythonJson({}) === "{}");
});
