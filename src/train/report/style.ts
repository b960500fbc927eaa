/** Of the page: light and dark by what the reader's system says. */
export const style = `
:root { color-scheme: light dark; --back: #fff; --text: #1a1d21; --dim: #667078; --line: #dfe3e7; --card: #f6f8fa; --learn: #c9efd3; --bar: #5b8def;
  --c0: #2563eb; --c1: #dc2626; --c2: #059669; --c3: #9333ea; --c4: #d97706; --c5: #0891b2; --c6: #be185d; --c7: #4d7c0f; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --text: #e6e9ec; --dim: #98a2ab; --line: #2c3238; --card: #1c2024; --learn: #1e4d2f; --bar: #7aa5f7;
  --c0: #7aa5f7; --c1: #f87171; --c2: #34d399; --c3: #c084fc; --c4: #fbbf24; --c5: #22d3ee; --c6: #f472b6; --c7: #a3e635; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1480px; padding: 24px; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 16px; margin: 0; } h2.part { font-size: 19px; margin: 36px 0 12px; }
.dim, .tick { color: var(--dim); fill: var(--dim); } .tick { font-size: 11px; }
.grid-of { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; min-width: 0; }
.card p { margin: 2px 0 6px; } svg { width: 100%; height: auto; display: block; }
.grid { stroke: var(--line); } .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .dashed { stroke-dasharray: 5 4; } .bar { fill: var(--bar); }
${Array.from({ length: 8 }, (_, i) => `.c${i} { stroke: var(--c${i}); } .dot.c${i}, .key.c${i} { fill: var(--c${i}); background: var(--c${i}); }`).join(' ')}
.key { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }
table { border-collapse: collapse; width: 100%; } td, th { padding: 4px 10px 4px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { margin: 6px 0; padding: 10px; background: var(--back); border: 1px solid var(--line); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.5 ui-monospace, monospace; }
mark { background: var(--learn); color: inherit; border-radius: 3px; } .code { color: var(--dim); border: 1px solid var(--line); border-radius: 3px; font-size: 11px; padding: 0 3px; }
.wide { grid-column: 1 / -1; }
`
