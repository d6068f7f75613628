// The dialog's parts around a map: header, tools, stage, side, and how they follow the session.

import { say } from "../language.js";
import { help } from "./ask.js";
import { corner, lookAround } from "./corner.js";
import { iconButton, make, segments, textButton, toggle } from "./elements.js";
import { histogramSection } from "./histogram.js";
import { listen } from "./keys.js";
import { layersSection } from "./layer_list.js";
import { lookSection } from "./look.js";
import { recall, remember } from "./memory.js";
import { optionsBar, pendingBar } from "./options.js";
import { drawOverlay } from "./overlay.js";
import { Hand } from "./pointer.js";
import { rail } from "./rail.js";
import { statusLine } from "./status.js";
import { View } from "./view.js";

export class Workspace {
  /** `act` has what the dialog does: `save`, `run`, `leave`, `turn` to another of the maps. */
  constructor({ root, document: inside, signal, title, session, runs, act }) {
    Object.assign(this, { root, title, session, runs, act });
    this.tab = "paint";
    this.stage = make("div", { class: "stage" });
    const label = say("The depth map. Arrow keys move the view.");
    const over = (context) => drawOverlay(context, this.view, session, this.hand);
    this.view = new View(this.stage, label, over);
    const status = statusLine(session, this.view, act.turn);
    this.view.onmove = status.moved;
    const pointed = () => {
      status.point(this.hand.at);
      this.view.redraw();
    };
    this.hand = new Hand(session, this.view, { signal, moved: pointed });
    this.look = lookSection(this.view, () => histogram.update());
    const histogram = histogramSection(session, this.view, signal);
    this.small = corner(session, runs, (tab) => this.choose(tab));
    this.tip = make("p", { class: "tip" });
    this.stage.append(this.tip, pendingBar(session));
    const take = (id) => {
      this.hand.dropPolygon();
      session.take(id);
      this.choose("paint");
    };
    const sections = [layersSection(session), histogram.element, this.look.element];
    root.replaceChildren(
      this.#header(),
      rail(session, take),
      optionsBar(session),
      this.stage,
      make(
        "aside",
        { "aria-label": say("Layers and view") },
        make("div", { class: "scroll" }, ...sections),
        this.small.element,
      ),
      status.element,
    );
    this.#follow(status);
    const keys = { ...act, take, help: () => help(root, session.tools) };
    listen(inside, session, this.view, this.hand, keys, signal);
  }

  /** Another map, or other edits on it. */
  show() {
    const { session, view } = this;
    view.look.window = this.#window();
    view.show(session.map, () => session.painting.result);
    this.look.update(session.map);
    session.refresh();
    this.small.show();
    if (this.tab !== "paint") this.choose(this.tab);
  }

  /** A run has something else to show. */
  update() {
    this.small.update();
    if (this.tab === "result") this.choose("result");
  }

  get stays() {
    return this.stay.box.checked;
  }

  /** A sentence over the map, with buttons; one at a time. */
  banner(sentence, { plain = false, buttons = [] } = {}) {
    this.note?.remove();
    const close = iconButton("close", say("Close"), () => this.note.remove());
    const parts = [make("p", {}, sentence), ...buttons, close];
    this.note = make("div", { class: plain ? "banner plain" : "banner", role: "status" }, ...parts);
    this.stage.append(this.note);
  }

  /** Takes a plain sentence away, which may no longer be so. */
  hush() {
    if (this.note?.matches(".plain")) this.note.remove();
  }

  dispose() {
    this.large?.dispose();
    this.small.dispose();
    this.view.dispose();
  }

  // --- header and tabs ---------------------------------------------------------------------------

  #header() {
    const { session, act } = this;
    this.tabs = segments(say("View"), {
      entries: [
        ["paint", say("Paint")],
        ["look", say("Look around")],
        ["result", say("Result")],
      ],
      value: "paint",
      changed: (tab) => this.#turnTo(tab),
    });
    const undo = iconButton("undo", say("Undo"), () => session.undo(), { key: "Ctrl+Z" });
    const redo = iconButton("redo", say("Redo"), () => session.redo(), { key: "Ctrl+Shift+Z" });
    this.stay = toggle(say("Stay open while running"), {
      value: recall("stay", { on: true }).on,
      changed: (on) => remember("stay", { on }),
      hint: say("Save and Run leaves the editor open and shows the result here."),
    });
    const save = textButton(say("Save"), act.save, { title: "Ctrl+S" });
    const run = { class: "text first", title: "Ctrl+Enter" };
    const saveAndRun = textButton(say("Save and Run"), act.run, run);
    const update = () => {
      undo.disabled = !session.live && !session.painting?.canUndo;
      redo.disabled = Boolean(session.live) || !session.painting?.canRedo;
      save.disabled = saveAndRun.disabled = session.readOnly;
    };
    for (const name of ["layers", "live"]) session.addEventListener(name, update);
    update();
    return make(
      "header",
      {},
      make("h1", {}, this.title),
      this.tabs.element,
      undo,
      redo,
      iconButton("help", say("Keys and tools"), () => help(this.root, session.tools), { key: "?" }),
      make("span", { class: "space" }),
      this.stay.element,
      textButton(say("Cancel"), act.leave, { title: "Esc" }),
      save,
      saveAndRun,
    );
  }

  choose(tab) {
    this.tabs.show(tab);
    this.#turnTo(tab);
  }

  #turnTo(tab) {
    this.tab = tab;
    this.large?.dispose();
    this.extra?.remove();
    this.large = this.extra = null;
    this.view.canvas.hidden = this.view.over.hidden = tab !== "paint";
    this.stage.classList.toggle("away", tab !== "paint");
    if (tab === "paint") return;
    this.session.apply();
    this.extra = tab === "look" ? this.#scene() : this.#result();
    this.stage.append(this.extra);
    this.large?.show();
  }

  #scene() {
    this.large = lookAround(this.session, this.runs);
    return make("div", {}, this.large.canvas, this.large.bar);
  }

  #result() {
    const src = this.runs.preview ?? this.runs.image;
    if (src) return make("img", { class: "result", src, alt: say("Result") });
    return make("p", { class: "nothing" }, say("No result yet"));
  }

  // --- what follows the session ------------------------------------------------------------------

  #follow(status) {
    const { session, view, tip } = this;
    const hint = () => {
      tip.textContent = session.readOnly ? "" : session.tool.hint;
      tip.hidden = !tip.textContent;
    };
    session.addEventListener("tool", hint);
    session.addEventListener("live", () => (tip.hidden = true));
    for (const name of ["tool", "live"]) session.addEventListener(name, () => view.redraw());
    session.addEventListener("refused", ({ detail }) => this.banner(detail));
    session.addEventListener("pixels", ({ detail }) => {
      view.recolour(detail);
      status.point(this.hand.at);
    });
    session.addEventListener("options", () => {
      const before = JSON.stringify(view.look.window);
      view.look.window = this.#window();
      if (JSON.stringify(view.look.window) !== before) view.recolour();
      view.redraw();
    });
    hint();
  }

  /** Beyond these depths the map is dark, while brushes leave it alone there. */
  #window() {
    const { options, readOnly } = this.session;
    return options.window && !readOnly ? [options.far, options.near] : null;
  }
}
