/**
 * What a user may have meant.
 *
 * The distance is written out here: the library's version is an npm package, and from source the first npm import
 * of a process costs every start 4 ms.
 */

/** The candidate with the fewest different characters; null when even that one has little in common with `word`. */
export function nearestWord(word: string, candidates: readonly string[]): string | null {
  let nearest: string | null = null;
  let smallest = Infinity;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    if (distance < smallest) [nearest, smallest] = [candidate, distance];
  }
  return smallest <= Math.max(1, word.length / 2) ? nearest : null;
}

/** Levenshtein's: how many characters must be put in, taken out or replaced. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const replaced = row[j]! + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(replaced, row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
