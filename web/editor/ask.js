// Questions over the dialog, and its page of help.

import { say } from "../language.js";
import { make, textButton } from "./elements.js";

/** Asks; gives the value of the button that was pressed, null on Escape. `[value, label, first]` */
export function ask(root, title, text, answers) {
  const { promise, resolve } = Promise.withResolvers?.() ?? resolvers();
  const buttons = answers.map(([value, label, first]) =>
    textButton(label, () => dialog.close(value), { class: first ? "text first" : "text" }),
  );
  const dialog = make(
    "dialog",
    { class: "ask", "aria-label": title },
    make("h2", {}, title),
    ...[text].flat().map((part) => (typeof part === "string" ? make("p", {}, part) : part)),
    make("div", { class: "buttons" }, ...buttons),
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(dialog.returnValue || null);
  });
  root.append(dialog);
  dialog.showModal();
  buttons.at(-1).focus();
  return promise;
}

function resolvers() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}

export function help(root, tools) {
  const rows = [
    [say("[ and ]"), say("Smaller and larger brush; with Shift softer and harder")],
    ["X", say("Nearer becomes farther, and back")],
    [say("Alt + click"), say("Pick a depth from the map")],
    [say("Space + drag, two fingers"), say("Move the view")],
    [say("Wheel, + and -"), say("Zoom; 0 fits the map, 1 shows it pixel for pixel")],
    ["Ctrl+Z, Ctrl+Shift+Z", say("Undo and redo, without limit")],
    [say("Enter, Escape"), say("Apply or discard what is placed")],
    ["Ctrl+S, Ctrl+Enter", say("Save; save and run")],
    ...tools.map(({ key, label, hint }) => [key, `${label}. ${hint}`]),
  ];
  const table = make(
    "table",
    {},
    ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell)))),
  );
  return ask(root, say("Keys and tools"), table, [["close", say("Close"), true]]);
}
