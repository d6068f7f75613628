// A sitting in the dialog: the painting, the tool in hand, and what was placed but not yet applied.
//
// It tells of itself by events: `pixels` (detail: the rectangle that changed), `layers`, `tool`,
// `options`, `live` and `refused` (detail: why).

import { say } from "../language.js";
import { recall, remember } from "./memory.js";
import { StateError } from "../editing/state.js";
import { DEFAULTS, doing, settingsOf, tools } from "./tools.js";

export class Session extends EventTarget {
  constructor() {
    super();
    this.tools = tools();
    this.options = recall("options", DEFAULTS);
    this.tool = this.tools[0];
    this.painting = null;
    this.map = null;
    this.live = null; // the edit that is being made, as the painting was told of it
    this.readOnly = false;
    this.busy = false; // the map is being changed
    this.picking = null; // the option that takes the next depth that is clicked
  }

  /** The map to draw on, and the painting of it. */
  open(map, painting) {
    this.map = map;
    this.painting = painting;
    this.live = null;
    this.#tell("pixels", null);
    this.#tell("layers");
  }

  /** Tells all parts to look again. */
  refresh() {
    for (const name of ["layers", "tool", "options"]) this.#tell(name);
  }

  get ready() {
    return Boolean(this.painting) && !this.readOnly && !this.busy;
  }

  // --- tool and options --------------------------------------------------------------------------

  take(id) {
    this.apply();
    this.tool = this.tools.find((tool) => tool.id === id);
    this.pick(null);
    this.#tell("tool");
  }

  /** Sets options; what is placed but not yet applied follows. */
  set(options) {
    Object.assign(this.options, options);
    remember("options", this.options);
    if (this.live && !this.tool.brush && this.live.complete) this.change(this.settings());
    this.#tell("options");
  }

  settings() {
    return settingsOf(this.tool, this.options, this.map.guide);
  }

  get does() {
    return doing(this.tool, this.options);
  }

  /** Nearer becomes farther, and farther nearer. */
  turn() {
    const name = this.tool.brush ? "direction" : "does";
    this.set({ [name]: this.options[name] === "nearer" ? "farther" : "nearer" });
  }

  /** The option that the next click on the map sets, or null; asked for again, no more. */
  pick(name) {
    this.picking = this.picking === name ? null : name;
    this.#tell("options");
  }

  /** Takes the depth at a point into the option that waits for it, or into the tool's own. */
  pickAt([x, y]) {
    const depth = this.depthAt(x, y);
    if (depth === null) return;
    const own = this.tool.id === "gradient" ? "d0" : "depth";
    const name = this.picking ?? own;
    this.picking = null;
    this.set({ [name]: Number(depth.toFixed(3)) });
  }

  depthAt(x, y) {
    const inside = this.map && x >= 0 && y >= 0 && x < this.map.width && y < this.map.height;
    return inside ? this.painting.at(x, y) : null;
  }

  // --- edits -------------------------------------------------------------------------------------

  /** Begins an edit of the tool in hand; `complete` when it may be applied as it is. */
  begin(where, complete) {
    if (!this.ready) return;
    this.apply();
    const edit = { tool: this.tool.tool, ...where, ...this.settings() };
    this.live = { edit, complete };
    this.#try(() => this.painting.begin(edit));
    this.#tell("live");
  }

  /** More points of a stroke. */
  extend(points) {
    if (this.live) this.#try(() => this.painting.extend(points));
  }

  /** Other values of a shape. */
  change(changes, complete = this.live?.complete) {
    if (!this.live) return;
    Object.assign(this.live.edit, changes);
    this.live.complete = complete;
    this.#try(() => this.painting.extend(changes));
    this.#tell("live");
  }

  /** Keeps what is being made; what is no shape yet is dropped. */
  apply() {
    if (!this.live) return;
    if (!this.live.complete) return void this.cancel();
    this.live = null;
    this.#try(() => this.painting.commit());
    this.#tell("live");
    this.#tell("layers");
  }

  cancel() {
    if (!this.live) return;
    this.live = null;
    this.#pixels(this.painting.cancel());
    this.#tell("live");
  }

  /** What is placed but not yet applied counts as a step: redo brings it back. */
  undo() {
    if (this.live && !this.live.complete) return void this.cancel();
    this.apply();
    if (!this.ready || !this.painting.canUndo) return;
    this.#after(this.painting.undo());
  }

  redo() {
    if (!this.ready || this.live || !this.painting.canRedo) return;
    this.#after(this.painting.redo());
  }

  /** Does something to the layers: a method of the painting with its arguments. */
  layer(method, ...given) {
    if (!this.ready) return;
    this.apply();
    this.#try(() => this.painting[method](...given));
    this.#tell("layers");
  }

  choose(index) {
    this.apply();
    this.painting.activeLayer = index;
    this.#tell("layers");
  }

  /** Does what a state that is full, or too much work, may refuse: then it is told, and undone. */
  #try(act) {
    try {
      this.#pixels(act());
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      this.live = null;
      this.#pixels(this.painting.cancel());
      this.#tell("refused", say(error.sentence, error.values));
    }
  }

  #after(rect) {
    this.#pixels(rect);
    this.#tell("layers");
  }

  #pixels(rect) {
    if (rect) this.#tell("pixels", rect);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
