// How the map is shown: photo or depth, colours, contours, and what the model sees.

import { say } from "../language.js";
import { make, segments, slider, toggle } from "./elements.js";
import { recall, remember } from "./memory.js";

const DEFAULTS = { colours: "grey", blend: 0.75, contours: false, clipped: false, sees: false };

export function lookSection(view, changed) {
  Object.assign(view.look, recall("look", DEFAULTS), { sees: false });
  const set = (look) => {
    Object.assign(view.look, look);
    remember("look", view.look);
    view.recolour();
    changed();
  };
  const colours = segments(say("Colours"), {
    entries: [
      ["grey", say("Grey")],
      ["turbo", say("Turbo")],
    ],
    value: view.look.colours,
    changed: (value) => set({ colours: value }),
  });
  const blend = slider(say("Photo or depth"), {
    min: 0,
    max: 1,
    step: 0.01,
    value: view.look.blend,
    changed: (value) => set({ blend: value }),
  });
  blend.element.classList.add("blend");
  const on = (name, label, hint) =>
    toggle(label, { value: view.look[name], changed: (value) => set({ [name]: value }), hint })
      .element;
  const hints = {
    clipped: say("Stripes where a depth is at an end: blue far, red near."),
    sees: say("At an eighth of the size, stretched to the full range."),
  };
  const head = make("h2", {}, make("span", {}, say("View")), colours.element);
  const row = make(
    "div",
    { class: "row" },
    on("contours", say("Contour lines")),
    on("clipped", say("Mark clipped"), hints.clipped),
    on("sees", say("As the model sees it"), hints.sees),
  );
  const element = make("section", {}, head, blend.element, row);
  const update = (map) => (blend.element.hidden = !map.photo);
  return { element, update };
}
