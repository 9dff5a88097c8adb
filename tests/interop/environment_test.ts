/**
 * What a worker sees, under torchrun and under muster, key by key: environment variables, arguments, working
 * directory, session, standard streams. Values that can't be equal are compared by their form.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { allEnded, FIXTURES, freePort, interopTest, type LauncherName, runLauncher } from "./harness.ts";

interface Description {
  readonly arguments: string[];
  readonly environment: Record<string, string>;
  readonly workingDirectory: string;
  readonly executable: string;
  readonly isSessionLeader: boolean;
  readonly isUnbuffered: boolean;
  readonly runName: string;
  readonly standardInput: string;
  readonly terminals: boolean[];
}

interface Case {
  readonly name: string;
  /** Options before the script. */
  readonly options: readonly string[];
  readonly scriptArguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Names of the files that the workers must leave: `<rank>.<attempt>`. */
  readonly workers: readonly string[];
  /** Variables with a fixed value that would be compared by form otherwise. */
  readonly exact?: readonly string[];
  /** What else differs on purpose: muster's values. */
  readonly onlyUnderMuster?: Partial<Description>;
  /** For runs that need the same port. */
  readonly oneAfterTheOther?: boolean;
  /** Variables that differ on purpose: what torchrun and muster give. README's table lists them. */
  readonly differences?: Readonly<Record<string, { readonly torchrun: RegExp; readonly muster: RegExp }>>;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Forms of the values that can't be equal in two runs. */
const FORMS: Readonly<Record<string, RegExp>> = {
  // torchrun gives the host's own name, here `localhost`; muster an address that needs no resolver.
  MASTER_ADDR: /^(localhost|127\.0\.0\.1)$/,
  MASTER_PORT: /^\d{4,5}$/,
  TORCHELASTIC_RUN_ID: UUID,
  TORCHELASTIC_ERROR_FILE: /^\/.+\/[^/]+_[A-Za-z0-9_]{8,16}\/attempt_\d\/\d\/error\.json$/,
  TORCHELASTIC_TIMER_FILE: /^\/.+/,
};

/** What the harness gives each run for itself. */
const OF_THE_HARNESS = ["TMPDIR", "MUSTER_TEST_MARK", "DESCRIBE_DIRECTORY"];

const CASES: readonly Case[] = [
  { name: "one worker", options: [], workers: ["0.0"] },
  { name: "two workers", options: ["--nproc-per-node", "2"], workers: ["0.0", "1.0"] },
  { name: "--standalone", options: ["--standalone", "--nproc-per-node=2"], workers: ["0.0", "1.0"] },
  {
    name: "role, restarts and signals",
    options: ["--standalone", "--role=trainer", "--max-restarts=3", "--signals-to-handle=SIGTERM,SIGUSR2"],
    workers: ["0.0"],
  },
  {
    name: "a second attempt",
    options: ["--standalone", "--nproc-per-node=2", "--max-restarts=1"],
    environment: { FAIL_BEFORE_ATTEMPT: "1" },
    workers: ["0.0", "1.0", "0.1", "1.1"],
  },
  {
    name: "c10d with an id",
    options: ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--rdzv-id=job7", "--nnodes=1:1"],
    exact: ["TORCHELASTIC_RUN_ID"],
    workers: ["0.0"],
  },
  {
    name: "static, which keeps its address and port",
    options: ["--master-addr=127.0.0.1", `--master-port=${freePort()}`, "--rdzv-id=job8"],
    oneAfterTheOther: true,
    exact: ["MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID"],
    workers: ["0.0"],
  },
  {
    name: "an id on one node, which torchrun replaces",
    options: ["--rdzv-id=mine"],
    differences: { TORCHELASTIC_RUN_ID: { torchrun: UUID, muster: /^mine$/ } },
    workers: ["0.0"],
  },
  {
    name: "variables that are there already",
    options: ["--standalone", "--nproc-per-node=2"],
    environment: {
      ...{ OMP_NUM_THREADS: "4", TORCH_NCCL_ASYNC_ERROR_HANDLING: "0", RANK: "17", MASTER_ADDR: "elsewhere" },
      ...{ WORLD_SIZE: "99", TORCHELASTIC_RESTART_COUNT: "5", PYTHONPATH: "/nowhere", EMPTY: "" },
    },
    workers: ["0.0", "1.0"],
  },
  {
    name: "no sharing of the store",
    options: ["--standalone"],
    environment: { TORCH_DISABLE_SHARE_RDZV_TCP_STORE: "1" },
    workers: ["0.0"],
  },
  {
    name: "no log directory",
    options: ["--standalone", "--log-dir=/dev/null"],
    exact: ["TORCHELASTIC_ERROR_FILE"],
    workers: ["0.0"],
  },
  {
    name: "--virtual-local-rank",
    options: ["--standalone", "--nproc-per-node=2", "--virtual-local-rank"],
    environment: { CUDA_VISIBLE_DEVICES: "3,5" },
    workers: ["0.0", "1.0"],
  },
  {
    name: "--virtual-local-rank on AMD devices",
    options: ["--standalone", "--nproc-per-node=2", "--virtual-local-rank"],
    environment: { HIP_VISIBLE_DEVICES: "6,7" },
    workers: ["0.0", "1.0"],
  },
  {
    name: "the file timer",
    options: ["--standalone"],
    environment: { TORCHELASTIC_ENABLE_FILE_TIMER: "1" },
    workers: ["0.0"],
  },
  {
    name: "PET variables",
    options: [],
    environment: { PET_NPROC_PER_NODE: "2", PET_STANDALONE: "1", PET_ROLE: "from_env" },
    workers: ["0.0", "1.0"],
  },
  {
    name: "the script's arguments",
    options: ["--standalone", "--nproc-per-node=2"],
    scriptArguments: ["--nnodes", "7", "${local_rank}", "$local_rank.pt", "$HOME", "$$", "a b", ""],
    workers: ["0.0", "1.0"],
  },
  {
    name: "--run-path, whose workers torchrun keeps in its own session and lets buffer their output",
    options: ["--standalone", "--run-path"],
    workers: ["0.0"],
    onlyUnderMuster: { isSessionLeader: true, isUnbuffered: true },
  },
];

for (const testCase of CASES) {
  interopTest(`workerEnvironment() is torchrun's: ${testCase.name}`, async () => {
    const theirRun = describe("torchrun", testCase);
    if (testCase.oneAfterTheOther) await theirRun;
    const [theirs, ours] = await allEnded([theirRun, describe("muster", testCase)]);
    for (const worker of testCase.workers) compare(theirs.get(worker)!, ours.get(worker)!, testCase, worker);
  });
}

interopTest("muster launch passes the local rank as torch.distributed.launch does", async () => {
  const testCase: Case = {
    name: "legacy",
    options: ["--nproc-per-node=2"],
    scriptArguments: ["--epochs", "3"],
    workers: ["0.0", "1.0"],
  };
  const [theirs, ours] = await allEnded([
    describe("torch.distributed.launch", testCase),
    describe("muster launch", testCase),
  ]);
  for (const worker of testCase.workers) compare(theirs.get(worker)!, ours.get(worker)!, testCase, worker);
  assertEquals(ours.get("1.0")!.arguments, ["--local-rank=1", "--epochs", "3"]);
});

/** Runs the case and returns what its workers saw, by `<rank>.<attempt>`. */
async function describe(launcher: LauncherName, testCase: Case): Promise<Map<string, Description>> {
  const directory = await Deno.makeTempDir({ prefix: "muster-describe-" });
  try {
    const script = [`${FIXTURES}/describe_worker.py`, ...(testCase.scriptArguments ?? [])];
    const run = await runLauncher(launcher, [...testCase.options, ...script], {
      cwd: FIXTURES,
      env: { ...testCase.environment, DESCRIBE_DIRECTORY: directory },
    });
    assertEquals(run.code, 0, `${launcher} ended with ${run.code}:\n${run.stderr}`);
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name.replace(".json", "")).sort();
    assertEquals(names, [...testCase.workers].sort(), `workers of ${launcher}`);
    return new Map(
      names.map((
        name,
      ) => [name, JSON.parse(Deno.readTextFileSync(`${directory}/${name}.json`)) as Description]),
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function compare(theirs: Description, ours: Description, testCase: Case, worker: string): void {
  const { environment: theirEnvironment, ...theirRest } = theirs;
  const { environment: ourEnvironment, ...ourRest } = ours;
  assertEquals(ourRest, { ...theirRest, ...testCase.onlyUnderMuster }, `worker ${worker}`);
  assertEquals(
    comparable("muster", ourEnvironment, testCase),
    comparable("torchrun", theirEnvironment, testCase),
    `environment of worker ${worker}`,
  );
}

/** The environment with everything replaced that was checked by its form. */
function comparable(
  launcher: "torchrun" | "muster",
  environment: Record<string, string>,
  testCase: Case,
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (OF_THE_HARNESS.includes(name)) continue;
    const difference = testCase.differences?.[name];
    const form = difference?.[launcher] ?? (testCase.exact?.includes(name) ? undefined : FORMS[name]);
    if (form !== undefined) assertMatch(value, form, `${name} under ${launcher}`);
    result[name] = form === undefined ? value : "(form checked)";
  }
  // muster's own mark, by which it finds what it started, and where the tests have it keep things.
  for (const name of Object.keys(result)) if (name.startsWith("MUSTER_")) delete result[name];
  return result;
}
