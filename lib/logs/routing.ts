/**
 * Where each stream of each worker goes: torchrun's rules for redirects, tee and the ranks filter (torchrun.md 5.2
 * and 5.4). What the launcher then does about it is lib/host/output.ts.
 */

/** torchrun's `Std`: 0 none, 1 stdout, 2 stderr, 3 both; by local rank with 0 for those not named. */
export type Masks = 0 | 1 | 2 | 3 | ReadonlyMap<number, 0 | 1 | 2 | 3>;

export interface RoutingSettings {
  readonly redirects: Masks;
  readonly tee: Masks;
  readonly localRanksFilter: readonly number[] | null;
  /** Global ranks that reach the console, as ranges; null: all. Ours, and so in force without a directory too. */
  readonly ranksShown: readonly { readonly first: number; readonly last: number }[] | null;
}

export type StreamName = "stdout" | "stderr";

export interface StreamRoute {
  /** The stream is kept in `<stream>.log`. */
  readonly toFile: boolean;
  /** As it is, with a label before each line, not at all, or not at all but kept for the failure report. */
  readonly toConsole: "raw" | "labelled" | "none" | "kept";
}

const MASK_BITS: Readonly<Record<StreamName, number>> = { stdout: 1, stderr: 2 };

/** Route of one stream; `hasLogDirectory` is false with `--log-dir=/dev/null`, which switches all options off. */
export function routeStream(
  settings: RoutingSettings,
  of: {
    readonly localRank: number;
    readonly rank: number;
    readonly stream: StreamName;
    readonly hasLogDirectory: boolean;
  },
): StreamRoute {
  const shown = isShown(settings, of.rank);
  const toConsole = shown ? "raw" : of.stream === "stderr" ? "kept" : "none";
  if (!of.hasLogDirectory) return { toFile: false, toConsole };
  const bit = MASK_BITS[of.stream];
  const isTeed = (maskOf(settings.tee, of.localRank) & bit) !== 0;
  const isRedirected = (maskOf(settings.redirects, of.localRank) & bit) !== 0;
  const isChosen = settings.localRanksFilter === null || settings.localRanksFilter.length === 0 ||
    settings.localRanksFilter.includes(of.localRank);
  if (isTeed) return { toFile: true, toConsole: isChosen && shown ? "labelled" : "none" };
  if (isRedirected) return { toFile: true, toConsole: "none" };
  return { toFile: false, toConsole: isChosen ? toConsole : "none" };
}

/** Whether the worker of global rank `rank` may reach the console. */
export function isShown({ ranksShown }: Pick<RoutingSettings, "ranksShown">, rank: number): boolean {
  return ranksShown === null || ranksShown.some(({ first, last }) => first <= rank && rank <= last);
}

function maskOf(masks: Masks, localRank: number): number {
  return typeof masks === "number" ? masks : masks.get(localRank) ?? 0;
}
