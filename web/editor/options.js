// The bar of the tool in hand: its options, and what to do with a shape that is not yet applied.

import { say } from "../language.js";
import { choice, iconButton, make, segments, slider, textButton, toggle } from "./elements.js";
import { amountOf, doings, reachOf } from "./tools.js";

const AMOUNTS = {
  move: () => ({ label: say("Amount"), min: 0.005, max: 1, step: 0.005, scale: "log" }),
  factor: () => ({ label: say("Factor"), min: 0, max: 4, step: 0.05 }),
  smoothing: () => ({ label: say("Strength"), min: 0, max: 1, step: 0.01 }),
  blend: () => ({ label: say("Strength"), min: 0, max: 1, step: 0.01 }),
};

export function optionsBar(session) {
  const element = make("div", { class: "options", role: "toolbar", "aria-label": say("Options") });
  let shown = ""; // which options there are: only with others is the bar built anew
  let controls = [];
  const update = () => {
    const { map, tool, does, options, readOnly } = session;
    const kinds = [tool.id, does, options.shape, Boolean(map?.guide), readOnly].join();
    if (kinds !== shown) {
      shown = kinds;
      controls = wanted(session).map((name) => build(session, name));
      element.replaceChildren(...controls.map((control) => control.element));
    }
    for (const control of controls) control.update(options);
  };
  for (const name of ["tool", "options", "live", "layers"]) session.addEventListener(name, update);
  update();
  return element;
}

/** The options of a tool as it stands. */
function wanted({ tool, does, options, map }) {
  const names = tool.options.flatMap((name) => {
    if (name !== "doing") return [name];
    return [amountOf(does), does === "set" ? "depth" : null, reachOf(does)].filter(Boolean);
  });
  return names.filter((name) => {
    if (name === "edges") return Boolean(map?.guide);
    if (name === "text") return options.shape === "text";
    return !(["depth", "ground"].includes(name) && options.mode === "raise" && tool.id === "stamp");
  });
}

/** Over the map, while something is placed that is not yet applied. */
export function pendingBar(session) {
  const element = make(
    "div",
    { class: "pending" },
    textButton(say("Discard"), () => session.cancel(), { title: "Esc" }),
    textButton(say("Apply"), () => session.apply(), { class: "text first", title: "Enter" }),
  );
  const update = () => (element.hidden = !session.live || Boolean(session.tool.brush));
  for (const name of ["live", "tool", "layers"]) session.addEventListener(name, update);
  update();
  return element;
}

/** A control: its element, and how it follows the options. */
function build(session, name) {
  const set = (value) => session.set({ [name]: value });
  const disabled = session.readOnly;
  const made = (BUILDERS[name] ?? BUILDERS.number)({ session, name, set });
  if (disabled)
    for (const input of made.element.querySelectorAll("input, select, button"))
      input.disabled = true;
  return made;
}

const NUMBERS = {
  size: () => ({ label: say("Size"), min: 1, max: 2000, step: 1, scale: "log", unit: "px" }),
  hardness: () => ({ label: say("Hardness"), min: 0, max: 1, step: 0.05 }),
  feather: () => ({ label: say("Feather"), min: 0, max: 100, step: 1, unit: "px" }),
  tolerance: () => ({ label: say("Tolerance"), min: 0.001, max: 1, step: 0.001, scale: "log" }),
  edge: () => ({ label: say("Stop at edges of"), min: 0, max: 1, step: 0.01 }),
  smoothReach: () => ({ label: say("Reach"), min: 1, max: 200, step: 1, scale: "log" }),
  sharpenReach: () => ({ label: say("Reach"), min: 1, max: 32, step: 1 }),
  height: () => ({ label: say("Height"), min: -1, max: 1, step: 0.01 }),
  tiltX: () => ({ label: say("Tilt →"), min: -1, max: 1, step: 0.01 }),
  tiltY: () => ({ label: say("Tilt ↓"), min: -1, max: 1, step: 0.01 }),
  angle: () => ({ label: say("Turn"), min: -180, max: 180, step: 1, unit: "°" }),
  ...AMOUNTS,
};

const BUILDERS = {
  number({ session, name, set }) {
    const { label, ...limits } = NUMBERS[name]();
    const control = slider(label, { ...limits, value: session.options[name], changed: set });
    return { element: control.element, update: (options) => control.show(options[name]) };
  },
  depth: ({ session, name, set }) => depth(say("Depth"), session, name, set),
  d0: ({ session, name, set }) => depth(say("From"), session, name, set),
  d1: ({ session, name, set }) => depth(say("To"), session, name, set),
  direction({ session, set }) {
    const entries = doings().slice(0, 2);
    const value = session.options.direction;
    const control = segments(say("Direction (X)"), { entries, value, changed: set });
    return { element: control.element, update: (options) => control.show(options.direction) };
  },
  does: ({ session, name, set }) => dropdown(say("Do"), doings(), session, name, set),
  kind({ session, name, set }) {
    const entries = [
      ["linear", say("Linear")],
      ["radial", say("Radial")],
    ];
    return dropdown(say("Kind"), entries, session, name, set);
  },
  shape({ session, name, set }) {
    const entries = [
      ["ball", say("Ball")],
      ["box", say("Box")],
      ["cone", say("Cone")],
      ["ramp", say("Ramp")],
      ["text", say("Text")],
    ];
    return dropdown(say("Shape"), entries, session, name, set);
  },
  mode({ session, name, set }) {
    const entries = [
      ["nearest", say("Where it is nearer")],
      ["over", say("In place of the map")],
      ["raise", say("On the map")],
    ];
    return dropdown(say("Put"), entries, session, name, set);
  },
  text({ set }) {
    const changed = () => set(input.value);
    const input = make("input", { type: "text", maxlength: 200, oninput: changed });
    input.setAttribute("aria-label", say("Text"));
    const update = (options) => input.value !== options.text && (input.value = options.text);
    return { element: input, update };
  },
  ground({ session, set }) {
    const hint = say("It gets the depth of the place that is clicked.");
    const value = session.options.ground;
    const control = toggle(say("As deep as the click"), { value, changed: set, hint });
    return { element: control.element, update: (options) => control.show(options.ground) };
  },
  edges({ session, set }) {
    const hint = say("Edits end at the edges of the photo, however roughly they are painted.");
    const value = session.options.edges;
    const control = toggle(say("Keep to the photo's edges"), { value, changed: set, hint });
    return { element: control.element, update: (options) => control.show(options.edges) };
  },
  window({ session, set }) {
    const hint = say("Only depths between the handles of the histogram change.");
    const value = session.options.window;
    const control = toggle(say("Only between depths"), { value, changed: set, hint });
    return { element: control.element, update: (options) => control.show(options.window) };
  },
};

function dropdown(label, entries, session, name, set) {
  const control = choice(label, { entries, value: session.options[name], changed: set });
  return { element: control.element, update: (options) => control.show(options[name]) };
}

/** A depth, with a button that takes it from the map. */
function depth(label, session, name, set) {
  const limits = { min: 0, max: 1, step: 0.001 };
  const control = slider(label, { ...limits, value: session.options[name], changed: set });
  const pick = iconButton("pick", say("Pick from the map"), () => session.pick(name), {
    key: "Alt",
  });
  const update = (options) => {
    control.show(options[name]);
    pick.setAttribute("aria-pressed", String(session.picking === name));
  };
  return { element: make("div", { class: "depth" }, control.element, pick), update };
}
