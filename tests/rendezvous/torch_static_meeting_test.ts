import { assertEquals } from "@std/assert";
import type { MeetingNews } from "../../lib/rendezvous/meeting.ts";
import type { TorchMeetingEvent } from "../../lib/rendezvous/torch_meeting_events.ts";
import { TorchStaticMeeting, type TorchStaticOptions } from "../../lib/rendezvous/torch_static_meeting.ts";
import { StoreDouble } from "./store_double.ts";

class Stage {
  readonly news: MeetingNews[] = [];
  readonly store = new StoreDouble();
  /** Waits for keys, by ticket. */
  readonly waits: number[] = [];
  readonly #meeting: TorchStaticMeeting;

  constructor(options: Partial<TorchStaticOptions>) {
    this.#meeting = new TorchStaticMeeting({
      ...{ jobId: "job", nodes: 2, groupRank: 1, role: "default", workerCount: 1, maxRestarts: 1 },
      ...{ joinMs: 900_000, exitBarrierMs: 300_000, isIdentical: false },
      place: { address: "a", port: 29500, hostedByLauncher: true },
      ...options,
    });
  }

  post(event: TorchMeetingEvent): void {
    for (const effect of this.#meeting.step(event, 0)) {
      if (effect.kind === "news") this.news.push(effect.news);
      if (effect.kind !== "ask") continue;
      if (effect.operation.kind === "get-keys") this.waits.push(effect.operation.ticket);
      this.store.perform(effect.operation, 0, (answer) => this.post(answer));
    }
  }

  get last(): MeetingNews {
    return this.news.at(-1)!;
  }
}

const info = (rank: number) => JSON.stringify({ role: "default", rank, local_world_size: 2 });
const failure = { kind: "worker", text: "lost rank 2", exitCode: 3 } as const;

Deno.test("TorchStaticMeeting takes the ranks that node 0 of PyTorch 2.4 and later gives out", () => {
  const stage = new Stage({});
  stage.post({ kind: "join" });
  assertEquals(stage.last.kind, "waiting");
  stage.store.set("job/torchelastic/assigned_ranks/1", "[2, 3, 2, 3]");
  assertEquals(stage.last, {
    kind: "round",
    seat: {
      ...{ round: 0, restartCount: 0, groupRank: 1, groupWorldSize: 2 },
      ...{ baseRank: 2, worldSize: 3, baseRoleRank: 2, roleWorldSize: 3 },
      store: { address: "a", port: 29500, hostedByLauncher: true },
    },
  });
});

Deno.test("TorchStaticMeeting works its ranks out where all older agents do", () => {
  const stage = new Stage({});
  stage.post({ kind: "join" });
  stage.store.set("job/torchelastic/role_info0", info(0));
  assertEquals(stage.last.kind === "round" && stage.last.seat.baseRank, 2);
  assertEquals(stage.store.keys.get("job/torchelastic/role_info1.FIN"), "FIN");
  stage.post({ kind: "succeeded", round: 0 });
  stage.store.set("job/torchelastic/agent/terminal_state0", "0");
  assertEquals(stage.last.kind === "job-over" && stage.last.outcome.code, 0);
});

Deno.test("TorchStaticMeeting as node 0 gives out ranks, and names the store", () => {
  const stage = new Stage({ groupRank: 0 });
  stage.post({ kind: "join" });
  stage.store.set("job/torchelastic/role_info/1", info(1));
  assertEquals(stage.store.keys.get("job/torchelastic/assigned_ranks/1"), "[1,3,1,3]");
  assertEquals(stage.store.keys.get("job/MASTER_PORT"), "29500");
  assertEquals(stage.last.kind === "round" && stage.last.seat.worldSize, 3);
});

Deno.test("TorchStaticMeeting restarts by itself, as often as this node may", () => {
  const stage = new Stage({});
  stage.post({ kind: "join" });
  stage.store.set("job/torchelastic/assigned_ranks/1", "[2, 3, 2, 3]");
  for (const round of [0, 1]) {
    stage.post({ kind: "failed", round, failure });
    stage.post({ kind: "cleared", round, report: null });
    if (round > 0) break;
    assertEquals(stage.last, { kind: "go-on", text: null, verdict: null });
    stage.post({ kind: "join" });
    assertEquals(stage.last.kind === "round" && stage.last.seat.restartCount, 1);
  }
  assertEquals(stage.last.kind === "job-over" && stage.last.outcome.code, 1);
});

Deno.test("TorchStaticMeeting gives up when neither kind of exchange comes to its end", () => {
  const stage = new Stage({});
  stage.post({ kind: "join" });
  for (const ticket of [...stage.waits]) stage.store.expire(ticket);
  assertEquals(stage.last.kind === "job-over" && stage.last.outcome.code, 1);
});

Deno.test("TorchStaticMeeting exchanges nothing where all nodes are said to be alike", () => {
  const stage = new Stage({ isIdentical: true, workerCount: 4 });
  stage.post({ kind: "join" });
  assertEquals(stage.last.kind === "round" && [stage.last.seat.baseRank, stage.last.seat.worldSize], [4, 8]);
});
