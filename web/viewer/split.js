// The line between two images that lie over each other; moved by pointer and keys.

import { say } from "../language.js";

const STEP = 0.02;
const PLACES = {
  ArrowLeft: (now) => now - STEP,
  ArrowRight: (now) => now + STEP,
  PageDown: (now) => now - 5 * STEP,
  PageUp: (now) => now + 5 * STEP,
  Home: () => 0,
  End: () => 1,
};

/** A slider over its parent's whole width; `moved(place)` is called with 0..1. */
export class Split {
  constructor(moved) {
    this.moved = moved;
    this.element = document.createElement("div");
    this.element.className = "sd2-viewer-split";
    this.element.tabIndex = 0;
    this.element.title = say("Left of the line the image, right of it the one to compare with.");
    for (const [name, value] of [
      ["role", "slider"],
      ["aria-label", say("before and after")],
      ["aria-valuemin", 0],
      ["aria-valuemax", 100],
    ])
      this.element.setAttribute(name, value);
    this.element.addEventListener("pointerdown", (event) => {
      this.element.setPointerCapture(event.pointerId);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (!this.element.hasPointerCapture(event.pointerId)) return;
      const { left, width } = this.element.parentElement.getBoundingClientRect();
      this.#to((event.clientX - left) / width);
    });
    this.element.addEventListener("keydown", (event) => {
      const place = PLACES[event.key];
      if (!place) return;
      event.preventDefault();
      event.stopPropagation();
      this.#to(place(this.place));
    });
    this.#to(0.5);
  }

  #to(place) {
    this.place = Math.min(1, Math.max(0, place));
    this.element.style.left = `${100 * this.place}%`;
    this.element.setAttribute("aria-valuenow", Math.round(100 * this.place));
    this.moved(this.place);
  }
}
