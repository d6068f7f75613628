// The layers of a painting, the uppermost first.

import { say } from "../language.js";
import { iconButton, make, slider } from "./elements.js";

export function layersSection(session) {
  const list = make("ul", { class: "layers" });
  const below = make("div");
  const add = iconButton("plus", say("Add layer"), () => {
    const number = session.painting.layers.length + 1;
    session.layer("addLayer", say("Layer {number}", { number }));
  });
  const head = make("h2", {}, make("span", {}, say("Layers")), add);
  const element = make("section", {}, head, list, below);
  let renaming = null;
  let held = false; // a slider that is being moved must not be built anew below the hand

  const rename = (index) => {
    renaming = index;
    update();
    const input = list.querySelector("input");
    input.focus();
    input.select();
  };
  const named = (index, name) => {
    if (renaming === null) return;
    renaming = null;
    const trimmed = name?.trim().slice(0, 200);
    if (trimmed && trimmed !== session.painting.layers[index].name)
      session.layer("renameLayer", index, trimmed);
    else update();
  };

  const row = (layer, index) => {
    const active = index === session.painting.activeLayer;
    const label = layer.visible ? say("Hide layer") : say("Show layer");
    const eye = iconButton(layer.visible ? "eye" : "hidden", label, () =>
      session.layer("showLayer", index, !layer.visible),
      { id: `eye-${index}` },
    );
    const classes = [active && "active", !layer.visible && "off"].filter(Boolean).join(" ");
    const isRenamed = renaming === index;
    const name = isRenamed
      ? nameField(layer, index, named)
      : nameButton(layer, index, active, rename);
    name.addEventListener("click", () => renaming === null && !active && session.choose(index));
    return make("li", { class: classes }, eye, name, ...(active ? moves(index) : []));
  };

  const moves = (index) => {
    const count = session.painting.layers.length;
    const move = (to) => () => session.layer("moveLayer", index, to);
    return [
      iconButton("up", say("Move layer up"), move(index + 1), { disabled: index === count - 1 }),
      iconButton("down", say("Move layer down"), move(index - 1), { disabled: index === 0 }),
      iconButton("bin", say("Remove layer"), () => session.layer("removeLayer", index), {
        disabled: count === 1,
      }),
    ];
  };

  const update = () => {
    if (!session.painting) return;
    const { layers, activeLayer } = session.painting;
    const focused = place(element.getRootNode().activeElement);
    list.replaceChildren(...layers.map(row).toReversed());
    add.disabled = session.readOnly;
    if (!held) below.replaceChildren(...settings(layers[activeLayer], activeLayer));
    if (session.readOnly)
      for (const input of element.querySelectorAll("button, input")) input.disabled = true;
    if (focused) element.querySelector(focused)?.focus();
  };

  const settings = (layer, index) => {
    if (!layer) return [];
    const opacity = slider(say("Opacity"), {
      min: 0,
      max: 1,
      step: 0.01,
      value: layer.opacity,
      changed: (value) => {
        held = true;
        session.layer("changeLayer", index, { opacity: value }, { merge: true });
      },
      settled: () => {
        held = false;
        update();
      },
    });
    const frames = session.map.frames > 1 ? framesRow(session, layer, index) : null;
    return [opacity.element, frames].filter(Boolean);
  };

  session.addEventListener("layers", update);
  return element;
}

/** How an element that has the focus is found again among those that are built anew. */
function place(element) {
  const { id, ariaLabel } = element ?? {};
  if (id) return `#${id}`;
  return ariaLabel && `[aria-label="${CSS.escape(ariaLabel)}"]`;
}

function nameButton(layer, index, active, rename) {
  const count = layer.edits.length;
  const button = make(
    "button",
    {
      type: "button",
      class: "name",
      id: `layer-${index}`,
      "aria-pressed": String(active),
      title: say("Double click or F2 to rename"),
      ondblclick: () => rename(index),
      onkeydown: (event) => event.key === "F2" && rename(index),
    },
    layer.name,
  );
  if (count) button.append(make("small", {}, String(count)));
  return button;
}

function nameField(layer, index, named) {
  const input = make("input", {
    type: "text",
    maxlength: 200,
    value: layer.name,
    "aria-label": say("Name"),
    onblur: () => named(index, input.value),
    onkeydown: (event) => {
      if (event.key === "Enter") named(index, input.value);
      if (event.key !== "Escape") return;
      event.stopPropagation();
      named(index, null);
    },
  });
  return input;
}

/** Of a batch, from which map to which the layer counts. People count from 1. */
function framesRow(session, layer, index) {
  const last = session.map.frames - 1;
  const [first, end] = layer.frames ?? [0, last];
  const field = (label, value) => {
    const limits = { min: 1, max: last + 1, step: 1 };
    return make("input", { type: "number", ...limits, value: value + 1, "aria-label": label });
  };
  const from = field(say("First frame"), first);
  const to = field(say("Last frame"), end);
  const take = () => {
    const within = ({ value }) => Math.min(last, Math.max(0, Math.round(value) - 1));
    const [a, b] = [from, to].map(within);
    const all = a <= 0 && b >= last;
    const frames = all ? undefined : [Math.min(a, b), Math.max(a, b)];
    session.layer("changeLayer", index, { frames });
  };
  from.addEventListener("change", take);
  to.addEventListener("change", take);
  return make("div", { class: "frames" }, say("Frames"), from, "–", to);
}
