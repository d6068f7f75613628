// A photo as a relief that one looks around in, on a canvas.

import { missing } from "./gpu.js";
import { Motion } from "./motion.js";
import { DEFAULTS } from "./options.js";
import { Pace } from "./pace.js";
import { Surface, viewsOf } from "./surface.js";

const MOST_PIXELS = 2 ** 21; // that are drawn; the canvas may be shown larger
const WANDERING = 1000 / 30; // milliseconds a frame; a hand wants more
const STILL = 150; // milliseconds without a move, until it is drawn at its finest
const KEPT = 5000; // milliseconds out of sight, until the GPU's memory is given back
const RESIZE = 0.1; // a smaller change of the shown size leaves the canvas as it is

export { DEFAULTS } from "./options.js";

/**
 * Starts stopped and empty. `onState` is called when `problem` or `scale` may have changed; a
 * problem is `none` (no WebGL 2: the photo stays flat) or `lost` (it is flat until the GPU is back).
 */
export class Relief {
  constructor(canvas) {
    this.canvas = canvas;
    this.options = { ...DEFAULTS };
    this.onState = () => {};
    this.runs = false;
    this.isSeen = false;
    this.frame = this.timer = this.heard = null;
    this.isStill = false;
    this.pace = new Pace();
    this.motion = new Motion(canvas, () => this.wake());
    this.surface = new Surface(canvas, () => {
      this.onState();
      this.wake();
    });
    this.seen = new IntersectionObserver((entries) => this.#see(entries.at(-1).isIntersecting));
    this.seen.observe(canvas);
    this.sized = new ResizeObserver(() => this.wake());
    this.sized.observe(canvas);
  }

  /** An image, canvas or bitmap; null shows the depths in grey. */
  setPhoto(image) {
    this.surface.setPhoto(image);
    this.wake();
  }

  /** Another image over the same depth, right of `split`; null takes it away. */
  setAfter(image) {
    this.surface.setAfter(image);
    this.wake();
  }

  /** Depth 0..1 in rows, white = near. */
  setDepth(depth, width, height) {
    this.surface.setDepth(depth, width, height);
    this.wake();
  }

  set(options) {
    Object.assign(this.options, options);
    this.motion.move = this.options.move;
    this.wake();
  }

  /** To a place {right, up, forward}, in units of the strength, each -1..1. */
  lookFrom(place) {
    this.motion.lookFrom(place);
  }

  /** Whether the device's tilt moves the camera only after the user has said so, at a click. */
  static get mustAskForTilt() {
    const canAsk = typeof globalThis.DeviceOrientationEvent?.requestPermission === "function";
    return canAsk && matchMedia("(any-pointer: coarse)").matches;
  }

  async askForTilt() {
    await DeviceOrientationEvent.requestPermission();
  }

  get problem() {
    return missing();
  }

  /** By which factor the largest side is scaled down for the GPU; 1 is not at all. */
  get scale() {
    return this.surface.scale;
  }

  start() {
    this.runs = true;
    this.wake();
  }

  stop() {
    this.runs = false;
    this.#sleep();
  }

  /** Draws as soon as it can be seen, and goes on while something moves. */
  wake() {
    if (!this.runs || !this.isSeen || document.hidden) return this.#sleep();
    clearTimeout(this.timer);
    this.frame ??= requestAnimationFrame((time) => {
      this.frame = null;
      const camera = this.motion.at(time);
      const rest = this.motion.rest(time);
      this.draw(camera, rest && this.isStill ? 1 : this.pace.scale);
      this.pace.frame(time, rest === 0);
      this.#goOn(time, rest);
    });
  }

  /** Draws now, at a part of the shown size. */
  draw(camera, scale = 1) {
    this.#resize(scale);
    this.surface.draw(camera, this.options);
    const state = [this.problem, this.scale].join();
    if (state !== this.state) this.onState();
    this.state = state;
  }

  dispose() {
    this.stop();
    this.#see(false);
    clearTimeout(this.leaving);
    this.seen.disconnect();
    this.sized.disconnect();
    this.motion.dispose();
    this.surface.dispose();
  }

  /** Out of sight nothing of the page holds it: whoever lets go of it need not say so. */
  #see(isSeen) {
    this.isSeen = isSeen;
    clearTimeout(this.leaving);
    this.heard?.abort();
    if (isSeen) {
      this.heard = new AbortController();
      const { signal } = this.heard;
      document.addEventListener("visibilitychange", () => this.wake(), { signal });
      this.motion.listen(signal);
    } else this.leaving = setTimeout(() => this.surface.release(), KEPT);
    this.wake();
  }

  #goOn(time, rest) {
    const again = (milliseconds) => (this.timer = setTimeout(() => this.wake(), milliseconds));
    const isCoarse = this.pace.scale < 1 && !this.isStill;
    this.isStill = rest > 0;
    if (!rest) {
      const isSlow = this.pace.scale < 1 || !this.motion.wanders(time);
      if (isSlow) this.wake();
      else again(WANDERING);
    } else if (isCoarse) {
      this.pace.rest();
      again(STILL);
    } else if (rest < Infinity) again(rest);
  }

  #sleep() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.frame = null;
  }

  /** To the pixels it covers, in the view's shape; the browser fits it into its box. */
  #resize(part) {
    const { canvas, surface, options } = this;
    if (!surface.map || !canvas.isConnected) return;
    const { width, height } = surface.map;
    const views = viewsOf(options.show);
    const box = canvas.getBoundingClientRect();
    const shown = Math.min(box.width / (width * views), box.height / height) * devicePixelRatio;
    const most = Math.min(1, Math.sqrt(MOST_PIXELS / (width * views * height)));
    const scale = Math.min(Math.max(shown, 1 / Math.min(width, height)), most) * part;
    const [columns, rows] = [width * views, height].map((side) => Math.round(side * scale));
    const isClose = Math.abs(canvas.width / columns - 1) < RESIZE;
    if (isClose && Math.abs(canvas.width / canvas.height / (columns / rows) - 1) < 0.01) return;
    canvas.width = columns;
    canvas.height = rows;
  }
}
