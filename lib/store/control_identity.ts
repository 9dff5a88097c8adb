/**
 * Who an agent is to the others, and whether two of them belong together. A refusal says both sides' values: who reads
 * it has two machines to compare.
 */

import {
  CONTROL_PROTOCOLS,
  type Hello,
  ID_BYTES,
  type ProtocolRange,
  type Refusal,
  type RefusalKind,
} from "./control_wire.ts";
import { PeerError } from "./wire.ts";

export interface ControlIdentity {
  readonly version: string;
  readonly jobId: string;
  /** Stable over restarts of the agent. */
  readonly nodeId: string;
  /** Number of the job's host, which grows with the rounds that it forms; 0: none is known (a newcomer). */
  readonly epoch: number;
  /** Where the host of that epoch is, HOST:PORT; "": not known. */
  readonly hostAddress: string;
  /** Byte string over the settings that must agree. */
  readonly settingsHash: string;
  /** The same settings as a person reads them: one line for refusals. */
  readonly settingsText: string;
  /** @default CONTROL_PROTOCOLS */
  readonly protocols?: ProtocolRange;
}

/** The newest protocol that both speak, or undefined. */
export function commonProtocol(ours: ProtocolRange, theirs: ProtocolRange): number | undefined {
  const newest = Math.min(ours.max, theirs.max);
  return newest >= Math.max(ours.min, theirs.min) ? newest : undefined;
}

/** What can be said before the secret is proven; null: nothing is against it. */
export function judgeGreeting(hello: Hello, self: ControlIdentity, hasSecret: boolean): Refusal | null {
  const protocols = self.protocols ?? CONTROL_PROTOCOLS;
  if (commonProtocol(protocols, hello.protocols) === undefined) {
    const theirs = rangeText(hello.protocols);
    return refuse(
      "noCommonProtocol",
      self,
      `speaks protocol ${rangeText(protocols)} (version ${self.version}), not ${theirs}`,
    );
  }
  if (hasSecret && !hello.hasSecret) return refuse("secretRequired", self, "asks for the job's secret");
  if (!hasSecret && hello.hasSecret) return refuse("secretUnknown", self, "was started without the secret");
  if (hello.instance.length !== ID_BYTES) throw new PeerError("sent an instance id of a wrong length");
  // It is named in messages that people read on terminals.
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(hello.nodeId)) {
    throw new PeerError("sent a node id with control characters");
  }
  return null;
}

/**
 * A viewer looks at a job and takes no part in it: it is asked for the job's secret as others are, but need not know the
 * job's name and settings.
 */
export function viewerId(random: string): string {
  return `${VIEWER_PREFIX}${random}`;
}

export function isViewer(nodeId: string): boolean {
  return nodeId.startsWith(VIEWER_PREFIX);
}

/** No host name begins so. */
const VIEWER_PREFIX = "(viewer) ";

/** Whether the two may be in one job; null: nothing is against it. */
export function judgeHello(hello: Hello, self: ControlIdentity): Refusal | null {
  if (isViewer(hello.nodeId)) return null;
  if (hello.jobId !== self.jobId) {
    return refuse("wrongJob", self, `serves job ${quoted(self.jobId)}, not ${quoted(hello.jobId)}`);
  }
  if (hello.settingsHash !== self.settingsHash) {
    return refuse("settingsDiffer", self, `was started with other settings: ${self.settingsText}`);
  }
  // Only of one who claims to be the host itself: a guest that resumes knew this host under an earlier number.
  if (hello.hostAddress !== "" && hello.epoch !== 0 && hello.epoch < self.epoch) {
    return refuse(
      "epochIsOld",
      self,
      `is host number ${self.epoch} of the job, which went on from number ${hello.epoch}`,
    );
  }
  if (hello.epoch > self.epoch) {
    return refuse(
      "hostIsOld",
      self,
      `is host number ${self.epoch} of the job, which went on to number ${hello.epoch}`,
    );
  }
  return null;
}

export function refuse(reason: RefusalKind, self: ControlIdentity, detail: string): Refusal {
  const { epoch, hostAddress } = self;
  return { kind: "refusal", reason, epoch, hostAddress, detail: detail.slice(0, DETAIL_LENGTH_MAX) };
}

/** Whether the same hello may be taken a little later. */
export function isPassing(reason: Refusal["reason"]): boolean {
  return reason === "nodeIsPresent" || reason === "isFull";
}

/** A name from the network for a log line: no control characters get there, and not too much. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > NAME_LENGTH_MAX ? `${name.slice(0, NAME_LENGTH_MAX)}…` : name);
}

const NAME_LENGTH_MAX = 128;
/** Well within what is taken of a peer that is not welcomed (`greetingBytesMax`). */
const DETAIL_LENGTH_MAX = 1024;

function rangeText({ min, max }: ProtocolRange): string {
  return min === max ? `${min}` : `${min} to ${max}`;
}
