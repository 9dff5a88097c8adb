/**
 * How torchrun's agents wait for each other in the end, by keys of the round (`_exit_barrier`; torchrun.md 3.2): from
 * 2.4 on they count, up to 2.3 each leaves a key and then a second one when it has seen all others'.
 */

import type { KeyTalk } from "./key_talk.ts";

const STATE = "torchelastic/agent/terminal_state";

export interface ExitOptions {
  /** Of the round's keys, with its slash. */
  readonly prefix: string;
  readonly exchange: "assigned" | "gathered";
  readonly groupRank: number;
  readonly groupWorldSize: number;
}

/** Says that this node's workers have succeeded; `then` is called when all nodes' have, or with false after `limitMs`. */
export function reportExit(
  { prefix, exchange, groupRank, groupWorldSize }: ExitOptions,
  talk: KeyTalk,
  limitMs: number,
  then: (areAllDone: boolean) => void,
): void {
  if (exchange === "assigned") {
    const last = `${prefix}${STATE}/last_member`;
    talk.add(`${prefix}${STATE}/num_members`, 1, (sum) => {
      if (sum === groupWorldSize) talk.set([last, "<val_ignored>"]);
      talk.get([last], limitMs, (values) => then(values !== null));
    });
    return;
  }
  const ranks = Array.from({ length: groupWorldSize }, (_, rank) => rank);
  talk.set([`${prefix}${STATE}${groupRank}`, String(groupRank)]);
  talk.get(ranks.map((rank) => `${prefix}${STATE}${rank}`), limitMs, (values) => {
    if (values === null) return then(false);
    talk.set([`${prefix}${STATE}${groupRank}.FIN`, "FIN"]);
    then(true);
  });
}

/** `then` is called when all nodes of a round have succeeded, or with false after `limitMs`. */
export function awaitExits(
  { prefix, exchange, groupWorldSize }: Omit<ExitOptions, "groupRank">,
  talk: KeyTalk,
  limitMs: number,
  then: (areAllDone: boolean) => void,
): void {
  const ranks = Array.from({ length: groupWorldSize }, (_, rank) => rank);
  const keys = exchange === "assigned"
    ? [`${prefix}${STATE}/last_member`]
    : ranks.map((rank) => `${prefix}${STATE}${rank}`);
  talk.get(keys, limitMs, (values) => then(values !== null));
}

/** How many nodes have succeeded in the round. */
export function countExits(
  { prefix, exchange, groupWorldSize }: Omit<ExitOptions, "groupRank">,
  talk: KeyTalk,
  then: (count: number) => void,
): void {
  const ranks = Array.from({ length: groupWorldSize }, (_, rank) => rank);
  const keys = exchange === "assigned"
    ? [`${prefix}${STATE}/num_members`]
    : ranks.map((rank) => `${prefix}${STATE}${rank}`);
  talk.look(keys, (values) => {
    const [value] = values;
    then(exchange === "assigned" ? Number(value ?? 0) || 0 : values.filter((value) => value !== null).length);
  });
}
