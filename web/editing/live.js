// The edit that is being made: drawn again where it changes, and nowhere else.

import { apply, involved, windowOf } from "./composition.js";
import { isWhole } from "./effects.js";
import { cut, grown, intersection, paste, union } from "./rectangles.js";
import { drawSegment } from "./strokes.js";
import { haloOf, part, shapeKey, supportOf, weightsOf } from "./weights.js";

/**
 * Planes to work on, kept from one edit to the next: `depth` and `touched` are a layer's with the
 * edit on it, `drawn` a stroke's weights, `weights` what the photo's edges make of them.
 */
export class Bench {
  #sheet = null;

  constructor({ width, height }) {
    this.width = width;
    this.depth = new Float32Array(width * height);
    this.touched = new Float32Array(width * height);
    this.drawn = new Float32Array(width * height);
    this.weights = new Float32Array(width * height);
  }

  /** Makes the planes those of a layer. */
  cover(sheet) {
    if (this.#sheet === sheet) return;
    this.depth.set(sheet.depth);
    this.touched.set(sheet.touched);
    this.#sheet = sheet;
  }

  /** Says that the layer has other pixels now. */
  forget() {
    this.#sheet = null;
  }

  take(window, box) {
    paste(this.depth, this.width, window.depth, window, box);
    paste(this.touched, this.width, window.touched, window, box);
  }

  wipe(box) {
    if (!box) return;
    for (let y = box.y; y < box.y + box.height; y++)
      for (const plane of [this.drawn, this.weights])
        plane.fill(0, y * this.width + box.x, y * this.width + box.x + box.width);
  }
}

export class LiveEdit {
  /** Where the layer is another with the edit on it, or was on the way. */
  box = null;
  #ground;
  #sheet;
  #bench;
  #shape = null;

  constructor(edit, ground, sheet, bench) {
    Object.assign(this, { edit });
    [this.#ground, this.#sheet, this.#bench] = [ground, sheet, bench];
    bench.cover(sheet);
  }

  get window() {
    return this.box && { box: this.box, ...windowOf(this.#bench, this.#bench.width, this.box) };
  }

  /** Draws all of it; where that made a difference. */
  draw() {
    const { edit } = this;
    const was = this.box;
    this.clear();
    if (edit.tool !== "stroke") return union(was, this.#area());
    return union(was, this.#segments(edit.points.length > 1 ? 1 : 0));
  }

  /** Draws a stroke on, which gets more points. */
  extend(points) {
    const known = this.edit.points.length;
    this.edit.points.push(...points);
    // The single point was a dot; now it is the end of a segment.
    return known > 1 ? this.#segments(known) : this.draw();
  }

  /** Takes it off the layer again. */
  clear() {
    if (this.box) this.#bench.take(windowOf(this.#sheet, this.#bench.width, this.box), this.box);
    this.#bench.wipe(this.box);
    this.box = null;
  }

  /** Leaves it on the layer. */
  finish() {
    this.#bench.wipe(this.box);
  }

  /** Draws an edit that is no stroke; its weights stay while only what it does changes. */
  #area() {
    const [{ edit }, ground] = [this, this.#ground];
    const key = shapeKey(edit);
    if (this.#shape?.key !== key) {
      const box = supportOf(edit, ground);
      this.#shape = { key, box, weights: box && weightsOf(edit, ground, box) };
    }
    const { box, weights } = this.#shape;
    return this.#work(box, (inner) => part(weights, box, inner));
  }

  #segments(first) {
    const [{ edit }, ground, { drawn, weights, width }] = [this, this.#ground, this.#bench];
    let drew = null;
    for (let i = first; i < edit.points.length; i++)
      drew = union(drew, drawSegment(edit, i, ground, drawn, ground.frame));
    const box = intersection(grown(drew, haloOf(edit, ground)), ground.frame);
    if (!box) return null;
    const kept = weightsOf(edit, ground, box, (wide) => cut(drawn, width, wide));
    paste(weights, width, kept, box, box);
    return this.#work(box, (inner) => cut(weights, width, inner));
  }

  #work(changed, weigh) {
    const [ground, { edit }] = [this.#ground, this];
    const box = changed && isWhole(edit) ? supportOf(edit, ground) : changed;
    if (!box) return null;
    const window = windowOf(this.#sheet, this.#bench.width, involved(edit, ground, box));
    apply(edit, ground, window, weigh);
    this.#bench.take(window, box);
    this.box = union(this.box, box);
    return box;
  }
}
