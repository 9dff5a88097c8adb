/**
 * The real `deno compile`. It needs a part of Deno, `denort`, that is downloaded at first use from a host that
 * many networks can't reach (`DENORT_BIN` names a copy at hand). Without it nothing can be compiled, but that
 * everything could be is still proved: with any executable in that part's place the whole program is
 * checked and embedded; only the result is of no use.
 */

export interface CompileOptions {
  /** The checkout: where deno.json and deno.lock are. */
  readonly root: string;
  readonly entry: string;
  /** The executable to write: an absolute path. */
  readonly output: string;
}

/** Whether the executable was written, or why the runtime part could not be had. */
export type CompileResult =
  | { readonly kind: "compiled" }
  | { readonly kind: "no-runtime-part"; readonly reason: string };

/** A network that swallows packets must not hold the build for ever. */
const DOWNLOAD_LIMIT_MS = 120_000;

/** Compiles, or proves that it could. Throws with what Deno said when the program is at fault. */
export async function compile(options: CompileOptions): Promise<CompileResult> {
  // Into a directory of its own beside the output: Deno does not write over files that it did not make.
  const directory = await Deno.makeTempDir({ dir: options.output.slice(0, options.output.lastIndexOf("/")) });
  const output = `${directory}/compiled`;
  try {
    const failure = await denoCompile({ ...options, output }, {});
    if (failure === null) {
      await Deno.rename(output, options.output);
      return { kind: "compiled" };
    }
    const reason = withoutRuntimePart(failure);
    if (reason === undefined) throw new Error(`deno compile failed:\n${failure}`);
    const failedProof = await denoCompile({ ...options, output }, { DENORT_BIN: Deno.execPath() });
    if (failedProof !== null) throw new Error(`The program can't be compiled:\n${failedProof}`);
    return { kind: "no-runtime-part", reason };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** What Deno wrote when it failed, else null. */
async function denoCompile(options: CompileOptions, env: Record<string, string>): Promise<string | null> {
  const { root, entry, output } = options;
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["compile", "--quiet", "--allow-all", "--frozen", "--output", output, entry],
      cwd: root,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      signal: AbortSignal.timeout(DOWNLOAD_LIMIT_MS),
    }).output();
    return success ? null : new TextDecoder().decode(stderr);
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") return `${BASE}: no answer in time`;
    throw error;
  }
}

const BASE = "Setting up base binary";

/** The download's own failure, or undefined when Deno failed for another reason. */
function withoutRuntimePart(stderr: string): string | undefined {
  const at = stderr.indexOf(BASE);
  if (at < 0) return undefined;
  const [next] = stderr.slice(at + BASE.length).match(/[^.:\s].*/) ?? [];
  // What follows the address are the layers of the HTTP client.
  return next?.replace(/^\d+: /, "").split(": client error")[0] ?? "unknown reason";
}
