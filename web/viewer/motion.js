// Where the camera is: moved by pointer, drag, touch, keys or the device's tilt; else it wanders.

const IDLE_SECONDS = 3; // without a hand on it, until it wanders again
const ROUND_SECONDS = 7; // of a round of it
const WANDER = 0.7; // of the whole move
const EASE_SECONDS = 0.12; // in which most of the way to a new place is gone
const CLOSE = 0.002;
const TILT_DEGREES = 20; // for the whole move
const TREMBLE = 0.2; // degrees that are no tilt
const LEVELLING = 0.002; // part of its tilt, by which a device is taken to be held so
const KEY_STEP = 0.2;
const KEYS = {
  ArrowLeft: [-1, 0, 0],
  ArrowRight: [1, 0, 0],
  ArrowUp: [0, 1, 0],
  ArrowDown: [0, -1, 0],
  "+": [0, 0, 1],
  "-": [0, 0, -1],
};
const CENTRE = { right: 0, up: 0, forward: 0, zoom: 0 };

/** How the camera wanders: its place for every part of the way, as in `depth/camera.py`. */
const PATHS = {
  sway: (part) => ({ right: sine(part) }),
  circle: (part) => ({ right: cosine(part), up: sine(part) }),
  "push in": (part) => ({ forward: part }),
  orbit: (part) => ({ right: sine(part), forward: (1 - cosine(part)) / 2 }),
  dolly: (part) => ({ forward: (1 - cosine(part)) / 2 }),
  zoom: (part) => ({ zoom: part }),
  arc: (part) => ({ right: -cosine(part / 2), forward: (1 - sine(part / 2)) / 2 }),
};
// They end elsewhere than they begin; here they go the same way back.
const ONCE = ["push in", "zoom", "arc"];

export const MOVES = ["still", ...Object.keys(PATHS)];

export class Motion {
  /** `wake` is called when there is something new to draw. */
  constructor(element, wake) {
    this.element = element;
    this.wake = wake;
    this.move = "circle";
    this.now = { ...CENTRE };
    this.target = { ...CENTRE };
    this.touchedAt = -Infinity;
    this.drawnAt = null;
    this.part = 0;
    this.drag = null;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.stop = new AbortController();
    const { signal } = this.stop;
    for (const [name, hear] of [
      ["pointerdown", (event) => this.#press(event)],
      ["pointermove", (event) => this.#point(event)],
      ["pointerup", () => (this.drag = null)],
      ["pointercancel", () => (this.drag = null)],
      ["keydown", (event) => this.#key(event)],
    ])
      element.addEventListener(name, hear, { signal });
    element.style.touchAction = "none";
  }

  /** Hears what concerns the whole page, until the signal. */
  listen(signal) {
    this.calm.addEventListener("change", this.wake, { signal });
    addEventListener("deviceorientation", (event) => this.#tilt(event), { signal });
  }

  /** The camera at a time in milliseconds. */
  at(time) {
    const seconds = this.drawnAt === null ? 0 : Math.min(0.1, (time - this.drawnAt) / 1000);
    this.drawnAt = time;
    if (this.wanders(time)) {
      this.part = (this.part + seconds / ROUND_SECONDS) % 1;
      const part = ONCE.includes(this.move) ? (1 - cosine(this.part)) / 2 : this.part;
      const place = PATHS[this.move](part);
      for (const name in CENTRE) this.target[name] = WANDER * (place[name] ?? 0);
    }
    const share = this.calm.matches ? 1 : 1 - Math.exp(-seconds / EASE_SECONDS);
    for (const name in CENTRE) this.now[name] += share * (this.target[name] - this.now[name]);
    if (this.#isThere()) Object.assign(this.now, this.target);
    return this.now;
  }

  /** Whether the camera goes its own way. */
  wanders(time) {
    const isLeft = !this.drag && time - this.touchedAt > IDLE_SECONDS * 1000;
    return isLeft && this.move in PATHS && !this.calm.matches;
  }

  /** Milliseconds until there is something new to draw: 0 while it moves. */
  rest(time) {
    if (this.wanders(time) || !this.#isThere()) return 0;
    if (this.drag || !(this.move in PATHS) || this.calm.matches) return Infinity;
    return Math.max(0, this.touchedAt + IDLE_SECONDS * 1000 - time);
  }

  /** To a place in units of the whole move, as if by hand; what is left out stays. */
  lookFrom(place) {
    const there = { ...this.target, zoom: 0, ...place };
    for (const name in CENTRE) this.target[name] = clamp(there[name]);
    this.touchedAt = performance.now();
    this.wake();
  }

  dispose() {
    this.stop.abort();
  }

  #isThere() {
    const { now, target } = this;
    return Object.keys(CENTRE).every((name) => Math.abs(target[name] - now[name]) < CLOSE);
  }

  #press(event) {
    this.drag = { x: event.clientX, y: event.clientY, from: { ...this.target } };
    this.element.setPointerCapture?.(event.pointerId);
  }

  /** Pressed, near things follow the pointer; else one looks from where the pointer is. */
  #point(event) {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    if (this.drag) {
      const { x, y, from } = this.drag;
      this.lookFrom({
        right: from.right - (2 * (event.clientX - x)) / width,
        up: from.up + (2 * (event.clientY - y)) / height,
      });
    } else if (event.pointerType !== "touch") {
      this.lookFrom({
        right: (2 * (event.clientX - left)) / width - 1,
        up: 1 - (2 * (event.clientY - top)) / height,
      });
    }
  }

  #key(event) {
    const step = KEYS[event.key];
    if (!step && event.key !== "Home") return;
    event.preventDefault();
    event.stopPropagation();
    if (!step) return this.lookFrom(CENTRE);
    const { right, up, forward } = this.target;
    const [x, y, z] = step.map((one) => one * KEY_STEP);
    this.lookFrom({ right: right + x, up: up + y, forward: forward + z });
  }

  /** From where the device was held first. */
  #tilt({ beta, gamma }) {
    if (beta === null || gamma === null) return;
    this.held ??= { beta, gamma };
    this.tilted ??= { beta, gamma };
    this.held.beta += LEVELLING * (beta - this.held.beta);
    this.held.gamma += LEVELLING * (gamma - this.held.gamma);
    if (Math.hypot(beta - this.tilted.beta, gamma - this.tilted.gamma) < TREMBLE) return;
    this.tilted = { beta, gamma };
    this.lookFrom({
      right: (gamma - this.held.gamma) / TILT_DEGREES,
      up: (beta - this.held.beta) / TILT_DEGREES,
    });
  }
}

const sine = (part) => Math.sin(2 * Math.PI * part);
const cosine = (part) => Math.cos(2 * Math.PI * part);
const clamp = (value) => Math.min(1, Math.max(-1, value));
