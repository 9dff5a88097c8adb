import { assertEquals } from "@std/assert";
import { type Environment, parseCommandLine } from "../../lib/options/parse.ts";

function findings(args: string[], environment: Environment = {}) {
  const { problems, notices } = parseCommandLine([...args, "train.py"], environment);
  return { problems: problems.map(({ message }) => message), notices };
}

const quiet = { problems: [], notices: [] };

Deno.test("checkCombinations() has nothing to say about plain lines", () => {
  assertEquals(findings([]), quiet);
  assertEquals(findings(["--standalone", "--nproc-per-node=2"]), quiet);
  assertEquals(findings(["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--rdzv-id=x"]), quiet);
  assertEquals(findings(["--master-addr=a", "--master-port=1"]), quiet);
});

Deno.test("checkCombinations() refuses a module without Python", () => {
  assertEquals(findings(["-m"], { PET_NO_PYTHON: "1" }).problems, [
    "-m and PET_NO_PYTHON cannot go together: a module needs Python to run it",
  ]);
});

Deno.test("checkCombinations() lets run-path win over both, with one notice that names all places", () => {
  assertEquals(findings(["--run-path", "-m"], { PET_NO_PYTHON: "1" }), {
    problems: [],
    notices: ["--run-path takes precedence: PET_NO_PYTHON, -m do not count"],
  });
  assertEquals(findings(["--run-path"], { PET_NO_PYTHON: "0" }), quiet);
});

Deno.test("checkCombinations() lets standalone win over a rendezvous, even a wrong one", () => {
  const args = ["--rdzv-endpoint=a b", "--rdzv_backend=zookeeper"];
  assertEquals(findings(args, { PET_STANDALONE: "1", PET_RDZV_ID: "x" }), {
    problems: [],
    notices: ["PET_STANDALONE takes precedence: --rdzv_backend, --rdzv-endpoint, PET_RDZV_ID do not count"],
  });
});

Deno.test("checkCombinations() says which address and port do not count", () => {
  assertEquals(findings(["--master-addr=a"]).notices, [
    "One machine and no --master-port takes precedence: --master-addr does not count",
  ]);
  assertEquals(findings(["--rdzv-endpoint=h:1", "--master-port=2"]).notices, [
    "--rdzv-endpoint takes precedence: --master-port does not count",
  ]);
  assertEquals(findings(["--rdzv-endpoint=", "--master-port=2"]), quiet);
  assertEquals(findings(["--rdzv-backend=c10d", "--master-port=2", "--node-rank=1"]).notices, [
    "--rdzv-backend takes precedence: --master-port does not count",
    "--node-rank is not used: there is one node",
  ]);
});

Deno.test("checkCombinations() says where --node-rank decides nothing, and not where it decides the order", () => {
  const notices = (...args: string[]) =>
    findings(["--nnodes=2", "--node-rank=1", "--rdzv-endpoint=h", ...args]).notices;
  assertEquals(notices("--rdzv-backend=c10d"), []);
  assertEquals(notices("--rdzv-backend=etcd-v3"), []);
  for (const args of [["--rdzv-backend=etcd-v2"], ["--rdzv-backend=c10d", "--rdzv-conf=store_type=file"]]) {
    assertEquals(notices(...args), [
      "--node-rank is not used: in torchrun's own rendezvous it decides nothing",
    ]);
  }
});

Deno.test("checkCombinations() refuses back ends and endpoints that cannot be used", () => {
  assertEquals(findings(["--rdzv-backend=zookeeper"]).problems, [
    "--rdzv-backend must be one of static, c10d, etcd-v3, etcd-v2, etcd, since back ends from Python packages " +
    'can\'t be loaded: got "zookeeper"',
  ]);
  assertEquals(findings(["--rdzv-endpoint=host"]).problems, [
    '--rdzv-endpoint needs a port for static rendezvous, such as HOST:29500: got "host"',
  ]);
  assertEquals(findings([], { PET_MASTER_PORT: "70000" }).problems, [
    "PET_MASTER_PORT must be from 0 to 65535: got 70000",
  ]);
  assertEquals(
    findings(["--rdzv-backend=c10d", "--rdzv-endpoint=/shared/file", "--rdzv-conf=store_type=file"]),
    quiet,
  );
  const withoutFile = ["--rdzv-backend=c10d", "--rdzv-conf=store_type=file"];
  assertEquals(findings(withoutFile), quiet, "one node needs none");
  assertEquals(findings([...withoutFile, "--nnodes=2"]).problems, [
    "store_type=file needs the path of a file that all nodes share: --rdzv-endpoint has none",
  ]);
});

Deno.test("checkCombinations() refuses a program that is not Python where --local-rank would be appended", () => {
  const legacy = (...args: string[]) =>
    parseCommandLine([...args, "s"], {}, "legacy").problems.map(({ message }) => message);
  assertEquals(legacy("--no-python"), [
    "--no-python needs --use-env here: a program that is not Python gets no --local-rank=N",
  ]);
  assertEquals(legacy("--no-python", "--use-env"), []);
});

Deno.test("checkCombinations() says what has no effect", () => {
  const args = ["--start-method=fork"];
  assertEquals(findings(args, { PET_SIGNALS_TO_HANDLE: "SIGTERM,SIGFOO" }), {
    problems: [],
    notices: [
      "--start-method has no effect: workers are always programs started anew",
      'PET_SIGNALS_TO_HANDLE: there is no signal "SIGFOO" here; ignored',
    ],
  });
  assertEquals(findings(["--logs-specs=default", "--event-log-handler=console"]), quiet);
});
