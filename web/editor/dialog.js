// The dialog of one sitting: what is in it, how it begins and ends.

import { api } from "/scripts/api.js";
import { outputOf, pathTo, runIds } from "../graph.js";
import { say } from "../language.js";
import { loadMap } from "../page_maps.js";
import { ask, help } from "./ask.js";
import { corner, lookAround } from "./corner.js";
import { iconButton, make, segments, textButton, toggle } from "./elements.js";
import { openFrame } from "./frame.js";
import { histogramSection } from "./histogram.js";
import { listen } from "./keys.js";
import { layersSection } from "./layer_list.js";
import { Letters } from "./letters.js";
import { lookSection } from "./look.js";
import { recall, remember } from "./memory.js";
import { optionsBar, pendingBar } from "./options.js";
import { drawOverlay } from "./overlay.js";
import { Painting } from "./painting.js";
import { Hand } from "./pointer.js";
import { rail } from "./rail.js";
import { queue, Runs } from "./run.js";
import { Session } from "./session.js";
import { parse, serialise, StateError, textsOf } from "./state.js";
import { statusLine } from "./status.js";
import { STYLE } from "./style.js";
import { View } from "./view.js";

export const MAPS = "sd2_depth_editor"; // in the node's outputs

const files = ({ depth, guide, photo }) => JSON.stringify([depth, guide, photo]);

const NO_MAP = () => say("Run the nodes before it once: their depth map is what you edit.");

/** Why edits cannot be read; empty where they can. */
function troubleOf(text) {
  try {
    if (text) parse(text);
    return "";
  } catch (error) {
    if (error instanceof StateError) return say(error.sentence, error.values);
    throw error;
  }
}

let current = null;

/** Opens the dialog of a node; `keep(text)` saves, and there is one dialog at a time. */
export async function openEditor(node, text, keep) {
  if (current) return;
  current = new Dialog(node, text, keep);
  try {
    await current.open();
  } catch (error) {
    current?.close();
    throw error;
  }
}

/** Ends the dialog of a node that is removed. */
export function closeEditor(node) {
  if (current?.node === node) current.close();
}

class Dialog {
  constructor(node, text, keep) {
    Object.assign(this, { node, text, keep });
    this.letters = new Letters();
    this.session = new Session();
    this.session.maps = [];
    this.parts = []; // to dispose of
  }

  async open() {
    const language = document.documentElement.lang || "en";
    this.frame = await openFrame(this.node.title, STYLE, language);
    if (current !== this) return this.frame.close();
    this.root = make("main", { class: "editor" });
    this.frame.document.body.append(this.root);
    this.runs = new Runs(this.frame.signal, () => this.shown?.update());
    const { signal } = this.frame;
    api.addEventListener("executed", ({ detail }) => this.#executed(detail), { signal });
    await this.#begin();
  }

  close() {
    if (current === this) current = null;
    this.session.map?.photo?.close();
    for (const part of this.parts) part.dispose();
    this.parts = [];
    this.frame?.close();
  }

  // --- before there is a map ---------------------------------------------------------------------

  async #begin() {
    const entries = outputOf(this.node)[MAPS];
    const trouble = troubleOf(this.text);
    if (!entries?.length) return trouble ? this.#unreadable(trouble) : this.#firstRun(NO_MAP());
    try {
      const map = await this.#fetch(entries, 0);
      await this.#build(map);
    } catch (error) {
      if (this.frame.signal.aborted) return;
      if (this.view) throw error;
      this.#firstRun(error.message);
    }
  }

  #firstRun(sentence) {
    const run = textButton(
      say("Run up to here"),
      async () => {
        run.disabled = true;
        status.textContent = say("Running…");
        if (!(await queue(runIds(this.node)))) this.runs.refused();
      },
      { class: "text first" },
    );
    const status = this.#page(sentence, run);
    const update = () => {
      if (!this.runs.trouble) return;
      status.textContent = this.runs.trouble;
      run.disabled = false;
    };
    this.shown = { update };
  }

  /** Edits that no run would get past, and no map of one before. */
  #unreadable(trouble) {
    const sentence = say("{trouble} They are kept as they are.", { trouble });
    const anew = textButton(say("Start anew…"), async () => {
      if (!(await this.#confirmed())) return;
      this.keep("");
      this.text = "";
      await this.#begin();
    });
    this.#page(sentence, anew);
  }

  /** A sentence, a button, and one to close. */
  #page(sentence, button) {
    const status = make("p", { role: "status" }, sentence);
    const cancel = textButton(say("Cancel"), () => this.close());
    this.root.replaceChildren(
      make("header", {}, make("h1", {}, this.node.title)),
      make("div", { class: "first-run" }, status, make("div", {}, button, " ", cancel)),
    );
    this.frame.document.addEventListener(
      "keydown",
      ({ key }) => key === "Escape" && !this.view && this.close(),
      { signal: this.frame.signal },
    );
    button.focus();
    return status;
  }

  async #fetch(entries, index) {
    const entry = entries[index];
    const map = await loadMap(entry, { signal: this.frame.signal });
    this.session.maps = entries;
    return Object.assign(map, { index, frame: entry.frame, frames: entry.frames });
  }

  /** A run gave the node another map, or the first one. */
  async #executed({ node: id, display_node: shownOn, output }) {
    const entries = output?.[MAPS];
    if (!entries?.length || pathTo(shownOn ?? id).at(-1) !== this.node) return;
    if (!this.view) return this.#begin();
    const index = Math.min(this.session.map.index, entries.length - 1);
    const before = this.session.maps[this.session.map.index];
    if (before && files(before) === files(entries[index])) this.session.maps = entries;
    else await this.#turnTo(entries, index);
  }

  // --- the sitting -------------------------------------------------------------------------------

  async #build(map) {
    const { session, frame } = this;
    const stage = make("div", { class: "stage" });
    const label = say("The depth map. Arrow keys move the view.");
    this.stage = stage;
    this.view = new View(stage, label, (context) => drawOverlay(context, this.view, session, this.hand));
    const { view } = this;
    this.parts.push(view);
    const status = statusLine(session, view, (step) => this.#step(step));
    view.onmove = status.moved;
    this.hand = new Hand(session, view, {
      signal: frame.signal,
      moved: () => {
        status.point(this.hand.at);
        view.redraw();
      },
    });
    session.addEventListener("pixels", ({ detail }) => {
      view.recolour(detail);
      status.point(this.hand.at);
    });
    await this.#load(map);
    const look = lookSection(view, () => histogram.update());
    const histogram = histogramSection(session, view, frame.signal);
    this.look = look;
    const small = corner(session, this.runs, (tab) => this.tabs.choose(tab));
    this.shown = small;
    this.parts.push(small);
    const take = (id) => {
      this.hand.dropPolygon();
      session.take(id);
      this.tabs.choose("paint");
    };
    const scroll = make("div", { class: "scroll" }, layersSection(session), histogram.element, look.element);
    this.tip = make("p", { class: "tip" });
    stage.append(this.tip, pendingBar(session));
    this.root.replaceChildren(
      this.#header(),
      rail(session, take),
      optionsBar(session),
      stage,
      make("aside", { "aria-label": say("Layers and view") }, scroll, small.element),
      status.element,
    );
    this.#follow();
    this.#show();
    small.show();
    const act = {
      take,
      help: () => help(this.root, session.tools),
      save: () => this.save(),
      run: () => this.run(),
      leave: () => this.leave(),
    };
    listen(frame.document, session, view, this.hand, act, frame.signal);
    if (this.trouble) this.#readOnly();
    view.canvas.focus({ preventScroll: true });
  }

  /** Reads the state and paints it; one that cannot be read is kept, and nothing may be drawn. */
  async #load(map) {
    const { session } = this;
    const { width, height, base, guide } = map;
    const painting = new Painting({ width, height, base, guide, letters: this.letters }, map.frame);
    this.trouble = troubleOf(this.text);
    session.readOnly = Boolean(this.trouble);
    if (this.text && !this.trouble) {
      const { state } = parse(this.text);
      await this.letters.fetch(textsOf(state), this.frame.signal);
      painting.load(state);
      this.#tellSize(state, map);
    }
    this.kept = serialise(painting.state);
    session.open(map, painting);
  }

  #tellSize({ size }, { width, height }) {
    if (size[0] === width && size[1] === height) return;
    const values = { before: size.join(" × "), now: `${width} × ${height}` };
    this.#banner(say("Drawn on a map of {before}; the edits are scaled to {now}.", values), true);
  }

  #header() {
    const { session } = this;
    const tabs = segments(say("View"), {
      entries: [
        ["paint", say("Paint")],
        ["look", say("Look around")],
        ["result", say("Result")],
      ],
      value: "paint",
      changed: (tab) => this.#tab(tab),
    });
    this.tabs = {
      choose: (tab) => {
        tabs.show(tab);
        this.#tab(tab);
      },
    };
    const undo = iconButton("undo", say("Undo"), () => session.undo(), { key: "Ctrl+Z" });
    const redo = iconButton("redo", say("Redo"), () => session.redo(), { key: "Ctrl+Shift+Z" });
    const stay = toggle(say("Stay open"), {
      value: recall("stay").on ?? true,
      changed: (on) => remember("stay", { on }),
      hint: say("Save and Run leaves the editor open and shows the result here."),
    });
    this.stays = () => stay.box.checked;
    const save = textButton(say("Save"), () => this.save(), { title: "Ctrl+S" });
    const run = textButton(say("Save and Run"), () => this.run(), {
      class: "text first",
      title: "Ctrl+Enter",
    });
    const update = () => {
      undo.disabled = !session.live && !session.painting?.canUndo;
      redo.disabled = Boolean(session.live) || !session.painting?.canRedo;
      save.disabled = run.disabled = session.readOnly;
    };
    for (const name of ["layers", "live"]) session.addEventListener(name, update);
    update();
    return make(
      "header",
      {},
      make("h1", {}, this.node.title),
      tabs.element,
      undo,
      redo,
      iconButton("help", say("Keys and tools"), () => help(this.root, session.tools), { key: "?" }),
      make("span", { class: "space" }),
      stay.element,
      textButton(say("Cancel"), () => this.leave(), { title: "Esc" }),
      save,
      run,
    );
  }

  /** The hint of a tool is shown until it is used. */
  #follow() {
    const { session, view, tip } = this;
    const hint = () => {
      tip.textContent = session.readOnly ? "" : session.tool.hint;
      tip.hidden = !tip.textContent;
    };
    session.addEventListener("tool", hint);
    session.addEventListener("live", () => (tip.hidden = true));
    for (const name of ["tool", "live"]) session.addEventListener(name, () => view.redraw());
    session.addEventListener("options", () => {
      const { window: on, far, near } = session.options;
      const before = JSON.stringify(view.look.window);
      view.look.window = on && !session.readOnly ? [far, near] : null;
      if (JSON.stringify(view.look.window) !== before) view.recolour();
      view.redraw();
      this.#letters();
    });
    hint();
  }

  /** Fetches the letters of a text that is being placed. */
  async #letters() {
    const { session, letters } = this;
    const { shape, text } = session.options;
    const wanted = session.tool.id === "stamp" && shape === "text" && text.trim();
    if (!wanted || letters.has(text)) return;
    try {
      await letters.fetch([text], this.frame.signal);
    } catch (error) {
      if (!this.frame.signal.aborted) this.#banner(error.message);
      return;
    }
    if (session.live?.edit.text === text) session.change({ text });
  }

  #show() {
    const { session, view, look } = this;
    const { window: on, far, near } = session.options;
    view.look.window = on ? [far, near] : null;
    view.show(session.map, () => session.painting.result);
    look.update(session.map);
    session.dispatchEvent(new CustomEvent("layers"));
    session.dispatchEvent(new CustomEvent("tool"));
  }

  async #step(step) {
    const { maps, map } = this.session;
    const index = (map.index + step + maps.length) % maps.length;
    await this.#turnTo(maps, index);
  }

  /** Another map under the same edits. */
  async #turnTo(entries, index) {
    const { session } = this;
    session.apply();
    const map = await this.#fetch(entries, index);
    const { width, height, base, guide, frame } = map;
    session.map.photo?.close();
    session.painting.changeMap({ width, height, base, guide, letters: this.letters }, frame);
    session.open(map, session.painting);
    this.#show();
    this.shown.show();
  }

  #tab(tab) {
    this.large?.dispose();
    this.large = null;
    this.extra?.remove();
    this.extra = null;
    this.view.canvas.hidden = this.view.over.hidden = tab !== "paint";
    this.stage.classList.toggle("away", tab !== "paint");
    if (tab === "paint") return;
    this.session.apply();
    if (tab === "look") {
      const scene = lookAround(this.session, this.runs);
      this.large = scene;
      this.extra = make("div", {}, scene.canvas, scene.bar);
      this.stage.append(this.extra);
      scene.show();
      return;
    }
    const { image } = this.runs;
    this.extra = image
      ? make("img", { class: "result", src: image, alt: say("Result") })
      : make("p", { class: "first-run" }, say("No result yet"));
    this.stage.append(this.extra);
  }

  // --- banners -----------------------------------------------------------------------------------

  #banner(sentence, plain = false, ...more) {
    this.note?.remove();
    const close = iconButton("close", say("Close"), () => this.note.remove());
    const classes = plain ? "banner plain" : "banner";
    this.note = make("div", { class: classes, role: "status" }, make("p", {}, sentence), ...more, close);
    this.stage.append(this.note);
  }

  #readOnly() {
    const anew = textButton(say("Start anew…"), () => this.#startAnew());
    const sentence = say("{trouble} They are kept as they are; the map is shown without them.", {
      trouble: this.trouble,
    });
    this.#banner(sentence, false, anew);
  }

  async #startAnew() {
    if (!(await this.#confirmed())) return;
    this.session.readOnly = false;
    this.kept = null;
    this.note.remove();
    this.#show();
  }

  async #confirmed() {
    const answers = [
      ["", say("Keep them")],
      ["anew", say("Start anew")],
    ];
    const sentence = say("The edits that cannot be read will be lost.");
    return (await ask(this.root, say("Start anew?"), sentence, answers)) === "anew";
  }

  // --- how it ends -------------------------------------------------------------------------------

  get changed() {
    const { session } = this;
    if (session.readOnly || !session.painting) return false;
    return Boolean(session.live) || serialise(session.painting.state) !== this.kept;
  }

  /** Puts the edits into the node; false where they may not be written. */
  write() {
    const { session } = this;
    if (!session.ready) return false;
    session.apply();
    const text = serialise(session.painting.state);
    if (text !== this.kept) this.keep(text);
    this.kept = text;
    return true;
  }

  save() {
    if (this.write()) this.close();
  }

  async run() {
    if (!this.write()) return;
    const { runs } = this;
    const stays = this.stays();
    if (!stays) this.close();
    const queued = await queue();
    if (!queued && stays) runs.refused();
  }

  /** Escape and Cancel: asks where something would be lost. */
  async leave() {
    if (this.hand?.dropPolygon()) return;
    const { session } = this;
    if (session.picking) return session.pick(null);
    if (session.live) return session.cancel();
    if (!this.changed) return this.close();
    const answer = await ask(
      this.root,
      say("Keep the changes?"),
      say("They are not saved in the node yet."),
      [
        ["discard", say("Discard")],
        ["", say("Go on editing")],
        ["save", say("Save"), true],
      ],
    );
    if (answer === "save") this.save();
    if (answer === "discard") this.close();
  }
}
