import { assertEquals } from "@std/assert";
import { routeStream, type RoutingSettings, type StreamName } from "../../lib/logs/routing.ts";

const NOTHING: RoutingSettings = { redirects: 0, tee: 0, localRanksFilter: null, ranksShown: null };

/** Routes of both streams of one worker as text, such as "raw file". */
function routes(settings: Partial<RoutingSettings>, localRank = 0, hasLogDirectory = true): string {
  return (["stdout", "stderr"] as StreamName[]).map((stream) => {
    const route = routeStream({ ...NOTHING, ...settings }, {
      localRank,
      rank: localRank + 10,
      stream,
      hasLogDirectory,
    });
    return `${route.toConsole}${route.toFile ? "+file" : ""}`;
  }).join(" ");
}

Deno.test("routeStream() follows torchrun's masks", () => {
  assertEquals(routes({}), "raw raw");
  assertEquals(routes({ redirects: 1 }), "none+file raw");
  assertEquals(routes({ redirects: 2 }), "raw none+file");
  assertEquals(routes({ redirects: 3 }), "none+file none+file");
  assertEquals(routes({ tee: 1 }), "labelled+file raw");
  assertEquals(routes({ tee: 3, redirects: 3 }), "labelled+file labelled+file");
  assertEquals(routes({ tee: 1, redirects: 2 }), "labelled+file none+file");
});

Deno.test("routeStream() takes masks by rank, also above 9, and none for those not named", () => {
  const settings = { redirects: new Map([[10, 3 as const]]), tee: new Map([[0, 1 as const]]) };
  assertEquals(routes(settings, 0), "labelled+file raw");
  assertEquals(routes(settings, 1), "raw raw");
  assertEquals(routes(settings, 10), "none+file none+file");
});

Deno.test("routeStream() keeps ranks that are not chosen off the console, but not out of their files", () => {
  assertEquals(routes({ localRanksFilter: [1], tee: 1 }, 0), "none+file none");
  assertEquals(routes({ localRanksFilter: [1], tee: 1 }, 1), "labelled+file raw");
  assertEquals(routes({ localRanksFilter: [], tee: 0 }, 0), "raw raw");
});

Deno.test("routeStream() leaves everything on the console without a log directory", () => {
  assertEquals(routes({ redirects: 3, tee: 3, localRanksFilter: [5] }, 0, false), "raw raw");
});

Deno.test("routeStream() shows the global ranks that were chosen, and keeps stderr of the others for the report", () => {
  const ranksShown = [{ first: 12, last: 14 }, { first: 10, last: 10 }];
  const chosen = [0, 1, 2, 4, 5].map((localRank) => routes({ ranksShown }, localRank));
  assertEquals(chosen, ["raw raw", "none kept", "raw raw", "raw raw", "none kept"]);
  assertEquals(routes({ ranksShown, tee: 3 }, 1), "none+file none+file");
  assertEquals(routes({ ranksShown, redirects: 1 }, 1), "none+file kept");
  assertEquals(routes({ ranksShown, localRanksFilter: [0] }, 2), "none none");
  assertEquals(routes({ ranksShown }, 1, false), "none kept");
});
