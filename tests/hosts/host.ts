/** One host of a network: its name, addresses and links, and what can be done to them. */

import { HostProcess } from "./host_process.ts";
import { Namespaces } from "./namespaces.ts";

export interface HostOptions {
  /** IPv4 alone has IPv6 switched off; IPv6 alone has no IPv4 address but the loopback's. */
  readonly families?: "ipv4" | "ipv6" | "dual";
  /** Interfaces eth0, eth1: each is in a network of its own. */
  readonly interfaces?: 1 | 2;
  /** The host's own name stands for 127.0.1.1 in its hosts file, as on Debian. */
  readonly isOwnNameLoopback?: boolean;
  /** The segment whose addresses the names stand for. */
  readonly namedSegment?: number;
}

interface Making {
  readonly name: string;
  /** Counts the network's hosts. */
  readonly number: number;
  readonly directory: string;
  readonly switches: Namespaces;
  readonly options: HostOptions;
}

export class Host {
  readonly name: string;
  /** A directory that only this host's programs use for temporary files. */
  readonly temporaryDirectory: string;
  readonly processes: HostProcess[] = [];
  #isRemoved = false;

  private constructor(private readonly making: Making, private readonly namespaces: Namespaces) {
    this.name = making.name;
    this.temporaryDirectory = temporaryDirectoryOf(making);
  }

  static async start(making: Making): Promise<Host> {
    const { name, number, switches, options } = making;
    await Deno.mkdir(temporaryDirectoryOf(making));
    await Deno.writeTextFile(hostsFileOf(making), "");
    const families = options.families ?? "ipv4";
    const namespaces = await Namespaces.start([
      `hostname ${name}`,
      `mount --bind ${hostsFileOf(making)} /etc/hosts`,
      ...(families === "ipv4" ? ["echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6"] : []),
      "ip link set lo up",
    ].join("; "));
    const segments = Array.from({ length: options.interfaces ?? 1 }, (_, segment) => segment);
    const wires = segments.flatMap((segment) => {
      const port = portName(number, segment);
      return [
        `link add ${port} type veth peer name eth${segment} netns ${namespaces.pid}`,
        `link set ${port} master br${segment} up`,
      ];
    });
    // The machine's own ip, in the switches' network only: `netns PID` counts as the machine does.
    await switches.runOnNetwork(["ip", "-batch", "-"], wires.join("\n"));
    const addresses = segments.flatMap((segment) => [
      `link set eth${segment} up`,
      ...(families === "ipv6" ? [] : [`addr add ${ipv4(number, segment)}/24 dev eth${segment}`]),
      ...(families === "ipv4" ? [] : [`addr add ${ipv6(number, segment)}/64 dev eth${segment} nodad`]),
    ]);
    await namespaces.run(["ip", "-batch", "-"], addresses.join("\n"));
    return new Host(making, namespaces);
  }

  /** The host's addresses on a segment, as the others reach it. */
  addresses(segment = this.making.options.namedSegment ?? 0): string[] {
    const families = this.making.options.families ?? "ipv4";
    return [
      ...(families === "ipv6" ? [] : [ipv4(this.making.number, segment)]),
      ...(families === "ipv4" ? [] : [ipv6(this.making.number, segment)]),
    ];
  }

  /** Writes this host's /etc/hosts in place, since it is mounted by its inode. */
  async writeNames(known: readonly Host[]): Promise<void> {
    if (this.#isRemoved) return;
    const lines = known.flatMap((host) =>
      host === this && this.making.options.isOwnNameLoopback
        ? [`127.0.1.1 ${host.name}`]
        : host.addresses().map((address) => `${address} ${host.name}`)
    );
    const text = ["127.0.0.1 localhost", "::1 localhost ip6-localhost", ...lines, ""].join("\n");
    await Deno.writeTextFile(hostsFileOf(this.making), text);
  }

  /** Starts a program on the host. */
  start(commandLine: readonly string[], env: Readonly<Record<string, string>> = {}): HostProcess {
    const process = new HostProcess(this.name, [...this.namespaces.enter, ...commandLine], {
      TMPDIR: this.temporaryDirectory,
      // The disk of a host is its own.
      MUSTER_STATE_DIRECTORY: `${this.temporaryDirectory}/state`,
      ...env,
    });
    this.processes.push(process);
    return process;
  }

  /** Runs a command on the host to its end. */
  run(commandLine: readonly string[], input = ""): Promise<string> {
    return this.namespaces.run(commandLine, input);
  }

  /** Pulls the cables: addresses and routes stay, packets go nowhere, nobody is told. */
  cut(): Promise<void> {
    return this.#setPorts("down");
  }

  mend(): Promise<void> {
    return this.#setPorts("up");
  }

  /** Drops this share of the packets in both directions, at random. */
  async losePackets(percent: number): Promise<void> {
    const rule = (chain: string, key: string) =>
      `add rule inet lossy ${chain} ${key} != "lo" numgen random mod 100 < ${percent} drop`;
    await this.run(
      ["nft", "-f", "-"],
      [
        "add table inet lossy",
        "add chain inet lossy in { type filter hook input priority 0; }",
        // Behind the output hook a dropped packet would be an error of the sender.
        "add chain inet lossy out { type filter hook postrouting priority 0; }",
        rule("in", "iifname"),
        rule("out", "oifname"),
        "",
      ].join("\n"),
    );
  }

  /** Limits what the host sends and receives to so many kilobits a second, with a queue before it. */
  async slowDown(kilobitsPerSecond: number): Promise<void> {
    const limit = (device: string) =>
      ["tc", "qdisc", "replace", "dev", device, "root", "tbf"].concat(
        ["rate", `${kilobitsPerSecond}kbit`, "burst", "4kb", "latency", "2s"],
      );
    await this.run(limit("eth0"));
    await this.making.switches.run(limit(portName(this.making.number, 0)));
  }

  /** Drops whatever comes from these hosts. */
  async refusePacketsFrom(others: readonly Host[]): Promise<void> {
    const sources = others.flatMap((host) => [0, 1].flatMap((segment) => host.addresses(segment)));
    const rules = sources.map((address) =>
      `add rule inet apart in ${address.includes(":") ? "ip6" : "ip"} saddr ${address} drop`
    );
    const chain = "add chain inet apart in { type filter hook input priority 0; }";
    await this.run(["nft", "-f", "-"], ["add table inet apart", chain, ...rules, ""].join("\n"));
  }

  /** From all again. */
  async acceptPackets(): Promise<void> {
    await this.run(["nft", "delete", "table", "inet", "apart"]);
  }

  /** The power cord: cut first, so that no process can say goodbye, then everything on the host ends. */
  async powerOff(): Promise<void> {
    await this.cut();
    await this.remove();
  }

  /** Ends everything on the host; its kernel still closes the connections. */
  async remove(): Promise<void> {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    await this.namespaces.end();
    for (const process of this.processes) process.wake();
    await Promise.all(this.processes.map((process) => process.ended()));
  }

  async #setPorts(state: "up" | "down"): Promise<void> {
    const segments = Array.from({ length: this.making.options.interfaces ?? 1 }, (_, segment) => segment);
    const commands = segments.map((segment) => `link set ${portName(this.making.number, segment)} ${state}`);
    await this.making.switches.run(["ip", "-batch", "-"], commands.join("\n"));
  }
}

const FIRST_HOST_PART = 10;

function ipv4(number: number, segment: number): string {
  return `10.77.${segment}.${FIRST_HOST_PART + number}`;
}

function ipv6(number: number, segment: number): string {
  return `fd77:${segment + 1}::${FIRST_HOST_PART + number}`;
}

function portName(number: number, segment: number): string {
  return `p${number}s${segment}`;
}

function hostsFileOf({ directory, name }: Making): string {
  return `${directory}/hosts.${name}`;
}

function temporaryDirectoryOf({ directory, name }: Making): string {
  return `${directory}/tmp.${name}`;
}
