/**
 * Makes processes that no signal reaches: the freezer of version 1 control groups holds them in uninterruptible
 * sleep, SIGKILL included, until they are thawed. Needs the rights to make a group.
 */

const ROOT = "/sys/fs/cgroup/freezer";

export interface Freezer extends Disposable {
  freeze(pid: number): void;
  thaw(): void;
}

/** Whether this machine lets us; says so where it does not. */
export function canFreeze(): boolean {
  try {
    newFreezer()[Symbol.dispose]();
    return true;
  } catch {
    console.log("Left out: no process can be frozen here (cgroup v1 freezer)");
    return false;
  }
}

export function newFreezer(): Freezer {
  const directory = `${ROOT}/muster-test-${crypto.randomUUID()}`;
  Deno.mkdirSync(directory);
  const thaw = () => Deno.writeTextFileSync(`${directory}/freezer.state`, "THAWED");
  return {
    freeze(pid) {
      Deno.writeTextFileSync(`${directory}/cgroup.procs`, String(pid));
      Deno.writeTextFileSync(`${directory}/freezer.state`, "FROZEN");
    },
    thaw,
    [Symbol.dispose]() {
      thaw();
      // Whoever is still in it goes where he came from.
      for (const pid of Deno.readTextFileSync(`${directory}/cgroup.procs`).split("\n")) {
        if (pid !== "") Deno.writeTextFileSync(`${ROOT}/cgroup.procs`, pid);
      }
      Deno.removeSync(directory);
    },
  };
}
