/**
 * Makes processes that no signal reaches: the freezer of version 1 control groups holds them in uninterruptible
 * sleep, SIGKILL included, until they are thawed. Needs the rights to make a group.
 */

const ROOT = "/sys/fs/cgroup/freezer";

export interface Freezer extends AsyncDisposable {
  freeze(pid: number): void;
  thaw(): void;
}

/** Whether this machine lets us; says so where it does not. */
export function canFreeze(): boolean {
  const directory = newDirectory();
  try {
    Deno.mkdirSync(directory);
    Deno.removeSync(directory);
    return true;
  } catch {
    console.log("Left out: no process can be frozen here (cgroup v1 freezer)");
    return false;
  }
}

/** A new group. Whoever is in it at the end is thawed and killed. */
export function newFreezer(): Freezer {
  const directory = newDirectory();
  Deno.mkdirSync(directory);
  const thaw = () => Deno.writeTextFileSync(`${directory}/freezer.state`, "THAWED");
  return {
    freeze(pid) {
      Deno.writeTextFileSync(`${directory}/cgroup.procs`, String(pid));
      Deno.writeTextFileSync(`${directory}/freezer.state`, "FROZEN");
    },
    thaw,
    async [Symbol.asyncDispose]() {
      thaw();
      for (let left = members(directory); left.length > 0; left = members(directory)) {
        left.forEach(kill);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await Deno.remove(directory);
    },
  };
}

function newDirectory(): string {
  return `${ROOT}/muster-test-${crypto.randomUUID()}`;
}

function members(directory: string): number[] {
  return Deno.readTextFileSync(`${directory}/cgroup.procs`).split("\n").filter((pid) => pid !== "").map(
    Number,
  );
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // Gone in the meantime.
  }
}
