"""The style sheet of the page, for light and dark mode."""

CSS = """
:root {
  --page: #fbfbf9; --card: #fff; --ink: #1d2129; --soft: #666e7a; --rule: #e2e3e0;
  --one: #2563c9; --two: #c2580c; --three: #0f766e; --four: #9333a8; --bad: #c62828; --good: #1a7f4b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14161a; --card: #1c1f25; --ink: #e6e8eb; --soft: #9aa3af; --rule: #2f343c;
    --one: #7aa8f5; --two: #f0a35c; --three: #4fc3b5; --four: #d39be6; --bad: #ff8a80; --good: #6fd39b;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0 0 16px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 40px 0 4px; padding-top: 20px; border-top: 1px solid var(--rule); }
h3 { font-size: 15px; margin: 24px 0 8px; }
p { margin: 4px 0; }
.note, figcaption span, header span, dt, summary { color: var(--soft); font-size: 13px; }
.facts { display: flex; flex-wrap: wrap; gap: 10px 32px; margin: 0 0 24px; }
.facts dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 14px; }
figure, article { margin: 0; padding: 12px;
  background: var(--card); border: 1px solid var(--rule); border-radius: 8px; }
figcaption, article header { display: flex; justify-content: space-between; gap: 12px; flex-wrap: wrap; }
figcaption span { font-variant-numeric: tabular-nums; }
figure svg { display: block; width: 100%; height: auto; margin-top: 6px; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--rule); }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.line0 { stroke: var(--one); } .line1 { stroke: var(--two); } .line2 { stroke: var(--three); }
.line3 { stroke: var(--four); }
.dots { stroke: none; }
.dots.line0 { fill: var(--one); } .dots.line1 { fill: var(--two); } .dots.line2 { fill: var(--three); }
.dots.line3 { fill: var(--four); }
.key { font-weight: 600; }
.key.line0 { color: var(--one); } .key.line1 { color: var(--two); } .key.line2 { color: var(--three); }
.key.line3 { color: var(--four); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 14px; }
.wide { grid-column: 1 / -1; max-width: 760px; margin-top: 14px; }
.whisker { stroke-width: 3; stroke-opacity: .45; stroke-linecap: round; }
.diagonal { stroke: var(--soft); stroke-dasharray: 4 4; }
.words { fill: var(--one); fill-opacity: .45; }
td.why { color: var(--soft); font-size: 13px; text-align: left; white-space: normal; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
thead th { color: var(--soft); font-size: 13px; font-weight: 500; }
tbody th, thead th:first-child { text-align: left; font-weight: 500; }
td.bar { width: 30%; min-width: 90px; }
td.bar i { display: block; height: 9px; border-radius: 2px; background: var(--two); }
td.hit { color: var(--good); font-weight: 600; } td.miss { color: var(--bad); }
.cards { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(min(480px, 100%), 1fr)); }
article { min-width: 0; }
article header b { overflow-wrap: anywhere; }
audio { display: block; width: 100%; height: 36px; margin: 8px 0; }
.mel { display: block; border-radius: 4px; }
.piece0 { fill: var(--one); } .piece1 { fill: var(--two); }
article dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 10px 0 0; }
article dd { margin: 0; overflow-wrap: anywhere; }
del { color: var(--bad); text-decoration-thickness: 1px; }
ins { color: var(--good); text-decoration: underline; text-decoration-thickness: 1px; }
details { margin-top: 40px; border-top: 1px solid var(--rule); padding-top: 16px; }
summary { cursor: pointer; }
pre { overflow-x: auto; font-size: 12px; }
"""
