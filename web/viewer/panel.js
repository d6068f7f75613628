// The viewer's settings, as labelled controls.

import { say } from "../language.js";
import { MOVES } from "./motion.js";
import { DEFAULTS, NEVER_CUT } from "./options.js";

const pixels = (value) => say("{count} px", { count: value });

/** Labels and titles are said in the page's language. */
const SETTINGS = [
  {
    name: "strength",
    label: "strength",
    title: "Pixels by which white in the depth map moves against black.",
    range: [0, 100, 0.5],
    as: pixels,
  },
  {
    name: "plane",
    label: "plane",
    title: "The depth that stands still: 0 the farthest, 1 the nearest.",
    range: [0, 1, 0.01],
    as: (value) => value.toFixed(2),
  },
  {
    name: "move",
    label: "move",
    title: "How the camera moves by itself when nobody moves it.",
    choices: MOVES,
  },
  {
    name: "show",
    label: "show",
    title: "One view, or those of two eyes: beside each other, or for red and cyan glasses.",
    choices: ["image", "side by side", "cross-eyed", "red-cyan"],
  },
  {
    name: "eyes",
    label: "eyes",
    title: "With two views: pixels by which white lies apart in them.",
    range: [0, 100, 0.5],
    as: pixels,
    when: ({ show }) => show !== "image",
  },
  {
    name: "holes",
    label: "holes",
    title: "What comes out from behind near things: filled from the far side, or left open.",
    choices: ["filled", "shown"],
  },
  {
    name: "cut",
    label: "edge cut",
    title: "Stretched more than that many times its width, a surface is cut.",
    range: [1.1, NEVER_CUT, 0.1],
    as: (value) => (value >= NEVER_CUT ? say("never") : `${value.toFixed(1)} ×`),
  },
  {
    name: "grow",
    label: "grow",
    title: "Pixels by which near things are widened, so that their outlines move with them.",
    range: [0, 32, 1],
    as: pixels,
  },
];

/** Settings that somebody saved, each clamped; what is none of them is left out. */
export function checked(settings) {
  const found = {};
  for (const { name, range, choices } of SETTINGS) {
    const value = settings?.[name];
    if (choices?.includes(value)) found[name] = value;
    if (range && Number.isFinite(value)) found[name] = Math.min(range[1], Math.max(range[0], value));
  }
  return found;
}

/** `changed(name, value)` is called for every step, `done()` when a control is let go. */
export class Panel {
  constructor(changed, done) {
    this.element = document.createElement("div");
    this.element.className = "sd2-viewer-panel";
    this.element.addEventListener("change", done);
    this.values = {};
    this.rows = SETTINGS.map((setting) => this.#row(setting, changed));
    this.reset({});
  }

  /** These values, and for all others those of the beginning. */
  reset(values) {
    this.set({ ...DEFAULTS, ...values });
  }

  set(values) {
    Object.assign(this.values, values);
    for (const { setting, label, control, output } of this.rows) {
      const value = this.values[setting.name];
      control.value = value;
      if (output) output.textContent = setting.as(value);
      label.hidden = setting.when ? !setting.when(this.values) : false;
    }
  }

  #row(setting, changed) {
    const label = document.createElement("label");
    label.title = say(setting.title);
    const text = document.createElement("span");
    text.textContent = say(setting.label);
    const control = setting.choices ? choice(setting.choices) : slider(setting.range);
    control.name = setting.name;
    const output = setting.choices ? null : document.createElement("output");
    label.append(...[text, control, output].filter(Boolean));
    this.element.append(label);
    control.addEventListener("input", () => {
      const value = setting.choices ? control.value : Number(control.value);
      this.set({ [setting.name]: value });
      changed(setting.name, value);
    });
    control.addEventListener("dblclick", () => {
      this.set({ [setting.name]: DEFAULTS[setting.name] });
      changed(setting.name, DEFAULTS[setting.name]);
    });
    return { setting, label, control, output };
  }
}

function slider([min, max, step]) {
  const input = document.createElement("input");
  Object.assign(input, { type: "range", min, max, step });
  return input;
}

function choice(entries) {
  const select = document.createElement("select");
  for (const entry of entries) select.append(new Option(say(entry), entry));
  return select;
}
