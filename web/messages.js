// Short notes over the canvas.

import { app } from "/scripts/app.js";

const SECONDS = 5; // it lies near the button that runs the workflow

/** Shows a warning for some seconds; `lines` come below the title. */
export function warn(title, lines) {
  app.extensionManager.toast.add({
    severity: "warn",
    summary: title,
    detail: lines.join("\n"),
    life: SECONDS * 1000,
  });
}
