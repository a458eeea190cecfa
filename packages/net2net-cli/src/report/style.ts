/** The report's style sheet: light, dark, print; the colours of the series are told apart by dash too. */
export const light = `
--paper:#fbfaf8;--surface:#fff;--ink:#1d1c1a;--muted:#66625a;--line:#e6e3dc;--line-strong:#c4c0b6;
--accent:#1d4f91;--widened:#1a5fb4;--inserted:#b34a00;--kept:#c9c5bc;
--series-1:#55524b;--series-2:#d07a00;--series-3:#1a5fb4;--series-4:#b3267a;
--series-5:#0f7a5c;--series-6:#6b3fa0;--series-7:#8a6d00;--series-8:#1b8aa6;color-scheme:light;`
export const dark = `
--paper:#141517;--surface:#1b1d20;--ink:#eceae5;--muted:#a6a29a;--line:#2b2e32;--line-strong:#4b4f55;
--accent:#8bb8f4;--widened:#82b4f7;--inserted:#f2a65a;--kept:#5a5d61;
--series-1:#b9b5ac;--series-2:#f2a65a;--series-3:#82b4f7;--series-4:#f08cc4;
--series-5:#5fcfa9;--series-6:#c3a1ee;--series-7:#d9c25c;--series-8:#6fcbe2;color-scheme:dark;`

export const style = `
:root{${light}}
@media (prefers-color-scheme:dark){@media screen{:root{${dark}}}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.6 "Inter Variable",Inter,ui-sans-serif,system-ui,-apple-system,"Segoe UI",sans-serif;
-webkit-font-smoothing:antialiased}
main{max-width:880px;margin:0 auto;padding:56px 24px 80px;overflow-wrap:anywhere}
h1{font-size:30px;line-height:1.2;letter-spacing:-.02em;font-weight:650;margin:0 0 6px}
h2{font-size:19px;letter-spacing:-.012em;font-weight:620;margin:52px 0 6px}
p{margin:6px 0}
.kicker,.note,figcaption{color:var(--muted);font-size:14px}
.question{font-size:18px;margin-top:26px;color:var(--muted);max-width:38em}
.answer{font-size:18px;margin:8px 0 0;max-width:38em}
.scroll{overflow-x:auto;margin-top:12px}
table{border-collapse:collapse;width:100%;overflow-wrap:normal;font-size:13.5px;font-variant-numeric:tabular-nums}
th{text-align:left;font-weight:500}
thead th{color:var(--muted);vertical-align:bottom}
th,td{padding:7px 8px;border-bottom:1px solid var(--line);white-space:nowrap}
thead tr:first-child th[colspan]{border-bottom:0;padding-bottom:0}
.number{text-align:right}
td small{display:block;color:var(--muted);font-size:11.5px;white-space:normal}
.seed{color:var(--muted);font-style:italic}
.key{vertical-align:middle;margin-right:6px}
td:first-child,th:first-child{padding-left:0}.chart .role-axis-grid line{opacity:.6}
.legend{display:flex;flex-wrap:wrap;gap:2px 20px;font-size:14px;margin:10px 0 4px;padding:0;list-style:none}
figure{margin:18px 0 0}
figure svg{display:block;width:100%;height:auto}
.chart svg text{font-family:inherit!important}
.architectures{display:grid;gap:10px}
.kept{fill:var(--kept)}.widened{fill:var(--widened)}.inserted{fill:var(--inserted)}
.wire{stroke:var(--line-strong);stroke-width:1.5}
.architectures text{font-size:11.5px;text-anchor:middle;fill:var(--muted)}
.architectures text.size{fill:var(--ink);font-variant-numeric:tabular-nums}
.swatches span{display:inline-flex;align-items:center;gap:6px;margin-right:18px}
.swatches svg{width:11px;height:11px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;font-size:14px;margin:12px 0 0}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
code{font-family:"JetBrains Mono Variable",ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.9em}
@media (max-width:560px){main{padding:32px 16px 56px}h1{font-size:25px}.question,.answer{font-size:16.5px}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}.chart .scroll svg{min-width:520px}}
@media print{body{background:#fff;font-size:11pt}table{font-size:9pt}th,td{padding:4px 6px}main{max-width:none;padding:0}h2{break-after:avoid}figure,tr{break-inside:avoid}.scroll{overflow:visible}}
`
