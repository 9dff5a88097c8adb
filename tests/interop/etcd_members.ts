/**
 * Real etcd for tests: one member or several on free ports, in a directory of their own, each of which can be killed,
 * frozen and started again. Nothing of it is left when a test ends.
 */

import { killMarked, newMark } from "../e2e/processes.ts";
import { freePort, plainEnvironment, PYTHON, pytorchIsInstalled, TEST_HOME, TORCHRUN } from "./harness.ts";

/** python-etcd and what it needs, without which torchrun has no etcd; `.ci/run` puts it there. */
export const PYTHON_ETCD = `${TEST_HOME}/python-etcd`;

/** `Deno.test` for a test that needs etcd. Where it is missing the test is left out and says so; with CI=true it fails. */
export function etcdTest(name: string, body: () => Promise<void>): void {
  testThatNeeds(isInstalled("etcd") ? null : "etcd on PATH (Debian's etcd-server)", name, body);
}

/** As `etcdTest`, for a test that needs PyTorch with python-etcd too. */
export function torchEtcdTest(name: string, body: () => Promise<void>): void {
  const missing = [
    ...(isInstalled("etcd") ? [] : ["etcd on PATH (Debian's etcd-server)"]),
    ...(pytorchIsInstalled() ? [] : [`PyTorch at ${PYTHON}`]),
    ...(isThere(PYTHON_ETCD) ? [] : [`python-etcd at ${PYTHON_ETCD}`]),
  ];
  testThatNeeds(missing.length === 0 ? null : missing.join(" and "), name, body);
}

function testThatNeeds(missing: string | null, name: string, body: () => Promise<void>): void {
  if (missing !== null && Deno.env.get("CI") !== "true") {
    console.log(`Left out: "${name}" needs ${missing}`);
    Deno.test({ name, ignore: true, fn: () => {} });
    return;
  }
  Deno.test(name, () => {
    if (missing !== null) throw new Error(`There is no ${missing}: .ci/run installs it`);
    return body();
  });
}

/** What a Python program with PyTorch and python-etcd prints. */
export async function runWithPythonEtcd(program: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(PYTHON, {
    args: ["-c", program],
    env: { ...plainEnvironment(), PYTHONPATH: PYTHON_ETCD },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

export function isInstalled(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

export interface EtcdOptions {
  readonly members?: number;
  /** Whether the v2 API is served too; it is by default. */
  readonly v2?: boolean;
  /** PEM files: clients must show a certificate of the same authority. */
  readonly tls?: { readonly ca: string; readonly certificate: string; readonly key: string };
}

/** How long a member may take to say that it is healthy. */
const HEALTH_MS = 5_000;

interface Member {
  readonly name: string;
  readonly port: number;
  readonly peerPort: number;
  process: Deno.ChildProcess | null;
}

export class EtcdMembers {
  readonly #directory: string;
  readonly #options: EtcdOptions;
  readonly #members: Member[];

  private constructor(directory: string, options: EtcdOptions) {
    this.#directory = directory;
    this.#options = options;
    this.#members = Array.from({ length: options.members ?? 1 }, (_, index) => ({
      name: `m${index}`,
      port: freePort(),
      peerPort: freePort(),
      process: null,
    }));
  }

  static async start(options: EtcdOptions = {}): Promise<EtcdMembers> {
    const cluster = new EtcdMembers(await Deno.makeTempDir({ prefix: "muster-etcd-" }), options);
    try {
      for (const member of cluster.#members) cluster.#spawn(member, "new");
      for (const member of cluster.#members) await cluster.#waitUntilHealthy(member);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  get urls(): string[] {
    return this.#members.map(({ port }) => `${this.#protocol}://127.0.0.1:${port}`);
  }

  /** As `--rdzv-endpoint` takes it. */
  get endpoints(): string {
    return this.#members.map(({ port }) => `127.0.0.1:${port}`).join(",");
  }

  async kill(index: number): Promise<void> {
    const member = this.#members[index]!;
    member.process?.kill("SIGKILL");
    await member.process?.status;
    member.process = null;
  }

  freeze(index: number): void {
    this.#members[index]!.process?.kill("SIGSTOP");
  }

  thaw(index: number): void {
    this.#members[index]!.process?.kill("SIGCONT");
  }

  async restart(index: number): Promise<void> {
    this.#spawn(this.#members[index]!, "existing");
    await this.#waitUntilHealthy(this.#members[index]!);
  }

  /** Runs `etcdctl` against the first member. */
  async control(...args: string[]): Promise<string> {
    const { stdout, stderr, success } = await new Deno.Command("etcdctl", {
      args: [`--endpoints=${this.urls[0]}`, ...args],
      env: { ETCDCTL_API: "3" },
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const index of this.#members.keys()) await this.kill(index);
    await Deno.remove(this.#directory, { recursive: true });
  }

  get #protocol(): string {
    return this.#options.tls === undefined ? "http" : "https";
  }

  #spawn(member: Member, state: "new" | "existing"): void {
    const url = `${this.#protocol}://127.0.0.1:${member.port}`, { tls } = this.#options;
    const peer = ({ peerPort }: Member) => `http://127.0.0.1:${peerPort}`;
    member.process = new Deno.Command("etcd", {
      args: [
        `--name=${member.name}`,
        `--data-dir=${this.#directory}/${member.name}`,
        `--enable-v2=${this.#options.v2 !== false}`,
        "--log-level=error",
        "--unsafe-no-fsync",
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peer(member)}`,
        `--initial-advertise-peer-urls=${peer(member)}`,
        `--initial-cluster=${this.#members.map((other) => `${other.name}=${peer(other)}`).join(",")}`,
        `--initial-cluster-state=${state}`,
        ...(tls === undefined ? [] : [
          `--trusted-ca-file=${tls.ca}`,
          `--cert-file=${tls.certificate}`,
          `--key-file=${tls.key}`,
          "--client-cert-auth",
        ]),
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  async #waitUntilHealthy(member: Member): Promise<void> {
    const { tls } = this.#options;
    using client = Deno.createHttpClient(
      tls === undefined ? {} : {
        caCerts: [Deno.readTextFileSync(tls.ca)],
        cert: Deno.readTextFileSync(tls.certificate),
        key: Deno.readTextFileSync(tls.key),
      },
    );
    const deadline = performance.now() + 30_000;
    let isEnded = false;
    member.process?.status.then(() => isEnded = true);
    while (performance.now() < deadline && !isEnded) {
      try {
        const response = await fetch(`${this.#protocol}://127.0.0.1:${member.port}/health`, {
          client,
          // Whoever else listens there may never answer.
          signal: AbortSignal.timeout(HEALTH_MS),
        });
        if ((await response.text()).includes("true")) return;
      } catch {
        // Not there yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`etcd member ${member.name} ${isEnded ? "ended" : "is not healthy after 30 s"}`);
  }
}

/** An authority, and a certificate of it for 127.0.0.1 that serves as a server's and as a client's. */
export async function makeCertificates(
  directory: string,
): Promise<{ ca: string; certificate: string; key: string }> {
  const file = (name: string) => `${directory}/${name}`;
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", { args, cwd: directory }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl(
    "req",
    "-x509",
    ...newKey,
    "-days",
    "2",
    "-subj",
    "/CN=muster test authority",
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
  );
  await openssl("req", ...newKey, "-subj", "/CN=etcd", "-keyout", "etcd.key", "-out", "etcd.csr");
  await Deno.writeTextFile(
    file("ext"),
    "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n",
  );
  await openssl(
    "x509",
    "-req",
    "-in",
    "etcd.csr",
    "-CA",
    "ca.pem",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    "ext",
    "-out",
    "etcd.pem",
  );
  return { ca: file("ca.pem"), certificate: file("etcd.pem"), key: file("etcd.key") };
}

/** A node of torchrun's that runs beside ours, and what its workers saw. */
export interface TorchrunNode extends AsyncDisposable {
  readonly code: Promise<number>;
  readonly output: string;
  /** A directory of its own, `$D` for the script. */
  readonly directory: string;
  /** Resolves once so many workers have begun. */
  running(count: number): Promise<void>;
  /** The environments of the workers that have begun so far, in the order of their beginning. */
  workers(): Record<string, string>[];
}

/**
 * Starts torchrun with etcd. Each worker writes its environment down and then runs `script`, where `$N` says how many have
 * begun on this node before it.
 */
export function startTorchrun(
  etcd: EtcdMembers,
  backend: "etcd" | "etcd-v2",
  args: readonly string[],
  script: string,
): TorchrunNode {
  const directory = Deno.makeTempDirSync({ prefix: "muster-torchrun-" }), mark = newMark();
  Deno.writeTextFileSync(
    `${directory}/worker`,
    `#!/bin/sh\nD=${directory}\nN=$(ls $D | grep -c '^env')\nenv >$D/new.$$ && mv $D/new.$$ $D/env.$N.$RANK\n${script}\n`,
    { mode: 0o755 },
  );
  const endpoint = etcd.endpoints.split(",").at(-1)!;
  const child = new Deno.Command(TORCHRUN, {
    args: [
      `--rdzv-backend=${backend}`,
      `--rdzv-endpoint=${endpoint}`,
      "--rdzv-id=job",
      "--local-addr=127.0.0.1",
      ...args,
      "--no-python",
      `${directory}/worker`,
    ],
    clearEnv: true,
    env: { ...plainEnvironment(), ...mark.env, PYTHONPATH: PYTHON_ETCD, TMPDIR: directory },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const gather = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  };
  const ended = Promise.all([child.status, gather(child.stdout), gather(child.stderr)]);
  const begun = () =>
    [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.startsWith("env."));
  return {
    directory,
    code: ended.then(([{ code }]) => code),
    get output() {
      return output;
    },
    async running(count) {
      const deadline = performance.now() + 60_000;
      while (begun().length < count) {
        if (performance.now() > deadline) throw new Error(`torchrun has no worker ${count}:\n${output}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    workers: () =>
      begun().sort().map((name) => {
        const lines = Deno.readTextFileSync(`${directory}/${name}`).split("\n");
        return Object.fromEntries(
          lines.map((line) => [line.split("=")[0]!, line.slice(line.indexOf("=") + 1)]),
        );
      }),
    async [Symbol.asyncDispose]() {
      killMarked(mark);
      await ended;
      await Deno.remove(directory, { recursive: true }).catch(() => {});
    },
  };
}
