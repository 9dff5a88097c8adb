import { assertEquals } from "@std/assert";
import { checkEtcdConf, etcdSettings } from "../../lib/options/etcd_settings.ts";

const conf = (text: string) =>
  new Map(text === "" ? [] : text.split(",").map((entry) => entry.split("=") as [string, string]));

Deno.test("etcdSettings() lists members, with etcd's port where none is given", () => {
  assertEquals(etcdSettings("a,b:1,[::1]", conf("")), {
    protocol: "http",
    members: [{ host: "a", port: 2379 }, { host: "b", port: 1 }, { host: "::1", port: 2379 }],
    tls: null,
    user: null,
  });
});

Deno.test("etcdSettings() understands both of torchrun's spellings for TLS", () => {
  const tls = { ca: "/ca", certificate: "/c", key: "/k" };
  for (const text of ["ca_cert=/ca,ssl_cert=/c,ssl_cert_key=/k", "cacert=/ca,cert=/c,key=/k"]) {
    assertEquals(etcdSettings("a", conf(`protocol=HTTPS,${text}`)).tls, tls, text);
  }
  assertEquals(etcdSettings("a", conf("protocol=https")).tls, { ca: null, certificate: null, key: null });
});

Deno.test("etcdSettings() has a user with a password or a file of it", () => {
  assertEquals(etcdSettings("a", conf("user=u,password_file=/p")).user, {
    name: "u",
    password: null,
    passwordFile: "/p",
  });
});

Deno.test("checkEtcdConf() says what can't work and what does not count", () => {
  const said = (text: string, backend = "etcd-v3") => {
    const { problems, notices } = checkEtcdConf(conf(text), backend);
    return [...problems.map(({ message }) => message), ...notices];
  };
  assertEquals(said(""), []);
  assertEquals(said("protocol=https,ca_cert=/ca,cert=/c,user=u,password=p"), []);
  assertEquals(said("ca_cert=/ca"), [
    '"ca_cert" in --rdzv-conf counts only with protocol=https: etcd is reached without TLS',
  ]);
  assertEquals(said("protocol=https,key=/k"), [
    '"key" in --rdzv-conf does not count without its certificate: ssl_cert=FILE',
  ]);
  assertEquals(said("password=p"), ['"password" in --rdzv-conf needs user=NAME']);
  assertEquals(said("password=p", "etcd-v2"), [], "torchrun accepts it");
  assertEquals(said("user=u"), ['"user" in --rdzv-conf needs password_file=FILE or password=TEXT']);
  assertEquals(said("user=u,password=p,password_file=/f"), [
    '"password" and "password_file" in --rdzv-conf cannot go together',
  ]);
});
