// Short notes over the canvas.

import { app } from "/scripts/app.js";

const SECONDS = 5; // it lies near the button that runs the workflow

/** Shows a warning for some seconds; `lines` come below the title. */
export function warn(title, lines) {
  show("warn", title, lines.join("\n"));
}

/** Shows what was done. */
export function note(title, line) {
  show("success", title, line);
}

function show(severity, summary, detail) {
  app.extensionManager.toast.add({ severity, summary, detail, life: SECONDS * 1000 });
}
