/** etcd as a command line names it: its members, TLS files and user, ready to be asked. */

import { SystemError } from "../core/errors.ts";
import { memberUrl } from "../etcd/endpoints.ts";
import { type EtcdSettings, etcdSettings } from "../options/etcd_settings.ts";
import type { MeetingPlan } from "../options/launch_plan.ts";
import { EtcdCluster } from "./etcd_cluster.ts";
import { EtcdV2 } from "./etcd_v2.ts";
import type { Credentials } from "./etcd_v3.ts";
import { fallbackAddress, isLoopback, meansThisMachineOnly } from "./local_addresses.ts";
import { readTimeoutMs } from "./torch_setup.ts";

/** How long a member may take to take a connection that shows which of our addresses leads to it. */
const CONNECT_MS = 1000;

export interface EtcdAccess {
  readonly cluster: EtcdCluster;
  readonly credentials: Credentials | null;
  /** For messages: "etcd at a:2379, b:2379". */
  readonly text: string;
  /** All members are on this machine, and so is the job. */
  readonly isLocal: boolean;
  /** Address of this machine from which etcd is reached, and at which the other nodes would reach it. */
  readonly selfAddress: string;
}

/** @throws {SystemError} A file of certificates or of the password can't be used. */
export async function accessEtcd(endpoint: string, { conf, localAddress }: MeetingPlan): Promise<EtcdAccess> {
  const { protocol, members, tls, user } = etcdSettings(endpoint, conf);
  const isLocal = localAddress === null && members.every(({ host }) => meansThisMachineOnly(host));
  return {
    cluster: new EtcdCluster(members.map((member) => memberUrl(member, protocol)), tls),
    credentials: user === null ? null : await credentials(user),
    text: `etcd at ${endpoint}`,
    isLocal,
    // A node that is for this machine alone listens there, at whichever loopback address etcd does.
    selfAddress: localAddress ?? (isLocal ? "127.0.0.1" : await addressTowards(members)),
  };
}

/** The client of a node's meeting over etcd's v2 API: until etcd has answered, it is waited for as the other nodes are. */
export function startEtcdV2(
  { cluster }: EtcdAccess,
  meeting: MeetingPlan,
  say: (level: "notice", text: string) => void,
): EtcdV2 {
  return new EtcdV2(cluster, {
    limitMs: readTimeoutMs(meeting),
    firstLimitMs: meeting.joinMs,
    say: (text) => say("notice", text),
  });
}

async function credentials(user: NonNullable<EtcdSettings["user"]>): Promise<Credentials> {
  const { name, password, passwordFile } = user;
  if (passwordFile === null) return { name, password: password ?? "" };
  try {
    const [line = ""] = (await Deno.readTextFile(passwordFile)).split(/\r?\n/);
    return { name, password: line };
  } catch (error) {
    throw new SystemError(
      `Cannot read the password for etcd from ${passwordFile}: ${(error as Error).message}`,
    );
  }
}

async function addressTowards(members: EtcdSettings["members"]): Promise<string> {
  for (const { host, port } of members) {
    const address = await localAddressTo(host, port);
    // A name may mean the loopback address on the machine that etcd runs on, and no other.
    if (address !== null && (!isLoopback(address) || meansThisMachineOnly(host))) return address;
  }
  return fallbackAddress(members[0]!.host);
}

async function localAddressTo(hostname: string, port: number): Promise<string | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<null>((resolve) => timer = setTimeout(() => resolve(null), CONNECT_MS));
  const connecting = Deno.connect({ hostname, port }).then((connection) => {
    const { hostname } = connection.localAddr;
    connection.close();
    return hostname;
  }).catch(() => null);
  const address = await Promise.race([connecting, tooLate]);
  clearTimeout(timer);
  return address;
}
