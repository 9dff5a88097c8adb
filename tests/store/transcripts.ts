/** Dialogues of real PyTorch clients and servers, as `scripts/record_wire.ts` writes them. */

import { concat } from "../../lib/core/bytes.ts";
import type { Dialect } from "../../lib/store/wire.ts";
import { fromHex } from "./wire_cases.ts";

export interface Transcript {
  readonly dialect: Dialect;
  readonly turns: readonly Turn[];
}

/** What one side said without being interrupted. */
export interface Turn {
  /** Which connection, from 1. */
  readonly connection: number;
  readonly from: "client" | "server";
  readonly bytes: Uint8Array;
}

const FOLDER = new URL("transcripts/", import.meta.url);

/** All recordings, by name. */
export function transcripts(): Map<string, Transcript> {
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort();
  return new Map(names.map((name) => {
    const text = Deno.readTextFileSync(new URL(name, FOLDER));
    const dialect = /^#.*: generation ([ABC])$/m.exec(text)![1]!.toLowerCase() as Dialect;
    return [name.replace(/\.txt$/, ""), { dialect, turns: turnsOf(text) }];
  }));
}

/** Pieces that follow each other on one side are one turn: how they were cut is chance. */
function turnsOf(text: string): Turn[] {
  const turns: Turn[] = [];
  for (const [, connection, mark, words] of text.matchAll(/^(\d+)([<>]) ([0-9a-f* ]*[0-9a-f])/gm)) {
    const turn = {
      connection: Number(connection),
      from: mark === ">" ? "client" as const : "server" as const,
      bytes: concat(words!.split(" ").map(piece)),
    };
    const last = turns.at(-1);
    if (last !== undefined && last.connection === turn.connection && last.from === turn.from) {
      turns[turns.length - 1] = { ...last, bytes: concat([last.bytes, turn.bytes]) };
    } else turns.push(turn);
  }
  return turns;
}

function piece(word: string): Uint8Array {
  const [pair, count] = word.split("*");
  return count === undefined ? fromHex(word) : fromHex(pair!.repeat(Number(count)));
}
