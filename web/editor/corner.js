// The scene tilted, and the result of the last run: small in a corner, large on the stage.

import { say } from "../language.js";
import { Relief } from "../viewer/relief.js";
import { make, slider } from "./elements.js";
import { reduced } from "./reduced.js";

const REST = 250; // ms after the last change
const SMALL = 256; // pixels of the longer side, in the corner
const LARGE = 1024; // and on the stage
const TRAVEL = 0.035; // of the longer side, by which depth 1 moves

/** A relief of the painting that follows it; `dispose()` ends it. */
export function tilted(session, canvas, most) {
  const relief = new Relief(canvas);
  let strength = 1;
  let timer = null;
  const follow = () => {
    timer = null;
    const { painting, map } = session;
    if (!painting) return;
    const part = reduced(painting.result, map.width, map.height, most);
    relief.set({ strength: Math.max(part.width, part.height) * TRAVEL * strength, plane: 0.5 });
    relief.setDepth(part.base, part.width, part.height);
  };
  const later = () => (timer ??= setTimeout(follow, REST));
  const show = () => {
    relief.setPhoto(session.map?.photo ?? null);
    follow();
    relief.start();
  };
  // Nothing else moves while the hand does.
  const rest = () => (session.live ? relief.stop() : relief.start());
  session.addEventListener("pixels", later);
  session.addEventListener("live", rest);
  return {
    relief,
    show,
    strengthen(value) {
      strength = value;
      follow();
    },
    dispose() {
      clearTimeout(timer);
      session.removeEventListener("pixels", later);
      session.removeEventListener("live", rest);
      relief.dispose();
    },
  };
}

export function corner(session, runs, open) {
  const canvas = make("canvas");
  const label = say("Look around");
  const tilt = make("button", { type: "button", title: label, "aria-label": label }, canvas);
  tilt.addEventListener("click", () => open("look"));
  const image = make("img", { alt: "", hidden: true });
  const none = make("p", {}, say("No result yet"));
  const title = say("Show the result");
  const result = make("button", { type: "button", title, "aria-label": title }, image, none);
  result.addEventListener("click", () => open("result"));
  const bar = make("progress", { max: 1, hidden: true });
  const caption = make("figcaption", { role: "status" });
  const element = make(
    "div",
    { class: "corner" },
    make("figure", {}, tilt, make("figcaption", {}, say("Tilt"))),
    make("figure", {}, result, bar, caption),
  );
  const scene = tilted(session, canvas, SMALL);
  const update = () => {
    const shown = runs.preview ?? runs.image;
    if (shown && image.getAttribute("src") !== shown) image.src = shown;
    image.hidden = !shown;
    none.hidden = Boolean(shown);
    bar.hidden = !runs.running;
    bar.value = runs.progress;
    caption.textContent = runs.running
      ? say("Running… {percent} %", { percent: Math.round(runs.progress * 100) })
      : runs.trouble || say("Result");
    caption.title = runs.trouble;
  };
  update();
  return { element, update, show: scene.show, dispose: scene.dispose };
}

/** The scene over the whole stage, with the result beside the photo where there is one. */
export function lookAround(session, runs) {
  const canvas = make("canvas", { class: "look", tabindex: 0, "aria-label": say("The scene") });
  const scene = tilted(session, canvas, LARGE);
  const bar = make("div", { class: "bar" });
  const strength = slider(say("Strength"), {
    min: 0,
    max: 3,
    step: 0.05,
    value: 1,
    changed: scene.strengthen,
  });
  bar.append(strength.element);
  if (runs.image) {
    const after = new Image();
    after.addEventListener("load", () => scene.relief.setAfter(after));
    after.src = runs.image;
    const split = slider(say("Photo | result"), {
      min: 0,
      max: 1,
      step: 0.01,
      value: 0.5,
      changed: (value) => scene.relief.set({ split: value }),
    });
    bar.append(split.element);
  }
  return { canvas, bar, show: scene.show, dispose: scene.dispose };
}
