/**
 * Several hosts on one machine: each is a set of namespaces with its own name, addresses, hosts file and processes, and
 * all hang on bridges in a namespace of their own, so that nothing of the machine's network is touched. A host's first
 * process reads a pipe from us and ends with it, and the kernel then ends everything else of the host and takes down its
 * links: nothing is left of a network, not even when the test is killed. Needs root, and what `.ci/run` installs.
 */

import { PATH } from "./run.ts";
import { Host, type HostOptions } from "./host.ts";
import { Namespaces } from "./namespaces.ts";

/** How many separate networks the hosts can hang on, by their interfaces eth0, eth1. */
const SEGMENTS = 2;

export class Network {
  readonly hosts = new Map<string, Host>();

  private constructor(
    private readonly directory: string,
    private readonly switches: Namespaces,
  ) {}

  static async open(): Promise<Network> {
    const directory = await Deno.makeTempDir({ prefix: "muster-hosts-" });
    const switches = await Namespaces.start("ip link set lo up");
    const commands = Array.from({ length: SEGMENTS }, (_, segment) => [
      `link add br${segment} type bridge mcast_snooping 0`,
      `link set br${segment} up`,
    ]).flat();
    await switches.run(["ip", "-batch", "-"], commands.join("\n"));
    return new Network(directory, switches);
  }

  /** Adds hosts, and tells all names to all. */
  async add(names: readonly string[], options: HostOptions = {}): Promise<Host[]> {
    const first = this.#added;
    this.#added += names.length;
    const hosts = await Promise.all(
      names.map((name, index) =>
        Host.start({
          name,
          number: first + index,
          directory: this.directory,
          switches: this.switches,
          options,
        })
      ),
    );
    for (const host of hosts) this.hosts.set(host.name, host);
    await this.tellNames();
    return hosts;
  }

  #added = 0;

  /** Writes every host's /etc/hosts; names in `unknown` are left out. */
  async tellNames(unknown: readonly string[] = []): Promise<void> {
    const known = [...this.hosts.values()].filter(({ name }) => !unknown.includes(name));
    await Promise.all([...this.hosts.values()].map((host) => host.writeNames(known)));
  }

  host(name: string): Host {
    const host = this.hosts.get(name);
    if (host === undefined) throw new Error(`No host ${name}`);
    return host;
  }

  /** Lets no packet pass between the hosts of `one` and those of `other`, whichever side sends it. */
  async separate(one: readonly Host[], other: readonly Host[]): Promise<void> {
    const refuse = (from: readonly Host[]) => (at: Host) => at.refusePacketsFrom(from);
    await Promise.all([...one.map(refuse(other)), ...other.map(refuse(one))]);
  }

  /** Undoes `separate`. */
  async reunite(hosts: readonly Host[]): Promise<void> {
    await Promise.all(hosts.map((host) => host.acceptPackets()));
  }

  /** Ends every host and everything that runs on them. */
  async close(): Promise<void> {
    await Promise.all([...this.hosts.values()].map((host) => host.remove()));
    await this.switches.end();
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** What is missing to make hosts on this machine, or null. */
export function whyNoHosts(): string | null {
  if (Deno.build.os !== "linux") return "network namespaces, which only Linux has";
  if (Deno.uid() !== 0) return "root";
  const programs = ["ip", "tc", "nft", "nsenter", "unshare", "bash"];
  const missing = programs.find((program) =>
    !PATH.split(":").some((folder) => isFile(`${folder}/${program}`))
  );
  return missing === undefined ? null : `the program ${missing}`;
}

/** `Deno.test` with a network of its own. Where hosts can't be made it is left out and says so; with CI=true it fails. */
export function hostsTest(name: string, body: (network: Network) => Promise<void>): void {
  const missing = whyNoHosts();
  if (missing !== null && Deno.env.get("CI") !== "true") {
    console.log(`Left out: "${name}" needs ${missing}`);
    Deno.test({ name, ignore: true, fn: () => {} });
    return;
  }
  Deno.test(name, async () => {
    if (missing !== null) {
      throw new Error(`Hosts can't be made without ${missing}: .ci/run installs what they need`);
    }
    await withNetwork(body);
  });
}

export async function withNetwork<T>(body: (network: Network) => Promise<T>): Promise<T> {
  const network = await Network.open();
  try {
    return await body(network);
  } finally {
    await network.close();
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
