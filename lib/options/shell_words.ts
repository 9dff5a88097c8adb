/** Words as a shell reads them, so that a command that is shown can be copied and run. */

export function shellCommand(words: readonly string[]): string {
  return words.map(shellWord).join(" ");
}

/** `word` as it is where it means nothing else to a shell, in single quotes otherwise. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
