// The tools, as a rail of buttons; arrow keys go from one to the next.

import { say } from "../language.js";
import { icon, make } from "./elements.js";

const GROUPS = { fill: true, gradient: true }; // a line above

/** `take(id)` takes a tool in hand. */
export function rail(session, take) {
  const buttons = session.tools.map((tool) => {
    const attributes = {
      type: "button",
      role: "radio",
      "data-tool": tool.id,
      title: `${tool.label} (${tool.key}): ${tool.hint}`,
      onclick: () => take(tool.id),
    };
    return make("button", attributes, icon(tool.id), make("span", {}, tool.label));
  });
  const element = make("nav", { role: "radiogroup", "aria-label": say("Tools") });
  for (const button of buttons) {
    if (GROUPS[button.dataset.tool]) element.append(make("hr"));
    element.append(button);
  }
  element.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const here = session.tools.indexOf(session.tool);
    const next = (here + step + buttons.length) % buttons.length;
    take(session.tools[next].id);
    buttons[next].focus();
  });
  const update = () => {
    for (const button of buttons) {
      const chosen = button.dataset.tool === session.tool.id;
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      button.disabled = session.readOnly;
    }
    const [push] = buttons;
    push.lastChild.textContent =
      session.options.direction === "nearer" ? say("Nearer") : say("Farther");
  };
  for (const name of ["tool", "options", "layers"]) session.addEventListener(name, update);
  update();
  return element;
}
