/**
 * The least that a launcher in Deno can do, as a measure for what muster adds: starts the workers, and when one
 * fails stops the others and starts all once more. Understands only what the figures pass.
 */

const count = Number(Deno.args.find((argument) => argument.startsWith("--nproc-per-node="))!.split("=")[1]);
const [program, ...args] = Deno.args.slice(Deno.args.indexOf("--no-python") + 1);

for (const attempt of [0, 1]) {
  const workers = Array.from({ length: count }, (_, rank) =>
    new Deno.Command(program!, {
      args,
      env: { RANK: `${rank}`, TORCHELASTIC_RESTART_COUNT: `${attempt}` },
      detached: true,
      stdin: "null",
    }).spawn());
  const allEnded = Promise.all(workers.map(({ status }) => status));
  const anyFailed = new Promise<void>((resolve) => {
    for (const { status } of workers) status.then(({ success }) => success || resolve());
  });
  const failed = await Promise.race([allEnded.then(() => false), anyFailed.then(() => true)]);
  if (!failed) break;
  for (const worker of workers) {
    try {
      worker.kill("SIGTERM");
    } catch {
      // It has ended.
    }
  }
  await allEnded;
}
