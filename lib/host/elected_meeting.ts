/**
 * The meeting of a job's nodes with `--rdzv-backend etcd-v3`: etcd says which of them is the host and keeps what must outlive
 * it; all else is between the nodes, as with c10d.
 */

import { unreachable } from "../core/assert.ts";
import { EXIT_CODES } from "../core/errors.ts";
import { ENDED_TTL_SECONDS } from "../etcd/host_departure.ts";
import { orphanMs } from "../etcd/host_timing.ts";
import type { MeetingPlan } from "../options/launch_plan.ts";
import { MessageError } from "../core/json_fields.ts";
import type { JobRecord } from "../rendezvous/job_record.ts";
import { decodeRecord, encodeRecord } from "../rendezvous/message_codec.ts";
import { addressText } from "../rendezvous/standby.ts";
import { type ElectionNews, EtcdElection } from "./etcd_election.ts";
import { accessEtcd, type EtcdAccess } from "./etcd_setup.ts";
import { EtcdV3 } from "./etcd_v3.ts";
import { Fleet, type FleetParts } from "./fleet.ts";
import type { ElectionEffect, FleetElection } from "./fleet_election.ts";
import { nodeInfo, readSecret } from "./fleet_setup.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";

export async function openElectedMeeting(parts: MeetingParts, meeting: MeetingPlan): Promise<Meeting> {
  const { plan, hostName } = parts;
  const etcd = await accessEtcd(plan.rendezvousEndpoint, meeting);
  const secret = await readSecret(meeting);
  const info = nodeInfo(plan, meeting, { hostName, standbyPort: null });
  const fleetParts: FleetParts = {
    ...parts,
    meeting,
    secret,
    port: null,
    census: null,
    isLocal: etcd.isLocal,
    hooks: null,
  };
  const fleet = new Fleet(fleetParts);
  fleet.startElected(info, new Election(fleet, fleetParts, etcd, info.nodeId));
  return fleet;
}

class Election implements FleetElection {
  readonly electorate: string;
  readonly selfAddress: string;
  readonly #fleet: Fleet;
  readonly #say: MeetingParts["say"];
  readonly #etcd: EtcdAccess;
  readonly #election: EtcdElection;
  readonly #ttlMs: number;
  readonly #left = Promise.withResolvers<void>();
  #isLeaving = false;

  constructor(fleet: Fleet, { plan, meeting, say }: FleetParts, etcd: EtcdAccess, nodeId: string) {
    this.#fleet = fleet;
    this.#say = say;
    this.#etcd = etcd;
    this.electorate = etcd.text;
    this.selfAddress = etcd.selfAddress;
    const ttlMs = this.#ttlMs = meeting.keepAliveMs * meeting.keepAliveAttempts;
    const client = new EtcdV3(etcd.cluster, etcd.credentials);
    this.#election = new EtcdElection(
      client,
      { jobId: plan.jobId, nodeId, ttlMs },
      (news) => this.#hear(news),
    );
  }

  carryOut(effect: ElectionEffect): void {
    switch (effect.kind) {
      case "stand": {
        const address = addressText(this.selfAddress, this.#fleet.openPort());
        return this.#election.ask({ kind: "stand", address });
      }
      case "save":
        return this.#election.ask({ kind: "save", id: effect.id, job: encodeRecord(effect.record) });
      case "host-lost":
        return this.#election.ask(
          effect.isDead ? { kind: "host-died", epoch: effect.epoch } : { kind: "look" },
        );
      case "resign":
        this.#isLeaving = true;
        return this.#election.ask({
          kind: "leave",
          over: effect.over,
          exitCode: effect.over && effect.succeeded ? EXIT_CODES.success : null,
        });
      default:
        return unreachable(effect);
    }
  }

  /** Waits until what it resigned from is known to etcd, or can't be told. */
  async close(): Promise<void> {
    if (this.#isLeaving) await this.#left.promise;
    this.#election.close();
    this.#etcd.cluster.close();
  }

  #hear(news: ElectionNews): void {
    switch (news.kind) {
      case "elected":
        return this.#fleet.tell({ kind: "appointed", epoch: news.epoch, previous: this.#decode(news.job) });
      case "host-is":
        return this.#fleet.tell({
          kind: "host-named",
          epoch: news.host.epoch,
          address: news.host.address,
          orphanMs: orphanMs(this.#ttlMs),
        });
      case "ended":
        return this.#fleet.tell({
          kind: "job-ended",
          exitCode: news.exitCode,
          knownMs: ENDED_TTL_SECONDS * 1000,
        });
      case "no-host":
        return;
      case "deposed":
      case "saved":
        return this.#fleet.tell(news);
      case "trouble":
        this.#say("notice", `${news.text}; trying again`);
        return this.#fleet.tell({ kind: "election-trouble", text: news.text });
      case "recovered":
        return this.#say("notice", "etcd answers again");
      case "left":
        return this.#left.resolve();
      default:
        return unreachable(news);
    }
  }

  #decode(job: Uint8Array | null): JobRecord | null {
    if (job === null) return null;
    try {
      return decodeRecord(job);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      this.#say(
        "warning",
        `What etcd keeps of this job can't be read, so the job begins anew: ${error.message}`,
      );
      return null;
    }
  }
}
