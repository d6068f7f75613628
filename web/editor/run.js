// Runs of the workflow from the dialog, and what comes of them: progress, previews, images.

import { app } from "/scripts/app.js";
import { api } from "/scripts/api.js";
import { allNodes, outputOf, pathTo } from "../graph.js";
import { say } from "../language.js";
import { routeOf } from "../page_maps.js";

const PATIENCE = 1500; // ms in which a run that was taken begins, unless others are before it
const OURS = "SD2Depth"; // nodes that show depth maps

/** Queues the workflow, or only what some nodes need, with the seeds as they are. */
export async function queue(only) {
  const kept = [];
  for (const node of allNodes())
    for (const widget of node.widgets ?? [])
      if (turnsSeeds(widget)) {
        kept.push([widget, widget.value]);
        widget.value = "fixed";
      }
  // Between these two the page records nothing to undo.
  app.canvas.emitBeforeChange();
  try {
    await app.queuePrompt(0, 1, only);
  } finally {
    for (const [widget, value] of kept) widget.value = value;
    app.canvas.emitAfterChange();
  }
}

const turnsSeeds = ({ options, value }) =>
  value !== "fixed" && ["fixed", "randomize"].every((one) => options?.values?.includes?.(one));

/** What runs show, while the signal lasts; `changed()` when there is something else to show. */
export class Runs {
  constructor(signal, changed) {
    this.changed = changed;
    this.signal = signal;
    this.running = this.started = false;
    this.progress = 0;
    this.image = lastImage();
    this.preview = null; // an object URL
    this.trouble = "";
    const hear = (name, act) =>
      api.addEventListener(name, ({ detail }) => {
        act.call(this, detail);
        this.changed();
      }, { signal });
    hear("execution_start", this.#starts);
    hear("progress", ({ value, max }) => (this.progress = max ? value / max : 0));
    hear("b_preview", (blob) => this.#show(blob));
    hear("executed", this.#executed);
    hear("execution_success", () => this.#ends(""));
    hear("execution_interrupted", () => this.#ends(say("The run was stopped.")));
    hear("execution_error", (error) => this.#ends(error.exception_message || say("The run failed.")));
    signal.addEventListener("abort", () => this.#show(null), { once: true });
  }

  /** Runs the workflow, or a part of it, and says so where the page did not take it. */
  async run(only) {
    Object.assign(this, { started: false, trouble: "" });
    await queue(only);
    // What the page says of it differs between frontends, and lies behind the dialog.
    await new Promise((done) => setTimeout(done, PATIENCE));
    if (this.started || this.signal.aborted || (await isBusy())) return;
    this.#ends(say("The workflow was not run: close the editor to see why."));
    this.changed();
  }

  #starts() {
    Object.assign(this, { started: true, running: true, progress: 0, trouble: "" });
  }

  #ends(trouble) {
    Object.assign(this, { running: false, trouble });
    this.#show(null);
  }

  #executed({ node: id, display_node: shownOn, output }) {
    const node = pathTo(shownOn ?? id).at(-1);
    const image = node && imageOf(node, output);
    if (!image) return;
    this.image = image;
    this.#show(null);
  }

  #show(blob) {
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = blob instanceof Blob ? URL.createObjectURL(blob) : null;
  }
}

async function isBusy() {
  const answer = await api.fetchApi("/queue");
  const { queue_running: running, queue_pending: pending } = await answer.json();
  return running.length + pending.length > 0;
}

/** Where the image of a node's output is, if that is a result and no map. */
function imageOf(node, output) {
  if (node.comfyClass?.startsWith(OURS) || node.comfyClass === "LoadImage") return null;
  const file = output?.images?.at?.(-1);
  return file?.filename ? routeOf(file) : null;
}

/** Of the runs before the dialog was opened; what is saved before what is only shown. */
function lastImage() {
  let found = null;
  for (const node of allNodes()) {
    const output = outputOf(node);
    const image = imageOf(node, output);
    if (image && (!found || output.images.at(-1).type === "output")) found = image;
  }
  return found;
}
