// A sitting at the depth editor: the layers of edits, and the map that they give.
//
// Needs no page: it runs in a worker as well. Edits are handed in in pixels of the map, and kept in
// pixels of the one that the state was first drawn on. Whatever changes the map gives the rectangle
// to draw again, `{x, y, width, height}`, or null.

import { Ground, Sizes } from "./ground.js";
import { History } from "./history.js";
import { changed, identityOf } from "./layers.js";
import { Bench, LiveEdit } from "./live.js";
import { Stack } from "./stack.js";
import { bounded, check, checkEdit, emptyState, newLayer, parse } from "./state.js";
import { checkWork } from "./work.js";

export class Painting {
  #history = new History();
  #live = null;
  #points = 0; // in the edits below the live one
  #active = 0;
  #state;
  #frame;
  #ground;
  #stack;
  #bench;

  /**
   * @param map `{width, height, base, guide, letters}`: depths as Uint16Array, luma as Uint8Array
   *     or null, and a Map from each text to its mask, `{width, height, data: Uint8Array}`.
   * @param frame which entry of the batch the map is, counted from 0.
   */
  constructor(map, frame = 0) {
    this.#frame = frame;
    this.#lay(map);
    this.load(emptyState(map.width, map.height));
  }

  // --- The state and what it gives ---------------------------------------------------------------

  /**
   * Takes a state, or the text of one, and forgets the history; how many numbers were clamped.
   * Throws a StateError, and changes nothing, where it cannot be used.
   */
  load(state) {
    return finish(this.loading(state));
  }

  /** The same in steps, each of which gives the share that is done. */
  *loading(written) {
    const { state, clamped } = this.#parsed(written);
    checkWork(state.layers, new Sizes(this.#ground, state.size));
    this.cancel();
    this.#history = new History();
    yield* this.#take(state);
    this.#active = this.#state.layers.length - 1;
    return { clamped };
  }

  /** Puts another map under the same edits; the history stays. */
  changeMap(map, frame) {
    finish(this.changingMap(map, frame));
  }

  /** The same in steps, each of which gives the share that is done. */
  *changingMap(map, frame = this.#frame) {
    checkWork(this.layers, new Sizes(map, this.#state.size));
    this.cancel();
    this.#frame = frame;
    this.#lay(map);
    this.#history.forgetPatches();
    yield* this.#take(this.#state);
  }

  /** What is saved; to be read, never changed. */
  get state() {
    return this.#state;
  }

  /** Depths of 0..1, row by row. */
  get result() {
    return this.#stack.result;
  }

  /** How much each pixel has been edited, 0..1. */
  get touched() {
    return this.#stack.touched;
  }

  /** The estimate as it came in. */
  get base() {
    return this.#ground.base;
  }

  get width() {
    return this.#ground.width;
  }

  get height() {
    return this.#ground.height;
  }

  /** How many pixels of this map are one of the map that was drawn on: `{x, y, length}`. */
  get scale() {
    return this.#ground.scale;
  }

  /** Masks of texts; after adding one that edits need, `changeMap` or `load`. */
  get letters() {
    return this.#ground.letters;
  }

  /** The depth at a place of the map, of 0..1. */
  at(x, y) {
    const column = Math.min(Math.max(Math.floor(x), 0), this.width - 1);
    const row = Math.min(Math.max(Math.floor(y), 0), this.height - 1);
    return this.result[row * this.width + column];
  }

  // --- The live edit ----------------------------------------------------------------------------

  get isLive() {
    return this.#live !== null;
  }

  /**
   * Begins an edit on the active layer. Throws a StateError where a field of it is wrong or there
   * would be too much. A layer that is hidden, or not for this frame, gets it without being seen.
   */
  begin(edit) {
    this.cancel();
    const begun = this.#read(edit);
    const layers = [...this.layers, { visible: true, edits: [begun] }];
    bounded(countOf(layers, () => 1), "edits");
    checkWork(layers, this.#ground);
    this.#points = countOf(this.layers, pointsOf);
    bounded(this.#points + pointsOf(begun), "points");
    const sheet = this.#stack.sheet(this.#active);
    this.#live = new LiveEdit(begun, this.#ground, sheet, this.#bench);
    return this.#preview(this.#live.draw());
  }

  /** Adds points, a list, or changes fields, an object, of the live edit. */
  extend(more) {
    const { edit } = this.#live;
    if (!Array.isArray(more)) {
      this.#live.edit = checkEdit({ ...edit, ...this.#ground.kept(more) });
      return this.#preview(this.#live.draw());
    }
    if (!more.length) return null;
    bounded(this.#points + pointsOf(edit) + more.length, "points");
    if (edit.tool !== "stroke") {
      const { points } = this.#ground.kept({ points: more });
      this.#live.edit = checkEdit({ ...edit, points: [...edit.points, ...points] });
      return this.#preview(this.#live.draw());
    }
    const { points } = this.#read({ ...edit, points: more });
    return this.#preview(this.#live.extend(points));
  }

  /** Keeps the live edit. */
  commit() {
    const { edit, window } = this.#live;
    const layer = this.layers[this.#active];
    const patch = window && { identity: identityOf(layer), live: true, ...window };
    this.#live.finish();
    this.#live = null;
    // A copy, because what is known of the edit is from when it began.
    return this.#step(this.#with(layer, { edits: [...layer.edits, { ...edit }] }), { patch });
  }

  /** Gives the live edit up. */
  cancel() {
    if (!this.#live) return null;
    const { box } = this.#live;
    this.#live.clear();
    this.#live = null;
    this.#stack.show(box);
    return box;
  }

  // --- Undo and redo ----------------------------------------------------------------------------

  get canUndo() {
    return this.isLive || this.#history.past.length > 0;
  }

  get canRedo() {
    return this.#history.future.length > 0;
  }

  /** Takes back the last step; while an edit is live, that one. */
  undo() {
    return this.isLive ? this.cancel() : this.#travel(this.#history.undo);
  }

  redo() {
    return this.#travel(this.#history.redo);
  }

  // --- Layers, the bottom one first -------------------------------------------------------------

  /** To be read, never changed. */
  get layers() {
    return this.#state.layers;
  }

  /** The place of the layer that edits go to. Choosing one is no step of the history. */
  get activeLayer() {
    return this.#active;
  }

  set activeLayer(index) {
    this.cancel();
    this.#active = this.#place(index);
  }

  /** Adds an empty layer above the active one, and makes it the active one. */
  addLayer(name) {
    bounded(this.layers.length + 1, "layers");
    const index = this.#active + 1;
    return this.#step(this.layers.toSpliced(index, 0, newLayer(name)), { active: index });
  }

  /** Where the only layer is removed, an empty one takes its place. */
  removeLayer(index) {
    const left = this.layers.toSpliced(this.#place(index), 1);
    const active = this.#active > index || !left[this.#active] ? this.#active - 1 : this.#active;
    const layers = left.length ? left : [newLayer()];
    return this.#step(layers, { active: Math.max(active, 0) });
  }

  moveLayer(from, to) {
    const moved = this.layers[this.#place(from)];
    const layers = this.layers.toSpliced(from, 1).toSpliced(this.#place(to), 0, moved);
    return this.#step(layers, { active: layers.indexOf(this.layers[this.#active]) });
  }

  /**
   * Changes `name`, `visible`, `opacity` or `frames` of a layer; undefined takes `frames` away. With
   * `merge`, changes of the same properties in a row, as by a slider, are one step.
   */
  changeLayer(index, changes, { merge = false } = {}) {
    const layer = this.layers[this.#place(index)];
    const [read] = check({ ...this.#state, layers: [{ ...changes, edits: [] }] }).state.layers;
    const names = Object.keys(changes);
    const layers = this.#with(layer, Object.fromEntries(names.map((name) => [name, read[name]])));
    checkWork(layers, this.#ground);
    return this.#step(layers, { merge: merge && [identityOf(layer), ...names] });
  }

  renameLayer = (index, name) => this.changeLayer(index, { name });

  showLayer = (index, visible) => this.changeLayer(index, { visible });

  /** Takes all edits and layers away, in one step. */
  clear() {
    return this.#step([newLayer()], { active: 0 });
  }

  // --- How ------------------------------------------------------------------------------------

  #empty = () => emptyState(this.#ground.width, this.#ground.height);

  #parsed(written) {
    if (typeof written !== "string") return check(written);
    return written.trim() ? parse(written) : { state: this.#empty(), clamped: 0 };
  }

  #place(index) {
    if (this.layers[index]) return index;
    throw new RangeError(`There is no layer ${index}; there are ${this.layers.length}.`);
  }

  #with = (layer, changes) =>
    this.layers.map((one) => (one === layer ? changed(layer, changes) : one));

  /** An edit as it will be read from the state, so that what is seen is what is kept. */
  #read = (edit) => checkEdit(this.#ground.kept(edit));

  #lay(map) {
    this.#ground = new Ground(map);
    this.#stack = new Stack(this.#ground, this.#frame);
    this.#bench = new Bench(map);
  }

  *#take(state) {
    const drawn = state.layers.some(({ edits }) => edits.length);
    const size = drawn ? state.size : this.#empty().size;
    const layers = state.layers.length ? state.layers : this.#empty().layers;
    this.#state = { ...state, size, layers };
    this.#ground.drawnOn(size);
    this.#bench.forget();
    yield* this.#stack.load(layers);
  }

  #preview(box) {
    if (box) this.#stack.preview(this.#active, this.#bench, box);
    return box;
  }

  /** Goes on to other layers, as one step of the history. */
  #step(layers, { patch = null, active = this.#active, merge = null }) {
    this.cancel();
    const step = { layers: this.layers, active: this.#active, merge };
    const { dirty, replaced } = this.#adopt(layers, patch);
    this.#active = active;
    this.#history.push({ ...step, patch: replaced });
    return dirty;
  }

  #travel(direction) {
    this.cancel();
    let box = null;
    direction(({ layers, active, patch, merge }) => {
      const back = { layers: this.layers, active: this.#active, merge };
      const { dirty, replaced } = this.#adopt(layers, patch);
      this.#active = active;
      box = dirty;
      return { ...back, patch: replaced };
    });
    return box;
  }

  #adopt(layers, patch) {
    this.#state = { ...this.#state, layers };
    const adopted = this.#stack.adopt(layers, patch);
    // After a commit the bench has the new pixels already.
    if (!patch?.live) this.#bench.forget();
    return adopted;
  }
}

/** Takes all steps at once; what they come to. */
function finish(steps) {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

const pointsOf = ({ points = [] }) => points.length;

/** A sum over all edits. */
const countOf = (layers, of) =>
  layers.reduce((sum, { edits }) => edits.reduce((part, edit) => part + of(edit), sum), 0);
