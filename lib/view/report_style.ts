/** How the report's page looks: light or dark as the reader's system, readable on paper too. No fonts, nothing fetched. */

export const REPORT_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --panel: #f6f7f9; --ink: #1c2128; --muted: #667080; --line: #dfe3e8;
  --running: #3572c6; --succeeded: #3f9a6b; --failed: #cf3d34; --stopped: #94b4de; --lost: #f3c65f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171c; --panel: #1c2027; --ink: #e4e8ee; --muted: #939dab; --line: #303640;
    --running: #5b97e6; --succeeded: #55b586; --failed: #f0685d; --stopped: #3f5f8c; --lost: #b58a2d;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 32px 24px 64px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 14px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 40px 0 4px; }
.badge { padding: 2px 12px; border-radius: 999px; color: #ffffff; font-weight: 600; font-size: 14px; }
.badge.succeeded { background: #2f8158; } .badge.failed { background: #c2352d; }
.badge.stopped, .badge.unknown { background: #687382; }
.muted, .note { color: var(--muted); }
.note { margin: 0 0 10px; font-size: 13.5px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 24px 0 0; }
.tile { background: var(--panel); border-radius: 10px; padding: 12px 16px; }
.tile b { display: block; font-size: 21px; font-weight: 650; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile span { color: var(--muted); font-size: 13px; }
.cause {
  margin: 20px 0 0; padding: 14px 18px; border-radius: 10px; background: var(--panel); border-left: 5px solid var(--failed);
  overflow-wrap: anywhere;
}
.cause b { font-weight: 650; }
svg { display: block; width: 100%; min-width: 640px; height: auto; }
svg text { fill: var(--muted); font-size: 12px; font-family: inherit; font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .axis { stroke: var(--muted); stroke-width: 1; }
svg .area { fill: var(--running); fill-opacity: .18; } svg .edge { fill: none; stroke: var(--running); stroke-width: 2; }
svg .lost { fill: var(--lost); fill-opacity: .45; } svg .round { stroke: var(--muted); stroke-dasharray: 3 4; }
svg .running { fill: var(--running); } svg .succeeded { fill: var(--succeeded); }
svg .failed { fill: var(--failed); } svg .stopped { fill: var(--stopped); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--muted); font-size: 13px; margin: 6px 0 8px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--muted); font-size: 13px; }
th, td { padding: 6px 16px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; } td.time { white-space: nowrap; color: var(--muted); }
td.text { overflow-wrap: anywhere; min-width: 220px; }
.word { font-weight: 600; } .word.failed { color: var(--failed); } .word.succeeded { color: var(--succeeded); }
.word.stopped { color: var(--muted); }
footer { margin-top: 48px; color: var(--muted); font-size: 13px; }
@media print { main { max-width: none; padding: 0; } .tile, .cause { border: 1px solid var(--line); } h2 { break-after: avoid; } }
`.trim();
