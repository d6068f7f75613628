// The pixels of all layers: what each makes of those below it, and what comes out on top.
//
// A sheet is what the edits of a layer make of what lies below: two planes, and the rectangle in
// which they are still to be computed. Sheets that nobody has asked for longest are given up.

import { apply, involved, lay, windowOf } from "./composition.js";
import { difference, extentOf, identityOf, isShown, rearranged } from "./layers.js";
import { unit } from "./numbers.js";
import { cut, intersection, paste, union } from "./rectangles.js";

const SHEETS = 2 * 2 ** 30; // bytes

export class Stack {
  layers = [];
  #ground;
  #frame;
  #sheets = new Map();

  /** @param frame which entry of the batch it is, counted from 0. */
  constructor(ground, frame) {
    this.#ground = ground;
    this.#frame = frame;
    this.result = ground.base.slice();
    this.touched = new Float32Array(ground.base.length);
  }

  /**
   * Takes other layers. A patch has pixels of one of them, `{identity, box, depth, touched}`, that
   * need not be computed any more; the one to go back with is `replaced`. `dirty` is where the
   * result is another now.
   */
  adopt(layers, patch = null) {
    const before = this.layers;
    this.layers = layers;
    const replaced = patch && this.#swap(patch);
    const { first, moved } = rearranged(before, layers);
    let dirty = null;
    for (let i = 0; i <= layers.length; i++) {
      if (i === first) dirty = this.#extents(dirty, moved);
      if (i === layers.length) break;
      dirty = this.#spoil(layers[i], dirty);
      if (i < first && layers[i] !== before[i])
        dirty = union(dirty, this.#changes(before[i], layers[i], replaced));
    }
    this.show(dirty);
    return { dirty, replaced };
  }

  /** Computes all layers, an edit at each step, which gives the share that is done. */
  *load(layers) {
    this.layers = layers;
    this.#sheets.clear();
    const shown = layers.filter(this.#shows);
    const total = shown.reduce((sum, { edits }) => sum + edits.length, 0);
    let done = 0;
    for (const layer of shown)
      for (const _ of this.computing(layers.indexOf(layer))) yield ++done / total;
    this.show(this.#ground.frame);
  }

  /** Shows a layer with other planes; those above it only follow once it is adopted. */
  preview(index, planes, box) {
    const layer = this.layers[index];
    if (!isShown(layer, this.#frame)) return;
    const draft = windowOf(planes, this.#ground.width, box);
    const window = lay(this.out(index - 1, box), draft, layer.opacity);
    const top = this.layers.length - 1;
    if (index < top) shift(window, this.out(index, box), this.out(top, box));
    this.#put(window);
  }

  /** Brings a rectangle of the result up to date. */
  show(box) {
    if (box) this.#put(this.out(this.layers.length - 1, box));
  }

  /** What comes out of the layers up to one, in a rectangle. */
  out(index, box) {
    if (index < 0) return this.#estimate(box);
    const below = this.out(index - 1, box);
    const layer = this.layers[index];
    if (!this.#shows(layer)) return below;
    return lay(below, windowOf(this.sheet(index), this.#ground.width, box), layer.opacity);
  }

  /** The planes of a layer, computed where they have to be. */
  sheet(index) {
    for (const _ of this.computing(index));
    return this.#sheetOf(this.layers[index]);
  }

  /** Computes the planes of a layer, an edit at each step. */
  *computing(index) {
    const layer = this.layers[index];
    const sheet = this.#sheetOf(layer);
    const box = sheet.dirty;
    if (!box) return;
    const { width } = this.#ground;
    const wider = (around, edit) => involved(edit, this.#ground, around);
    const window = this.out(index - 1, layer.edits.reduceRight(wider, box));
    window.touched.fill(0);
    for (const edit of layer.edits) {
      apply(edit, this.#ground, window);
      yield;
    }
    paste(sheet.depth, width, window.depth, window, box);
    paste(sheet.touched, width, window.touched, window, box);
    sheet.dirty = null;
  }

  /** The estimate as it came in, in a rectangle. */
  #estimate(box) {
    const depth = cut(this.#ground.base, this.#ground.width, box);
    return { ...box, depth, touched: new Float32Array(depth.length) };
  }

  #sheetOf(layer) {
    const identity = identityOf(layer);
    const sheet = this.#sheets.get(identity) ?? this.#newSheet();
    this.#sheets.delete(identity);
    this.#sheets.set(identity, sheet);
    if (this.#sheets.size > Math.max(SHEETS / (sheet.depth.byteLength * 2), 2))
      this.#sheets.delete(this.#sheets.keys().next().value);
    return sheet;
  }

  #newSheet() {
    const { base, frame } = this.#ground;
    return {
      depth: new Float32Array(base.length),
      touched: new Float32Array(base.length),
      dirty: frame,
    };
  }

  /** What lies below a layer has changed in a rectangle; the one in which the layer changes. */
  #spoil(layer, dirty) {
    if (!dirty) return null;
    const spread = layer.edits.reduce((box, edit) => involved(edit, this.#ground, box), dirty);
    const sheet = this.#sheets.get(identityOf(layer));
    if (sheet) sheet.dirty = union(sheet.dirty, spread);
    return spread;
  }

  /** Where a layer that takes its own place makes a difference; `known` is what was put in. */
  #changes(before, now, known) {
    const box = extentOf(difference(before.edits, now.edits), this.#ground);
    const sheet = this.#sheets.get(identityOf(now));
    if (sheet && known?.identity !== identityOf(now)) sheet.dirty = union(sheet.dirty, box);
    const same = before.opacity === now.opacity && this.#shows(before) === this.#shows(now);
    return same ? box : this.#extents(box, [before, now]);
  }

  #shows = (layer) => layer.edits.length > 0 && isShown(layer, this.#frame);

  #extents = (box, layers) =>
    layers.reduce((sum, { edits }) => union(sum, extentOf(edits, this.#ground)), box);

  #put(window) {
    const { width } = this.#ground;
    paste(this.result, width, window.depth, window, window);
    paste(this.touched, width, window.touched, window, window);
  }

  #swap({ identity, box, depth, touched }) {
    const sheet = this.#sheets.get(identity);
    if (!sheet || intersection(sheet.dirty, box)) return null;
    const { width } = this.#ground;
    const replaced = { identity, box, ...windowOf(sheet, width, box) };
    paste(sheet.depth, width, depth, box, box);
    paste(sheet.touched, width, touched, box, box);
    return replaced;
  }
}

/** Moves what layers above have made of `before` by as much as it differs from the window. */
function shift(window, before, above) {
  const { depth, touched } = window;
  for (let i = 0; i < depth.length; i++) {
    depth[i] = unit(above.depth[i] + depth[i] - before.depth[i]);
    touched[i] = Math.max(touched[i], above.touched[i]);
  }
}
