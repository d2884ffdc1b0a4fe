/** The look of the report: light and dark, from a phone's width up. */
import { colorVariables } from './peers.ts';

const light = `--ground: #ffffff; --page: #f6f7f9; --text: #1b2026; --faint: #57606a; --line: #d8dde3;
  --met: #116329; --unmet: #a40e26; --accent: #0b5cad; ${colorVariables('light')}`;
const dark = `--ground: #1b2129; --page: #12161b; --text: #e8ebef; --faint: #a3adb8; --line: #38414b;
  --met: #6fdd8b; --unmet: #ff9492; --accent: #6bb8ff; ${colorVariables('dark')}`;

/** Colours that the drawings name, in both modes; for the picture as well. */
export const colors = `:root { color-scheme: light dark; ${light} }
@media (prefers-color-scheme: dark) { :root { ${dark} } }`;

export const style = `${colors}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
header, main { max-width: 1180px; margin: 0 auto; padding: 16px; }
header { padding-top: 28px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 0 0 4px; }
h3 { font-size: 1rem; margin: 24px 0 8px; }
p { margin: 6px 0; max-width: 75ch; }
a { color: var(--accent); }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 16px; padding: 0; margin: 12px 0 0; list-style: none; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -999px; } .skip:focus { position: static; }
section { background: var(--ground); border: 1px solid var(--line); border-radius: 10px; padding: 16px; margin: 0 0 20px; }
.quiet { color: var(--faint); font-size: 0.9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 12px 0; }
dt { color: var(--faint); } dd { margin: 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 20px 28px; margin: 12px 0; align-items: start; }
figure { margin: 0; min-width: 0; max-width: 460px; }
figcaption { font-weight: 600; font-size: 0.9rem; line-height: 1.3; margin-bottom: 6px; }
figcaption .quiet { font-weight: 400; }
svg { display: block; width: 100%; height: auto; }
.scroll { overflow-x: auto; max-width: 780px; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--faint); padding: 4px 0; }
th, td { padding: 4px 12px 4px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: normal; }
th.number, td.number { text-align: right; }
th { font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
tbody th[scope='rowgroup'] { padding-top: 14px; overflow-wrap: anywhere; }
tbody th[scope='row'] { font-weight: 400; }
.goals th[scope='row'] { width: 55%; }
.met, .unmet, .unknown { font-weight: 600; white-space: nowrap; }
.met { color: var(--met); } .unmet { color: var(--unmet); } .unknown { color: var(--faint); }
summary { cursor: pointer; margin-top: 12px; }
@media (max-width: 480px) {
  header, main { padding: 10px; } section { padding: 12px; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; }
  th, td { padding-right: 8px; } td.number { font-size: 0.85rem; }
  .goals td:last-child { white-space: normal; }
}`;
