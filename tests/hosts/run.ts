/** Running one small command to its end; what it says on failure is the error. */

/** The programs that make hosts are in the folders for administrators. */
export const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Runs a command with `input` on its stdin and returns its output; throws with its stderr when it fails. */
export async function run(commandLine: readonly string[], input = ""): Promise<string> {
  const child = new Deno.Command(commandLine[0]!, {
    args: commandLine.slice(1),
    env: { PATH },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A command that does not read may be gone before the text is written.
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (code !== 0) throw new Error(`${commandLine.join(" ")}: code ${code}\n${text(stderr)}${input}`);
  return text(stdout);
}
