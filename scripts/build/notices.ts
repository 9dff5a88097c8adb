/**
 * The licences of what the artefacts contain. They stand at the top of the bundle, which is in all of them.
 *
 * Rule: a package that is bundled without an entry here fails the build.
 */

/** Copyright lines of the npm packages that the bundle may contain, under the MIT licence unless they name another. */
const PACKAGES: Readonly<Record<string, string>> = {
  "@logtape/logtape": "Copyright 2024-2026 Hong Minhee",
  "@noble/hashes": "Copyright 2022 Paul Miller (https://paulmillr.com)",
  "deno-std": "Copyright 2018-2026 the Deno authors",
  "prom-client": "Copyright 2015 Simon Nyberg, under the Apache License 2.0",
};

const MIT =
  `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation
the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to
permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of
the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO
THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT,
TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`;

/** The notices for a bundle of `packages` (npm names), as text. Throws when one of them is unknown. */
export function notices(version: string, packages: readonly string[]): string {
  const lines = packages.map((name) => {
    const copyright = PACKAGES[name];
    if (copyright === undefined) {
      throw new Error(`Add the licence of npm package ${name} to scripts/build/notices.ts`);
    }
    return `- ${name}: ${copyright}`;
  });
  return `muster ${version}, under the Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0).
It contains, under the MIT licence below unless another is named,
${lines.join("\n")}
- in the executables, the Deno runtime: Copyright 2018-2026 the Deno authors (its own parts: https://deno.com)

${MIT}`;
}
