// How often each depth occurs, with the two handles between which brushes work.

import { say } from "../language.js";
import { table } from "./colours.js";
import { make, toggle } from "./elements.js";

const BINS = 128;
const SAMPLES = 1 << 18; // of a large map not every pixel is counted
const REST = 120; // ms after the last change

export function histogramSection(session, view, signal) {
  const canvas = make("canvas", { role: "img", "aria-label": say("Histogram of depths") });
  const handle = (name, label) =>
    make("input", {
      type: "range",
      min: 0,
      max: 1,
      step: 0.005,
      "aria-label": label,
      title: label,
      oninput: (event) => {
        const value = Number(event.target.value);
        const { far, near } = session.options;
        const other = name === "far" ? Math.min(value, near) : Math.max(value, far);
        session.set({ [name]: other, window: true });
      },
    });
  const far = handle("far", say("Far end of what brushes change"));
  const near = handle("near", say("Near end of what brushes change"));
  const box = make("div", { class: "histogram" }, canvas, far, near);
  const only = toggle(say("Only between the handles"), {
    value: session.options.window,
    changed: (on) => session.set({ window: on }),
  });
  const head = make("h2", {}, make("span", {}, say("Depths: far to near")));
  const element = make("section", {}, head, box, only.element);

  let timer = null;
  const draw = () => {
    timer = null;
    if (session.painting && !signal.aborted) drawCounts(canvas, session, view.look.colours);
  };
  const later = () => (timer ??= setTimeout(draw, REST));
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  const update = () => {
    far.value = session.options.far;
    near.value = session.options.near;
    only.show(session.options.window);
    later();
  };
  session.addEventListener("pixels", later);
  session.addEventListener("options", update);
  update();
  return { element, update: later };
}

function drawCounts(canvas, { painting, options, map }, colours) {
  const counts = new Float32Array(BINS);
  const step = Math.max(1, Math.floor((map.width * map.height) / SAMPLES));
  const { result } = painting;
  for (let i = 0; i < result.length; i += step)
    counts[Math.min(BINS - 1, Math.floor(result[i] * BINS))]++;
  // One value that fills half of a map would press all others flat.
  const most = counts.toSorted().at(-3) * 1.1 || 1;
  canvas.width = BINS * 2;
  canvas.height = 62;
  const context = canvas.getContext("2d");
  const known = table(colours);
  for (let bin = 0; bin < BINS; bin++) {
    const depth = (bin + 0.5) / BINS;
    const inside = !options.window || (depth >= options.far && depth <= options.near);
    const colour = known[Math.round(depth * (known.length - 1))];
    const grey = colours === "grey";
    const [r, g, b] = [0, 8, 16].map((shift) => (colour >>> shift) & 255);
    context.globalAlpha = inside ? 1 : 0.25;
    // Greys are lifted, for far ones to be seen on black.
    const lift = grey ? (level) => 95 + level * 0.6 : (level) => level;
    context.fillStyle = `rgb(${lift(r)} ${lift(g)} ${lift(b)})`;
    const height = Math.min(1, Math.sqrt(counts[bin] / most)) * 58;
    context.fillRect(bin * 2, 62 - height, 2, height);
  }
}
