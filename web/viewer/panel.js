// The viewer's settings, as labelled controls.

import { say } from "../language.js";
import { DEFAULTS, NEVER_CUT } from "./options.js";

const pixels = (value) => say("{count} px", { count: value });

/** All of them, in the page's language. */
const settings = () => [
  {
    name: "strength",
    label: say("strength"),
    title: say("Pixels by which white in the depth map moves against black."),
    range: [0, 100, 0.5],
    as: pixels,
  },
  {
    name: "plane",
    label: say("plane"),
    title: say("The depth that stands still: 0 the farthest, 1 the nearest."),
    range: [0, 1, 0.01],
    as: (value) => value.toFixed(2),
  },
  {
    name: "move",
    label: say("move"),
    title: say("How the camera moves by itself when nobody moves it."),
    choices: {
      still: say("still"),
      sway: say("sway"),
      circle: say("circle"),
      "push in": say("push in"),
      orbit: say("orbit"),
      dolly: say("dolly"),
      zoom: say("zoom"),
      arc: say("arc"),
    },
  },
  {
    name: "show",
    label: say("show"),
    title: say("One view, or those of two eyes: beside each other, or for red and cyan glasses."),
    choices: {
      image: say("image"),
      "side by side": say("side by side"),
      "cross-eyed": say("cross-eyed"),
      "red-cyan": say("red-cyan"),
    },
  },
  {
    name: "eyes",
    label: say("eyes"),
    title: say("With two views: pixels by which white lies apart in them."),
    range: [0, 100, 0.5],
    as: pixels,
    when: ({ show }) => show !== "image",
  },
  {
    name: "holes",
    label: say("holes"),
    title: say("What comes out from behind near things: filled from the far side, or left open."),
    choices: { filled: say("filled"), shown: say("shown") },
  },
  {
    name: "cut",
    label: say("edge cut"),
    title: say("Stretched more than that many times its width, a surface is cut."),
    range: [1.1, NEVER_CUT, 0.1],
    as: (value) => (value >= NEVER_CUT ? say("never") : `${value.toFixed(1)} ×`),
  },
  {
    name: "grow",
    label: say("grow"),
    title: say("Pixels by which near things are widened, so that their outlines move with them."),
    range: [0, 32, 1],
    as: pixels,
  },
];

/** Settings that somebody saved, each clamped; what is none of them is left out. */
export function checked(saved) {
  const found = {};
  for (const { name, range, choices } of settings()) {
    const value = saved?.[name];
    if (choices && Object.hasOwn(choices, value)) found[name] = value;
    if (range && Number.isFinite(value))
      found[name] = Math.min(range[1], Math.max(range[0], value));
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
    this.rows = settings().map((setting) => this.#row(setting, changed));
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
    label.title = setting.title;
    const text = document.createElement("span");
    text.textContent = setting.label;
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
  for (const [entry, word] of Object.entries(entries)) select.append(new Option(word, entry));
  return select;
}
