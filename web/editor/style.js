// How the dialog looks: dark and calm, so that the picture is what one sees.

export const STYLE = `
:root {
  color-scheme: dark;
  --ground: #141518; --panel: #1c1e22; --raised: #282b31; --over: #33373f; --line: #2e3138;
  --text: #dfe2e7; --dim: #a2a9b4; --accent: #6aa5ff; --on: #17335c; --warn: #e6b450;
}
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; overflow: hidden; background: var(--ground); }
body {
  color: var(--text); font: 13px/1.35 system-ui, "Segoe UI", sans-serif;
  -webkit-user-select: none; user-select: none; touch-action: none;
}
button, input, select { font: inherit; color: inherit; }
button {
  border: 0; border-radius: 8px; background: transparent; cursor: pointer;
  min-width: 44px; min-height: 44px; padding: 0 10px;
}
button:hover { background: var(--over); }
button:disabled, input:disabled, select:disabled { opacity: 0.4; cursor: default; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
svg { width: 22px; height: 22px; display: block; margin: auto; fill: none; stroke: currentColor;
  stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
button.text { padding: 0 14px; background: var(--raised); white-space: nowrap; }
button.text:hover { background: var(--over); }
button.first { background: #2f6fde; color: #fff; font-weight: 600; }
button.first:hover { background: #3f7fee; }
[aria-pressed="true"], [aria-checked="true"].icon, [aria-selected="true"] {
  background: var(--on); color: #cfe2ff;
}
[hidden] { display: none !important; }

.editor {
  height: 100%; display: grid;
  grid-template: "head head head" 56px "rail options options" auto "rail stage side" minmax(0, 1fr)
    "rail foot side" 46px / 72px minmax(0, 1fr) 316px;
}
header { grid-area: head; display: flex; align-items: center; gap: 6px; padding: 0 10px 0 18px;
  background: var(--panel); border-bottom: 1px solid var(--line); }
header h1 { font-size: 14px; font-weight: 600; margin: 0 14px 0 0; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; min-width: 40px; }
header .space { flex: 1; }
header label.toggle { margin-right: 8px; color: var(--dim); }

nav { grid-area: rail; background: var(--panel); border-right: 1px solid var(--line);
  display: flex; flex-direction: column; padding: 6px; gap: 2px; overflow-y: auto;
  scrollbar-width: none; }
nav button { padding: 4px 0 2px; min-height: 46px; flex: 0 1 52px; font-size: 10.5px;
  color: var(--dim); }
nav button:hover { color: var(--text); }
nav button[aria-checked="true"] { background: var(--on); color: #cfe2ff; }
nav button span { display: block; margin-top: 1px; overflow: hidden; text-overflow: ellipsis; }
nav hr { width: 40px; border: 0; border-top: 1px solid var(--line); margin: 4px auto; flex: none; }

.options { grid-area: options; display: flex; flex-wrap: wrap; align-items: center; gap: 0 16px;
  padding: 5px 14px; min-height: 56px; background: var(--panel);
  border-bottom: 1px solid var(--line); }
.options > * { flex: none; }

.slider { display: flex; align-items: center; gap: 8px; min-height: 44px; color: var(--dim); }
.slider span { white-space: nowrap; }
.slider input[type="range"] { width: 92px; }
input[type="range"] {
  appearance: none; -webkit-appearance: none; height: 44px; margin: 0; background: transparent;
  cursor: pointer; min-width: 40px;
}
input[type="range"]::-webkit-slider-runnable-track { height: 4px; border-radius: 2px;
  background: linear-gradient(90deg, var(--accent) calc(var(--part, 0) * 100%), #454a54 0); }
input[type="range"]::-webkit-slider-thumb { -webkit-appearance: none; width: 16px; height: 16px;
  margin-top: -6px; border-radius: 50%; background: #e9edf3; border: 0;
  box-shadow: 0 1px 3px #000a; }
input[type="range"]::-moz-range-track { height: 4px; border-radius: 2px; background: #454a54; }
input[type="range"]::-moz-range-progress { height: 4px; border-radius: 2px;
  background: var(--accent); }
input[type="range"]::-moz-range-thumb { width: 16px; height: 16px; border: 0;
  background: #e9edf3; }
input[type="number"], input[type="text"], select {
  height: 32px; border: 1px solid transparent; border-radius: 6px; background: var(--raised);
  color: var(--text); padding: 0 8px;
}
input[type="number"] { width: 60px; padding: 0 4px; text-align: right; appearance: textfield;
  -moz-appearance: textfield; font-variant-numeric: tabular-nums; }
input[type="number"]::-webkit-inner-spin-button { display: none; }
input[type="number"]:hover, input[type="text"]:hover, select:hover { border-color: #4a4f59; }
.choice, .toggle { display: flex; align-items: center; gap: 8px; min-height: 44px;
  color: var(--dim); cursor: pointer; white-space: nowrap; }
.choice select { height: 36px; }
.toggle input { appearance: none; -webkit-appearance: none; margin: 0; width: 32px; height: 18px;
  border-radius: 9px; background: #454a54; position: relative; cursor: pointer; flex: none; }
.toggle input::after { content: ""; position: absolute; left: 2px; top: 2px; width: 14px;
  height: 14px; border-radius: 50%; background: #e9edf3; transition: left 0.12s; }
.toggle input:checked { background: #2f6fde; }
.toggle input:checked::after { left: 16px; }
.toggle input:disabled { opacity: 0.4; }
.segments { display: flex; border-radius: 8px; background: var(--raised); overflow: hidden; }
.segments button { border-radius: 0; background: transparent; min-height: 36px; padding: 0 12px;
  color: var(--dim); position: relative; }
.segments button::after { content: ""; position: absolute; inset: -4px 0; }
.segments button[aria-pressed="true"] { background: var(--on); color: #cfe2ff; }
.depth { display: flex; align-items: center; gap: 2px; }
.options button.icon { background: var(--raised); }
.options button.icon[aria-pressed="true"] { background: var(--on); }

.stage { grid-area: stage; position: relative; overflow: hidden; background:
  repeating-conic-gradient(#17181b 0 25%, #1a1c1f 0 50%) 0 0 / 24px 24px; }
.stage canvas { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; }
.stage .paint { cursor: none; }
.stage .paint:focus-visible { outline: 1px solid #6aa5ff80; }
.stage .over { pointer-events: none; }
.stage .look { background: var(--ground); object-fit: contain; padding: 12px; }
.stage .result { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain;
  background: var(--ground); padding: 16px; }
.stage .tip { position: absolute; left: 50%; bottom: 14px; transform: translateX(-50%);
  background: #101114e6; color: var(--dim); padding: 7px 14px; border-radius: 16px;
  pointer-events: none; white-space: nowrap; max-width: 96%; overflow: hidden;
  text-overflow: ellipsis; }
.stage .pending, .stage .bar {
  position: absolute; left: 50%; bottom: 12px; transform: translateX(-50%);
  display: flex; gap: 6px; padding: 6px; border-radius: 14px; z-index: 1; background: #101114e6; }
.stage.away .tip, .stage.away .pending { display: none; }
.stage .bar { gap: 18px; padding: 2px 16px; }
.first-run { grid-column: 1 / -1; grid-row: 2 / -1; display: flex; flex-direction: column;
  gap: 18px; align-items: center; justify-content: center; text-align: center; padding: 24px; }
.first-run p { margin: 0; font-size: 16px; max-width: 560px; line-height: 1.5;
  user-select: text; }
.nothing { position: absolute; inset: 0; display: grid; place-items: center; margin: 0;
  color: var(--dim); }
.banner { position: absolute; left: 12px; right: 12px; top: 12px; padding: 4px 6px 4px 14px;
  display: flex; align-items: center; gap: 12px; border-radius: 8px; background: #3a3018;
  color: #f4dfae; border-left: 3px solid var(--warn); z-index: 1; user-select: text; }
.banner p { margin: 8px 0; flex: 1; }
.banner.plain { background: #20242b; color: var(--text); border-color: var(--accent); }

aside { grid-area: side; background: var(--panel); border-left: 1px solid var(--line);
  display: flex; flex-direction: column; min-height: 0; }
aside .scroll { flex: 1; overflow-y: auto; min-height: 0; scrollbar-width: thin;
  scrollbar-color: #454a54 transparent; }
section { padding: 4px 12px 10px; border-bottom: 1px solid var(--line); overflow-x: clip; }
section h2 { display: flex; align-items: center; font-size: 12px; font-weight: 600; margin: 0;
  min-height: 44px; color: var(--text); }
section h2 span { flex: 1; }
section .slider span { width: 62px; overflow: hidden; text-overflow: ellipsis; }
section .slider input[type="range"] { flex: 1; width: 60px; }
section .blend span { width: auto; }
section .row { display: flex; gap: 12px; flex-wrap: wrap; align-items: center; }
section .row .toggle { flex: 1 1 45%; }
.layers { list-style: none; margin: 0; padding: 0; display: flex; flex-direction: column;
  gap: 2px; }
.layers li { display: flex; align-items: center; border-radius: 8px; background: var(--raised); }
.layers li.active { background: var(--on); }
.layers .name { flex: 1; text-align: left; padding: 0 6px; overflow: hidden; min-width: 0;
  text-overflow: ellipsis; white-space: nowrap; background: none; }
.layers .name small { color: var(--dim); margin-left: 6px; }
.layers input[type="text"] { flex: 1; min-width: 0; height: 36px; background: var(--ground); }
.layers .icon { flex: none; padding: 0; color: var(--dim); }
.layers .off svg, .layers .off .name { opacity: 0.5; }
.frames { display: flex; align-items: center; gap: 6px; color: var(--dim); }
.histogram { position: relative; height: 82px; }
.histogram canvas { width: 100%; height: 62px; display: block; border-radius: 6px;
  background: var(--ground); }
.histogram input { position: absolute; left: -22px; width: calc(100% + 44px); bottom: -2px;
  height: 44px; pointer-events: none; padding: 0 14px; }
.histogram input::-webkit-slider-runnable-track { background: none; }
.histogram input::-moz-range-track, .histogram input::-moz-range-progress { background: none; }
.histogram input::-webkit-slider-thumb { pointer-events: auto; margin-top: 10px; }
.histogram input::-moz-range-thumb { pointer-events: auto; }
.histogram input::-webkit-slider-thumb { border: 2px solid var(--panel); }
.corner { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px;
  padding: 8px 12px 10px;
  border-top: 1px solid var(--line); flex: none; }
.corner figure { margin: 0; position: relative; }
.corner button { padding: 0; width: 100%; aspect-ratio: 4 / 3; overflow: hidden; display: block;
  background: var(--ground); border-radius: 8px; position: relative; color: var(--dim); }
.corner canvas, .corner img { width: 100%; height: 100%; object-fit: contain; display: block; }
.corner button p { margin: 0; padding: 8px; font-size: 12px; position: absolute; inset: 0;
  display: grid; place-items: center; }
.corner figcaption { font-size: 11px; color: var(--dim); padding-top: 4px; height: 20px;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.corner progress { position: absolute; left: 0; right: 0; bottom: 20px; width: 100%; height: 4px;
  appearance: none; border: 0; }
.corner progress::-webkit-progress-bar { background: none; }
.corner progress::-webkit-progress-value { background: var(--accent); }

footer { grid-area: foot; display: flex; align-items: center; gap: 4px; padding: 0 8px 0 14px;
  background: var(--panel); border-top: 1px solid var(--line); color: var(--dim);
  font-variant-numeric: tabular-nums; white-space: nowrap; overflow: hidden; }
footer .space { flex: 1; }
footer .at { min-width: 190px; }
footer .zoom { min-width: 52px; text-align: center; }

dialog.ask { border: 1px solid var(--line); border-radius: 12px; background: var(--panel);
  color: var(--text); padding: 22px 24px 18px; max-width: 560px; max-height: 90vh;
  box-shadow: 0 18px 60px #000c; overflow-y: auto; }
dialog.ask::backdrop { background: #0a0b0d99; }
dialog.ask h2 { margin: 0 0 8px; font-size: 16px; }
dialog.ask p { margin: 0 0 18px; color: var(--dim); line-height: 1.5; }
dialog.ask .buttons { display: flex; justify-content: flex-end; gap: 8px; flex-wrap: wrap; }
dialog.ask table { border-collapse: collapse; width: 100%; margin-bottom: 16px; }
dialog.ask td { padding: 5px 12px 5px 0; color: var(--dim); vertical-align: top; }
dialog.ask td:first-child { color: var(--text); white-space: nowrap; }

@media (max-width: 1400px) {
  .editor { grid-template-columns: 68px minmax(0, 1fr) 292px; }
  .options { gap: 0 12px; }
  .options .slider input[type="range"] { width: 70px; }
  .options .slider { gap: 6px; }
}
@media (max-width: 820px) {
  .editor { grid-template: "head head" 56px "options options" auto "rail stage"
    minmax(0, 1fr) "rail foot" 46px "side side" 34vh / 60px minmax(0, 1fr); }
  header label.toggle, header h1, .corner { display: none; }
}
@media (max-height: 760px) {
  nav button { min-height: 44px; }
  .corner button { aspect-ratio: 5 / 3; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
`;
