// Parts that the dialog is made of: elements, icons, sliders, switches.

import { PATHS } from "./icons.js";

const SVG = "http://www.w3.org/2000/svg";

/** An element; `on…` are listeners, `class` and others attributes, children nodes or texts. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** A button with an icon; its label is a tooltip and what a screen reader says. */
export function iconButton(name, label, onclick, { key, ...attributes } = {}) {
  const title = key ? `${label} (${key})` : label;
  const given = { type: "button", class: "icon", "aria-label": label, title, onclick };
  return make("button", { ...given, ...attributes }, icon(name));
}

export const textButton = (label, onclick, attributes = {}) =>
  make("button", { type: "button", class: "text", onclick, ...attributes }, label);

/**
 * A slider with a number beside it. `scale` "log" gives small values more way. `changed(value)` is
 * called while it moves, `settled()` when it was let go.
 */
export function slider(label, { min, max, step, value, scale, unit = "", changed, settled, hint }) {
  const log = scale === "log";
  const toWay = (v) => (log ? (Math.log(v / min) / Math.log(max / min)) * 1000 : v);
  const toValue = (way) => (log ? min * (max / min) ** (way / 1000) : Number(way));
  const round = (v) => Number((Math.round(v / step) * step).toFixed(4));
  const clamp = (v) => Math.min(max, Math.max(min, v));
  const range = make("input", {
    type: "range",
    ...(log ? { min: 0, max: 1000, step: 1 } : { min, max, step }),
    "aria-label": label,
    oninput: () => take(clamp(round(toValue(range.value)))),
    onchange: () => settled?.(),
  });
  const number = make("input", {
    type: "number",
    min,
    max,
    step,
    "aria-label": unit ? `${label}, ${unit}` : label,
    onchange: () => {
      const typed = Number(number.value);
      take(Number.isFinite(typed) && number.value !== "" ? clamp(typed) : current);
      settled?.();
    },
  });
  const element = make("div", { class: "slider", title: hint }, make("span", {}, label), range);
  element.append(number);
  let current = value;
  const show = (v) => {
    current = v;
    range.value = toWay(v);
    number.value = String(v);
    element.style.setProperty("--part", (range.value - range.min) / (range.max - range.min));
  };
  const take = (v) => {
    show(v);
    changed?.(v);
  };
  show(value);
  return { element, show, range };
}

/** A switch; gives the element and how to set it from outside. */
export function toggle(label, { value, changed, hint }) {
  const box = make("input", { type: "checkbox", role: "switch" });
  box.checked = value;
  box.addEventListener("change", () => changed(box.checked));
  const element = make("label", { class: "toggle", title: hint }, box, make("span", {}, label));
  return { element, show: (on) => (box.checked = on), box };
}

/** A dropdown of `[value, label]`. */
export function choice(label, { entries, value, changed, hint }) {
  const options = entries.map(([one, text]) => make("option", { value: one }, text));
  const select = make("select", { "aria-label": label, title: hint }, ...options);
  select.value = value;
  select.addEventListener("change", () => changed(select.value));
  const element = make("label", { class: "choice" }, make("span", {}, label), select);
  return { element, show: (one) => (select.value = one), select };
}

/** Buttons of which one is pressed: `[value, label]`. */
export function segments(label, { entries, value, changed }) {
  const buttons = entries.map(([one, text]) =>
    textButton(text, () => take(one), { "data-value": one }),
  );
  const element = make("div", { class: "segments", role: "group", "aria-label": label });
  element.append(...buttons);
  const show = (one) => {
    for (const button of buttons)
      button.setAttribute("aria-pressed", String(button.dataset.value === one));
  };
  const take = (one) => {
    show(one);
    changed(one);
  };
  show(value);
  return { element, show };
}
