/** What `scripts/record_agents.ts` has recorded of real torchrun agents. */

const FOLDER = new URL("recordings", import.meta.url).pathname;

/** Every record that the agents of a release wrote, in the order of their writing. */
export function recordedRecords(release: string): Uint8Array[] {
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) =>
    name.startsWith(`${release}-`)
  );
  return names.sort().flatMap((name) =>
    Deno.readTextFileSync(`${FOLDER}/${name}`).split("\n").flatMap((line) => {
      const [, text] = line.match(/compareSet torch\.rendezvous\.job \S+ (\S+)/) ?? [];
      return text === undefined || text === "Y2FuaW1hZGFt" ? [] : [Uint8Array.fromBase64(text)];
    })
  );
}
