/** The `muster` executable: arguments in, exit code out. Every decision is in lib. */

import { runCommand } from "./lib/host/run_command.ts";

Deno.exit(await runCommand(Deno.args));
