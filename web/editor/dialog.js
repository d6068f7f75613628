// The dialog of one sitting: how it begins, gets its maps, saves, runs and ends.

import { api } from "/scripts/api.js";
import { outputOf, pathTo, runIds } from "../graph.js";
import { say } from "../language.js";
import { loadMap } from "../page_maps.js";
import { ask } from "./ask.js";
import { make, textButton } from "./elements.js";
import { openFrame } from "./frame.js";
import { Letters } from "./letters.js";
import { Painting } from "../editing/painting.js";
import { queue, Runs } from "./run.js";
import { Session } from "./session.js";
import { parse, serialise, StateError, textsOf } from "../editing/state.js";
import { STYLE } from "./style.js";
import { Workspace } from "./workspace.js";

export const MAPS = "sd2_depth_editor"; // in the node's outputs

const BUSY = 50; // ms after which the page may draw

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
  }

  async open() {
    const language = document.documentElement.lang || "en";
    this.frame = await openFrame(this.node.title, STYLE, language);
    if (current !== this) return this.frame.close();
    this.root = make("main", { class: "editor" });
    this.frame.document.body.append(this.root);
    this.runs = new Runs(this.frame.signal, () => this.heard?.());
    const { signal } = this.frame;
    api.addEventListener("executed", ({ detail }) => this.#executed(detail), { signal });
    await this.#begin();
  }

  close() {
    if (current === this) current = null;
    this.session.map?.photo?.close();
    this.workspace?.dispose();
    this.frame?.close();
  }

  // --- before there is a map ---------------------------------------------------------------------

  async #begin() {
    const entries = outputOf(this.node)[MAPS];
    const trouble = troubleOf(this.text);
    if (!entries?.length) {
      if (trouble) return this.#unreadable(trouble);
      return isFed(this.node) ? this.#firstRun(NO_MAP()) : this.#page(NO_SOURCE());
    }
    try {
      await this.#start(await this.#fetch(entries, 0), trouble);
    } catch (error) {
      if (this.frame.signal.aborted) return;
      if (this.workspace) throw error;
      this.#firstRun(error.message);
    }
  }

  #firstRun(sentence) {
    const run = textButton(
      say("Run up to here"),
      async () => {
        run.disabled = true;
        status.textContent = say("Running…");
        await this.runs.run(runIds(this.node));
      },
      { class: "text first" },
    );
    const status = this.#page(sentence, run);
    this.heard = () => {
      if (!this.runs.trouble) return;
      status.textContent = this.runs.trouble;
      run.disabled = false;
    };
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

  /** A sentence, a button where one helps, and one to close. */
  #page(sentence, button) {
    const status = make("p", { role: "status" }, sentence);
    const cancel = textButton(button ? say("Cancel") : say("Close"), () => this.close());
    this.root.replaceChildren(
      make("header", {}, make("h1", {}, this.node.title)),
      make("div", { class: "first-run" }, status, make("div", {}, button, " ", cancel)),
    );
    this.frame.document.addEventListener(
      "keydown",
      ({ key }) => key === "Escape" && !this.workspace && !this.asking && this.close(),
      { signal: this.frame.signal },
    );
    (button ?? cancel).focus();
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
    if (!this.workspace) return this.#begin();
    const index = Math.min(this.session.map.index, entries.length - 1);
    const before = this.session.maps[this.session.map.index];
    if (before && files(before) === files(entries[index])) this.session.maps = entries;
    else await this.#turnTo(entries, index);
  }

  // --- the sitting -------------------------------------------------------------------------------

  async #start(map, trouble) {
    const { session, frame } = this;
    let size;
    try {
      size = await this.#load(map, trouble ? "" : this.text);
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      return this.#start(map, say(error.sentence, error.values));
    }
    if (frame.signal.aborted) return;
    session.readOnly = Boolean(trouble);
    this.workspace = new Workspace({
      root: this.root,
      document: frame.document,
      signal: frame.signal,
      title: this.node.title,
      session,
      runs: this.runs,
      act: {
        save: () => this.save(),
        run: () => this.run(),
        leave: () => this.leave(),
        turn: (step) => this.#step(step),
      },
    });
    this.heard = () => this.workspace.update();
    session.addEventListener("options", () => this.#letters());
    this.workspace.show();
    this.workspace.view.canvas.focus({ preventScroll: true });
    if (trouble) this.#readOnly(trouble);
    else this.#tellSize(size, map);
  }

  /** Paints the edits of a text; the size of the map that they were drawn on. */
  async #load(map, text) {
    const { width, height, base, guide } = map;
    const painting = new Painting({ width, height, base, guide, letters: this.letters }, map.frame);
    if (text) {
      await this.letters.fetch(textsOf(parse(text).state), this.frame.signal);
      await this.#inSteps(painting.loading(text));
    }
    this.kept = serialise(painting.state);
    this.session.open(map, painting);
    return painting.state.size;
  }

  /** Work that takes long goes on between the frames of the page, and says how far it is. */
  async #inSteps(work) {
    const status = this.root.querySelector("[role=status]");
    let rested = performance.now();
    for (const share of work) {
      if (performance.now() - rested < BUSY) continue;
      const percent = Math.round(100 * share);
      if (status) status.textContent = say("{percent} %", { percent });
      await new Promise((done) => setTimeout(done));
      rested = performance.now();
    }
  }

  #tellSize(size, { width, height }) {
    this.workspace.hush();
    if (size[0] === width && size[1] === height) return;
    const values = { before: size.join(" × "), now: `${width} × ${height}` };
    const sentence = say("Drawn on a map of {before}; the edits are scaled to {now}.", values);
    this.workspace.banner(sentence, { plain: true });
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
      if (!this.frame.signal.aborted) this.workspace.banner(error.message);
      return;
    }
    if (session.live?.edit.text === text) session.change({ text });
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
    const changed = { width, height, base, guide, letters: this.letters };
    session.busy = true;
    try {
      await this.#inSteps(session.painting.changingMap(changed, frame));
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      map.photo?.close();
      return this.workspace.banner(say(error.sentence, error.values));
    } finally {
      session.busy = false;
    }
    session.map.photo?.close();
    session.open(map, session.painting);
    this.workspace.show();
    this.#tellSize(session.painting.state.size, map);
  }

  // --- edits that cannot be read -----------------------------------------------------------------

  #readOnly(trouble) {
    const anew = textButton(say("Start anew…"), async () => {
      if (!(await this.#confirmed())) return;
      this.session.readOnly = false;
      this.kept = null;
      this.workspace.note.remove();
      this.workspace.show();
    });
    const sentence = say("{trouble} They are kept as they are; the map is shown without them.", {
      trouble,
    });
    this.workspace.banner(sentence, { buttons: [anew] });
  }

  async #confirmed() {
    const answers = [
      ["", say("Keep them")],
      ["anew", say("Start anew")],
    ];
    const sentence = say("The edits that cannot be read will be lost.");
    this.asking = true;
    const answer = await ask(this.root, say("Start anew?"), sentence, answers);
    this.asking = false;
    return answer === "anew";
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
    if (this.workspace.stays) return this.runs.run();
    this.close();
    await queue();
  }

  /** Escape and Cancel: asks where something would be lost. */
  async leave() {
    if (this.workspace.hand.drop()) return;
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

const NO_MAP = () => say("Run the nodes before it once: their depth map is what you edit.");

const NO_SOURCE = () => say("Connect a depth map to this node first: it is what you edit.");

/** Whether something gives the node a depth map. */
const isFed = ({ inputs }) => inputs.some(({ name, link }) => name === "depth" && (link ?? null) !== null);

const files = ({ depth, guide, photo }) => JSON.stringify([depth, guide, photo]);

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
