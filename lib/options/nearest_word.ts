/** What a user may have meant. */

import { levenshteinDistance } from "@std/text/levenshtein-distance";

/** The candidate with the fewest different characters; null when even that one has little in common with `word`. */
export function nearestWord(word: string, candidates: readonly string[]): string | null {
  let nearest: string | null = null;
  let smallest = Infinity;
  for (const candidate of candidates) {
    const distance = levenshteinDistance(word, candidate);
    if (distance < smallest) [nearest, smallest] = [candidate, distance];
  }
  return smallest <= Math.max(1, word.length / 2) ? nearest : null;
}
