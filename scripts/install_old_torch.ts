/**
 * `deno run -A scripts/install_old_torch.ts`: installs the PyTorch releases whose stores and agents the tests talk to,
 * each in `torch-RELEASE` beside PyTorch 2.15, outside the checkout. What is there is kept; what can't be had is told and
 * left out.
 *
 * The wheels of 2.0 to 2.6 load all of CUDA when they are imported, gigabytes that a store never calls: only the small
 * parts are installed, and empty libraries from the C compiler stand in for the large ones. 1.13 is Debian 12's
 * `python3-torch`, unpacked and not installed: nothing of the system changes.
 */

import { OLD_RELEASES, pythonOf, RELEASES_HOME } from "../tests/interop/torch_releases.ts";

const CUDA_11 = ["nvidia-cuda-runtime-cu11==11.7.99", "nvidia-cuda-cupti-cu11==11.7.101"];
const CUDA_12 = ["nvidia-cuda-runtime-cu12==12.1.105", "nvidia-cuda-cupti-cu12==12.1.105"];
const PURE_PYTHON = ["typing_extensions", "sympy", "mpmath"];

/** What each wheel needs for its import, and the libraries that it must find and never calls. */
const WHEELS: Readonly<
  Record<string, { readonly packages: readonly string[]; readonly absent: readonly string[] }>
> = {
  "2.0.1": {
    packages: [...CUDA_11, "nvidia-nvtx-cu11==11.7.91"],
    absent: ["cublas.so.11", "cublasLt.so.11", "cufft.so.10", "cusparse.so.11"],
  },
  "2.1.0": {
    packages: [...CUDA_12, "nvidia-nvtx-cu12==12.1.105"],
    absent: ["cublas.so.12", "cublasLt.so.12", "cufft.so.11", "cusparse.so.12"],
  },
  "2.2.0": {
    packages: [...CUDA_12, "nvidia-nvtx-cu12==12.1.105"],
    absent: ["cublas.so.12", "cublasLt.so.12", "cufft.so.11", "cusparse.so.12"],
  },
  "2.6.0": {
    packages: [
      ...[
        "nvidia-cuda-runtime-cu12==12.4.127",
        "nvidia-cuda-cupti-cu12==12.4.127",
        "nvidia-nvtx-cu12==12.4.127",
      ],
      ...["filelock", "jinja2", "MarkupSafe", "networkx", "fsspec"],
    ],
    absent: [
      ...[
        "cublas.so.12",
        "cublasLt.so.12",
        "cufft.so.11",
        "cusparse.so.12",
        "cusolver.so.11",
        "cusparseLt.so.0",
      ],
      ...["cudnn.so.9", "nvrtc.so.12"],
    ],
  },
};
const ABSENT_EVERYWHERE = ["cudnn.so.8", "curand.so.10", "nccl.so.2"];

/** The only functions whose addresses PyTorch takes when it is loaded. All others are looked up when they are called: */
const STAND_IN =
  "void cudnnGetRNNLinLayerMatrixParams(void) {}\nvoid cudnnGetRNNLinLayerBiasParams(void) {}\n";
/** so long as Python, which would look them up at once, is told to leave that. */
const SITE_CUSTOMIZE = "import os\nimport sys\n\nsys.setdlopenflags(os.RTLD_LAZY)\n";

const DEBIAN_PACKAGE = "python3-torch";
const DEBIAN_PYTHON = `#!/bin/sh
root=$(cd "$(dirname "$0")/.." && pwd)
libraries=$root/usr/lib/x86_64-linux-gnu
export PYTHONPATH=$root/usr/lib/python3/dist-packages
export LD_LIBRARY_PATH=$libraries:$libraries/blas:$libraries/lapack:$root/usr/lib:$root/lib/x86_64-linux-gnu
exec python3.11 "$@"
`;

async function main(): Promise<void> {
  await Deno.mkdir(RELEASES_HOME, { recursive: true });
  await Promise.all(OLD_RELEASES.map(async (release) => {
    if (await exists(pythonOf(release))) return;
    const target = `${RELEASES_HOME}/torch-${release}`;
    // Made beside and moved into place, so that an interrupted installation is not mistaken for one.
    const draft = `${target}.unfinished`;
    try {
      await removeIfThere(draft);
      await (release in WHEELS ? installWheel(release, draft) : unpackDebian(release, draft));
      await run([`${draft}/bin/python`, "-c", "import torch.distributed"]);
      await removeIfThere(target);
      await Deno.rename(draft, target);
      console.log(`PyTorch ${release}: ${target}`);
    } catch (error) {
      console.error(
        `PyTorch ${release} can't be had here: ${error instanceof Error ? error.message : error}`,
      );
    }
  }));
}

async function installWheel(release: string, folder: string): Promise<void> {
  const { packages, absent } = WHEELS[release]!;
  await run(["python3.11", "-m", "venv", folder]);
  const python = `${folder}/bin/python`;
  const options = ["--quiet", "--no-deps", "--no-cache-dir", "--no-compile"];
  await run([python, "-m", "pip", "install", ...options, `torch==${release}`, ...packages, ...PURE_PYTHON]);
  const sitePackages = `${folder}/lib/python3.11/site-packages`;
  await Deno.writeTextFile(`${sitePackages}/sitecustomize.py`, SITE_CUSTOMIZE);
  const libraries = `${sitePackages}/torch/lib`;
  for (const name of [...absent, ...ABSENT_EVERYWHERE]) {
    // Versioned by its name, as the real ones are: the loader insists on it.
    const options = ["-shared", "-nostdlib", `-Wl,-soname,lib${name}`, "-Wl,--default-symver"];
    await run(["cc", ...options, "-o", `${libraries}/lib${name}`, "-x", "c", "-"], { stdin: STAND_IN });
  }
}

async function unpackDebian(release: string, folder: string): Promise<void> {
  const wanted = await packagesToUnpack().catch(async () => {
    await run(["apt-get", "update", "-qq"]);
    return await packagesToUnpack();
  });
  const version = wanted.get(DEBIAN_PACKAGE);
  if (!version?.startsWith(release)) {
    throw new Error(`Debian's ${DEBIAN_PACKAGE} is ${version ?? "installed already, or not to be had"}`);
  }
  const archives = `${folder}/archives`;
  await Deno.mkdir(archives, { recursive: true });
  await run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", ...wanted.keys()], {
    cwd: archives,
  });
  for (const { name } of Deno.readDirSync(archives)) {
    await run(["dpkg-deb", "-x", `${archives}/${name}`, folder]);
  }
  await Deno.remove(archives, { recursive: true });
  await Deno.mkdir(`${folder}/bin`);
  await Deno.writeTextFile(`${folder}/bin/python`, DEBIAN_PYTHON, { mode: 0o755 });
}

/** Packages that Debian would install for PyTorch, with their versions. */
async function packagesToUnpack(): Promise<Map<string, string>> {
  const plan = await run(["apt-get", "install", "-s", "-qq", "--no-install-recommends", DEBIAN_PACKAGE]);
  return new Map(
    [...plan.matchAll(/^Inst (\S+) .*?\((\S+)/gm)].map(([, name, version]) => [name!, version!]),
  );
}

interface RunOptions {
  readonly cwd?: string;
  readonly stdin?: string;
}

/** Runs a program and returns its standard output; throws what it complains of. */
async function run([program, ...args]: readonly string[], { cwd, stdin }: RunOptions = {}): Promise<string> {
  const child = new Deno.Command(program!, {
    args,
    ...(cwd === undefined ? {} : { cwd }),
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (stdin !== undefined) await new Response(stdin).body!.pipeTo(child.stdin);
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function removeIfThere(path: string): Promise<void> {
  if (await exists(path)) await Deno.remove(path, { recursive: true });
}

await main();
