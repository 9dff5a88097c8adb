/**
 * How etcd is reached, from `--rdzv-endpoint` and `--rdzv-conf`. torchrun's two back ends name their TLS files differently;
 * either spelling is understood for each of the three.
 */

import type { UsageProblem } from "../core/errors.ts";
import { checkedValue, quote } from "./checked.ts";
import type { RendezvousConf } from "./rendezvous_conf.ts";
import { type Endpoint, parseEndpoint } from "./values.ts";

/** etcd's own port for clients; torchrun's default too. */
export const ETCD_PORT = 2379;

export interface EtcdSettings {
  readonly protocol: "http" | "https";
  /** In the order given, at least one. */
  readonly members: readonly { readonly host: string; readonly port: number }[];
  /** Paths of PEM files; null with http. Without `ca` the system's authorities count. */
  readonly tls: {
    readonly ca: string | null;
    readonly certificate: string | null;
    readonly key: string | null;
  } | null;
  /** `passwordFile`: the password is its first line. */
  readonly user: {
    readonly name: string;
    readonly password: string | null;
    readonly passwordFile: string | null;
  } | null;
}

/** For options that have been checked. */
export function etcdSettings(endpoint: string, conf: RendezvousConf): EtcdSettings {
  const first = (...keys: string[]) =>
    keys.map((key) => conf.get(key)).find((value) => value !== undefined) ?? null;
  const protocol = conf.get("protocol")?.toLowerCase() === "https" ? "https" : "http";
  const name = first("user");
  return {
    protocol,
    members: endpoint.split(",").map((one) => withPort(checkedValue(parseEndpoint(one)))),
    tls: protocol === "http" ? null : {
      ca: first("ca_cert", "cacert"),
      certificate: first("ssl_cert", "cert"),
      key: first("ssl_cert_key", "key"),
    },
    user: name === null ? null : { name, password: first("password"), passwordFile: first("password_file") },
  };
}

/** What can't work, and what would silently not count. */
export function checkEtcdConf(
  conf: RendezvousConf,
  backend: string,
): { readonly problems: readonly UsageProblem[]; readonly notices: readonly string[] } {
  const problems: UsageProblem[] = [], notices: string[] = [];
  const given = (...keys: string[]) => keys.find((key) => conf.has(key));
  const tls = given("ca_cert", "cacert", "ssl_cert", "cert", "ssl_cert_key", "key");
  if (tls !== undefined && conf.get("protocol")?.toLowerCase() !== "https") {
    notices.push(`${quote(tls)} in --rdzv-conf counts only with protocol=https: etcd is reached without TLS`);
  }
  const key = given("ssl_cert_key", "key");
  if (key !== undefined && given("ssl_cert", "cert") === undefined) {
    notices.push(`${quote(key)} in --rdzv-conf does not count without its certificate: ssl_cert=FILE`);
  }
  // torchrun's back ends know no users.
  if (backend !== "etcd-v3") return { problems, notices };
  const password = given("password", "password_file");
  if (password !== undefined && !conf.has("user")) {
    problems.push({ message: `${quote(password)} in --rdzv-conf needs user=NAME` });
  }
  if (conf.has("user") && password === undefined) {
    problems.push({ message: '"user" in --rdzv-conf needs password_file=FILE or password=TEXT' });
  }
  if (conf.has("password") && conf.has("password_file")) {
    problems.push({ message: '"password" and "password_file" in --rdzv-conf cannot go together' });
  }
  return { problems, notices };
}

function withPort({ host, port }: Endpoint): { readonly host: string; readonly port: number } {
  return { host, port: port ?? ETCD_PORT };
}
