// The map as the dialog shows it: its pixels in colours, zoomed and moved, and what lies over them.
//
// Only what an edit has touched is coloured anew, and only there is the canvas drawn.

import { grown, intersection, union } from "../editing/rectangles.js";
import { paint, seen } from "./colours.js";
import { make } from "./elements.js";

const LEAST = 0.05;
const MOST = 32;
const MARGIN = 28; // around a map that fits

export class View {
  #picture = document.createElement("canvas");
  #small = document.createElement("canvas");
  #damage = null;
  #asked = 0;
  #everything = false;
  #fitted = true;

  /** `draw(context, view)` draws what lies over the map; `label` says what the canvas is. */
  constructor(stage, label, draw) {
    this.stage = stage;
    this.over = make("canvas", { class: "over" });
    this.canvas = make("canvas", { class: "paint", tabindex: 0, role: "img", "aria-label": label });
    stage.prepend(this.canvas, this.over);
    this.look = { colours: "grey", blend: 1, contours: false, clipped: false, window: null };
    this.scale = 1;
    this.left = this.top = 0;
    this.drawOver = draw;
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(stage);
  }

  /** `source()` gives the depths to show; `photo` is an ImageBitmap of the map's size or null. */
  show({ width, height, photo }, source) {
    const same = this.width === width && this.height === height;
    Object.assign(this, { width, height, source });
    this.#picture.width = width;
    this.#picture.height = height;
    this.context = this.#picture.getContext("2d", { willReadFrequently: true });
    this.photo = photo && pixelsOf(photo, this.context, width, height);
    if (!same) this.fit();
    this.recolour();
  }

  /** Colours a part anew, or all of it. */
  recolour(rect) {
    if (!this.source) return;
    const whole = { x: 0, y: 0, width: this.width, height: this.height };
    // A contour shows in the neighbours of the pixel that moved.
    const part = rect && !this.look.sees ? intersection(grown(rect, 1), whole) : whole;
    if (!part) return;
    if (this.look.sees) this.#recolourSeen();
    else {
      const image = this.context.createImageData(part.width, part.height);
      const pixels = new Uint32Array(image.data.buffer);
      paint(pixels, part, this.source(), this.width, this.photo, this.look);
      this.context.putImageData(image, part.x, part.y);
    }
    this.#damage = union(this.#damage, part);
    this.redraw();
  }

  #recolourSeen() {
    const { width, height, depth } = seen(this.source(), this.width, this.height);
    Object.assign(this.#small, { width, height });
    const context = this.#small.getContext("2d");
    const image = context.createImageData(width, height);
    const rect = { x: 0, y: 0, width, height };
    const look = { ...this.look, blend: 1, contours: false, clipped: false, window: null };
    paint(new Uint32Array(image.data.buffer), rect, depth, width, null, look);
    context.putImageData(image, 0, 0);
  }

  /** Draws with the next frame; `all` also what has not changed. */
  redraw(all = false) {
    if (all && this.width) this.#damage = { x: 0, y: 0, width: this.width, height: this.height };
    this.#everything ||= all;
    this.#asked ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#asked = 0;
    const ratio = window.devicePixelRatio || 1;
    if (this.source && (this.#damage || this.#everything)) this.#drawMap(ratio);
    this.#damage = null;
    this.#everything = false;
    const context = this.over.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.over.width, this.over.height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (this.source) this.drawOver(context, this);
  }

  #drawMap(ratio) {
    const context = this.canvas.getContext("2d");
    const { scale, left, top, width, height } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.save();
    if (!this.#everything) {
      const { x, y, width: w, height: h } = grown(this.#damage, 1);
      context.beginPath();
      context.rect(
        Math.floor((left + x * scale) * ratio),
        Math.floor((top + y * scale) * ratio),
        Math.ceil(w * scale * ratio) + 1,
        Math.ceil(h * scale * ratio) + 1,
      );
      context.clip();
    }
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = !this.look.sees && scale * ratio < 3;
    const image = this.look.sees ? this.#small : this.#picture;
    const place = [left, top, width * scale, height * scale].map((n) => n * ratio);
    context.drawImage(image, 0, 0, image.width, image.height, ...place);
    context.restore();
  }

  // --- zoom and place ----------------------------------------------------------------------------

  fit() {
    const { clientWidth, clientHeight } = this.stage;
    if (!this.width || !clientWidth) return;
    const room = [clientWidth - 2 * MARGIN, clientHeight - 2 * MARGIN];
    this.scale = Math.max(LEAST, Math.min(MOST, room[0] / this.width, room[1] / this.height));
    this.left = (clientWidth - this.width * this.scale) / 2;
    this.top = (clientHeight - this.height * this.scale) / 2;
    this.#fitted = true;
    this.#moved();
  }

  /** Zooms by a factor around a point of the stage, its middle by default. */
  zoom(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const scale = Math.max(LEAST, Math.min(MOST, this.scale * factor));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.#fitted = false;
    this.#moved();
  }

  pan(dx, dy) {
    // Some of the map stays in sight.
    const keep = 40;
    const { clientWidth, clientHeight } = this.stage;
    const within = (at, size, room) => Math.max(keep - size, Math.min(room - keep, at));
    this.left = within(this.left + dx, this.width * this.scale, clientWidth);
    this.top = within(this.top + dy, this.height * this.scale, clientHeight);
    this.#fitted = false;
    this.#moved();
  }

  #moved() {
    this.redraw(true);
    this.onmove?.();
  }

  /** The point of the map under a point of the window. */
  toMap({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const { left, top, scale } = this;
    return [(clientX - box.left - left) / scale, (clientY - box.top - top) / scale];
  }

  toStage([x, y]) {
    return [this.left + x * this.scale, this.top + y * this.scale];
  }

  #resize() {
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.canvas, this.over]) {
      canvas.width = Math.round(this.stage.clientWidth * ratio);
      canvas.height = Math.round(this.stage.clientHeight * ratio);
    }
    if (this.#fitted) this.fit();
    this.redraw(true);
  }

  dispose() {
    this.observer.disconnect();
    cancelAnimationFrame(this.#asked);
    this.source = this.photo = null;
    for (const canvas of [this.#picture, this.#small, this.canvas, this.over]) canvas.width = 0;
  }
}

function pixelsOf(photo, context, width, height) {
  context.drawImage(photo, 0, 0, width, height);
  return new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
}
