/**
 * One JavaScript file of the whole launcher, made by `deno bundle`. Modules that are imported when they are needed
 * (`await import`) are in the file, but run only then.
 *
 * Rules: equal sources give equal bytes, wherever the package cache is; nothing of Node's is loaded at start.
 */

import { notices } from "./notices.ts";

export interface BundleOptions {
  /** The checkout: where deno.json and deno.lock are. */
  readonly root: string;
  readonly entry: string;
  readonly version: string;
  /** Another package cache than the user's, for the test that it makes no difference. */
  readonly denoDirectory?: string;
}

/** The bundle's text, with the notices in front. Throws with what `deno bundle` said when it can't be made. */
export async function bundle(options: BundleOptions): Promise<string> {
  const { root, entry, version, denoDirectory } = options;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    // For a browser: so that no shim of Node's modules is put in front.
    args: ["bundle", "--quiet", "--platform", "browser", "--frozen", entry],
    cwd: root,
    env: { NO_COLOR: "1", ...(denoDirectory === undefined ? {} : { DENO_DIR: denoDirectory }) },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`deno bundle failed:\n${decoder.decode(stderr)}`);
  const { code, packages } = withoutCachePaths(decoder.decode(stdout));
  refuseStaticImports(code);
  return `/*!\n${notices(version, packages)}\n*/\n${code}`;
}

/**
 * The bundle names each module by its path from the checkout. Those of packages tell where the package cache is,
 * so they are cut down to package and version.
 */
function withoutCachePaths(code: string): { code: string; packages: string[] } {
  const packages = new Set<string>();
  const cachePath = /^(\/\/ | {2}")[^"\n]*\/npm\/[^/\n]+\/((?:@[^/\n]+\/)?[^/\n]+)\/(\d[^/\n]*\/)/gm;
  const shortened = code.replace(cachePath, (_, before: string, name: string, versionAndSlash: string) => {
    packages.add(name);
    return `${before}npm:${name}@${versionAndSlash}`;
  });
  return { code: shortened, packages: [...packages].sort() };
}

/** An import statement in a module that is imported lazily ends up at the top of the bundle all the same. */
function refuseStaticImports(code: string): void {
  const found = code.match(/^import\b[^(\n]*["']([^"'\n]+)["'];?$/m);
  if (found !== null) {
    throw new Error(
      `The bundle would load ${found[1]} at every start: import it where it is needed, await import("${
        found[1]
      }")`,
    );
  }
}
