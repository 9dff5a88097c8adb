import { assertEquals } from "@std/assert";
import { accessEtcd } from "../../lib/host/etcd_setup.ts";
import { planOf } from "../options/planning.ts";

const hasIpv6 = Deno.networkInterfaces().some(({ address }) => address === "::1");

Deno.test({
  name:
    "accessEtcd() announces where a node of this machine alone listens, at whichever loopback address etcd does",
  ignore: !hasIpv6,
  async fn() {
    const etcd = Deno.listen({ hostname: "::1", port: 0 });
    const endpoint = `[::1]:${etcd.addr.port}`;
    const { meeting } = planOf(["--nnodes=2", "--rdzv-backend=etcd-v3", `--rdzv-endpoint=${endpoint}`]);
    const access = await accessEtcd(endpoint, meeting!);
    assertEquals([access.isLocal, access.selfAddress], [true, "127.0.0.1"]);
    access.cluster.close();
    etcd.close();
  },
});
