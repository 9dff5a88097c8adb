/** `muster store` as a client of PyTorch's own servers, of every generation. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { LAUNCHERS, runProgram } from "./harness.ts";
import { nameOf, PYTORCH_SERVERS, releaseTest, withPytorchServer } from "./torch_releases.ts";

for (const server of PYTORCH_SERVERS) {
  const { release, dialect } = server;
  releaseTest(
    release,
    `muster store asks PyTorch's server ${nameOf(server)}`,
    () =>
      withPytorchServer(server, async (port) => {
        const told = dialect === "c" ? [] : ["--store-dialect", dialect];
        const ask = async (operation: string, ...words: string[]) => {
          const address = `127.0.0.1:${port}`;
          const run = await runProgram([...LAUNCHERS.muster, "store", operation, address, ...words, ...told]);
          return `${run.stdout}${run.stderr}= ${run.code}`;
        };
        assertEquals(await ask("set", "greeting", "grüße\n1"), "= 0");
        assertEquals(await ask("get", "greeting", "--json"), '{"key":"greeting","text":"grüße\\n1"}\n= 0');
        assertEquals(await ask("add", "n", "-5"), "-5\n= 0");
        assertEquals(await ask("wait", "greeting", "n"), "= 0");
        assertEquals(
          await ask("get", "absent", "--timeout", "0.3"),
          "muster store: Not in the store after 300 ms: absent\n= 1",
        );
        assertEquals(await ask("delete", "n", "absent"), "1 of 2 deleted\n= 0");
        const dump = await ask("dump");
        if (release === "2.15") {
          assertEquals(await ask("list", "g"), "greeting\n= 0");
          assertStringIncludes(dump, "greeting\tgrüße\\n1\n");
          assertMatch(dump, /= 0$/);
        } else if (dialect === "c") {
          assertMatch(
            dump,
            /^muster store: The connection .*; PyTorch's servers can list their keys from 2\.15 on\n= 71$/,
          );
        } else {
          assertMatch(
            dump,
            /^muster store: The store at .* speaks generation [AB] .*, without listKeys\n= 71$/,
          );
        }
      }),
  );
}
