// A relief with its settings, to look at and to look around in: what the node shows.

import { loadMap, routeOf } from "../page_maps.js";
import { api } from "/scripts/api.js";
import { say } from "../language.js";
import { checked, Panel } from "./panel.js";
import { Relief } from "./relief.js";
import { Split } from "./split.js";

const STYLE = new URL("viewer.css", import.meta.url).href;

export class Viewer {
  /** `keep(settings)` is called when one was changed, `sized()` when it needs other room. */
  constructor({ keep, sized, takeAlong }) {
    addStyle();
    this.settings = {};
    this.entries = [];
    this.images = [];
    this.loading = null;
    this.#build({ keep, sized, takeAlong });
    this.relief = new Relief(this.canvas);
    this.relief.onState = () => this.#tell();
    this.say(say("Run this node to look around in its image."));
  }

  /** Settings as they were kept; what is left out is as in the beginning. */
  set(settings) {
    this.settings = checked(settings);
    this.panel.reset(this.settings);
    this.#apply();
  }

  /** What a run of the node left for the page. After a new one, files that were gone are back. */
  async show(entries, isNew) {
    const isShown = JSON.stringify(entries) === JSON.stringify(this.entries);
    if (isShown && !(isNew && this.failed)) return;
    this.entries = entries;
    this.frames.max = entries.length - 1;
    this.frames.value = Math.min(this.frames.value, this.frames.max);
    this.frames.parentElement.hidden = entries.length < 2;
    await this.#load();
  }

  /** A line over the image; an empty one takes it away. */
  say(line) {
    this.line.textContent = line;
  }

  dispose() {
    this.loading?.abort();
    this.relief.dispose();
    this.#close();
  }

  async #load() {
    this.loading?.abort();
    this.failed = false;
    const { signal } = (this.loading = new AbortController());
    const entry = this.entries[this.frames.value];
    this.count.textContent = `${entry.frame + 1} / ${entry.frames}`;
    try {
      const [map, after] = await Promise.all([
        loadMap(entry, { signal }),
        fetched(entry.after, signal),
      ]);
      if (signal.aborted) return;
      this.#close();
      this.images = [map.photo, after].filter(Boolean);
      const { width, height, base } = map;
      this.relief.setDepth(Float32Array.from(base, (step) => step / 65535), width, height);
      this.relief.setPhoto(map.photo);
      this.relief.setAfter(after);
      this.size = [width, height];
      this.hasAfter = !!after;
      this.#apply();
      this.relief.start();
      this.#tell();
    } catch (error) {
      if (signal.aborted) return;
      this.failed = true;
      this.say(error.message);
    }
  }

  #close() {
    for (const image of this.images) image.close();
    this.images = [];
  }

  /** What the picture cannot be, if there is one. */
  #tell() {
    const { problem, scale } = this.relief;
    const lines = [];
    if (problem === "none")
      lines.push(say("This browser has no WebGL 2, which moves the image; it stays flat."));
    if (problem === "lost") lines.push(say("The graphics card is busy elsewhere; please wait."));
    if (scale < 1 && this.size) {
      const [width, height] = this.size.map((side) => Math.round(side * scale));
      const sentence = "Shown at {width} × {height} pixels, the most of this graphics card.";
      lines.push(say(sentence, { width, height }));
    }
    this.say(lines.join(" "));
  }

  #apply() {
    this.relief.set(this.panel.values);
    const { show, holes } = this.panel.values;
    const isTwo = show === "side by side" || show === "cross-eyed";
    const [width, height] = this.size ?? [1, 1];
    this.frame.style.setProperty("--shape", ((isTwo ? 2 : 1) * width) / height);
    this.frame.classList.toggle("sd2-viewer-holes", holes === "shown");
    this.split.element.hidden = isTwo || !this.hasAfter;
  }

  #build({ keep, sized, takeAlong }) {
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute(
      "aria-label",
      say(
        "The image in relief. Arrow keys move the camera, plus and minus take it nearer and " +
          "back, Home puts it where it was.",
      ),
    );
    this.split = new Split((place) => this.relief?.set({ split: place }));
    this.frame = make("div", "frame", this.canvas, this.split.element);
    this.line = make("div", "line");
    this.line.setAttribute("role", "status");
    this.stage = make("div", "stage", this.frame, this.line);
    this.panel = new Panel(
      (name, value) => {
        this.settings[name] = value;
        this.#apply();
        sized(); // some settings have others below them
      },
      () => keep({ ...this.settings }),
    );
    this.panel.element.hidden = true;
    this.element = make("div", "", this.stage, this.#bar(sized, takeAlong), this.panel.element);
    this.element.className = "sd2-viewer";
    for (const name of ["pointerdown", "pointermove", "pointerup"])
      this.element.addEventListener(name, keepFromCanvas);
  }

  #bar(sized, takeAlong) {
    const settings = button(say("Settings"), () => {
      const { element } = this.panel;
      // The image keeps its height: the node grows by that of the settings.
      this.stage.style.minHeight = element.hidden ? `${this.stage.offsetHeight}px` : "";
      element.hidden = !element.hidden;
      settings.setAttribute("aria-expanded", !element.hidden);
      sized();
    });
    settings.setAttribute("aria-expanded", false);
    const along = button(say("To Parallax Frames"), takeAlong);
    along.title = say(
      "Give strength, move and plane to a Parallax Frames node, a new one if need be.",
    );
    const full = button(say("Full screen"), () =>
      document.fullscreenElement ? document.exitFullscreen() : this.element.requestFullscreen(),
    );
    full.hidden = !document.fullscreenEnabled;
    const tilt = button(say("Tilt"), () => this.relief.askForTilt());
    tilt.hidden = !Relief.mustAskForTilt;
    this.frames = document.createElement("input");
    Object.assign(this.frames, { type: "range", min: 0, value: 0, step: 1 });
    this.frames.setAttribute("aria-label", say("image of the batch"));
    this.frames.addEventListener("input", () => this.#load());
    this.count = document.createElement("output");
    const frames = make("label", "frames", this.frames, this.count);
    frames.hidden = true;
    return make("div", "bar", settings, along, full, tilt, frames);
  }
}

/** Else the page's canvas takes a drag for one of the node. */
function keepFromCanvas(event) {
  if (event.button <= 0) event.stopPropagation();
}

function make(kind, name, ...children) {
  const made = document.createElement(kind);
  made.className = `sd2-viewer-${name}`;
  made.append(...children);
  return made;
}

function button(text, press) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", press);
  return made;
}

async function fetched(file, signal) {
  if (!file) return null;
  const answer = await api.fetchApi(routeOf(file), { signal });
  if (answer.ok) return createImageBitmap(await answer.blob());
  const values = { file: file.filename, status: answer.status };
  throw new Error(say("The server has no {file} any more ({status}); run the node again.", values));
}

function addStyle() {
  if (document.getElementById(STYLE)) return;
  const link = document.createElement("link");
  Object.assign(link, { id: STYLE, rel: "stylesheet", href: STYLE });
  document.head.append(link);
}
