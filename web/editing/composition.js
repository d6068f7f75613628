// Edits applied one after the other, and layers laid over each other, in a rectangle of the map.
//
// A window is a rectangle `{x, y, width, height}` of the map with the values in it: `depth`, and
// `touched`, how much each pixel has been edited.

import { applyEffect, effectHalo, isWhole } from "./effects.js";
import { unit } from "./numbers.js";
import { cut, grown, intersection, union } from "./rectangles.js";
import { supportOf, weightsOf } from "./weights.js";

/** A rectangle of planes as large as the map. */
export function windowOf({ depth, touched }, width, box) {
  return { ...box, depth: cut(depth, width, box), touched: cut(touched, width, box) };
}

/** Changes a window by an edit; `weigh` gives its weights in a rectangle where they are known. */
export function apply(edit, ground, window, weigh = (box) => weightsOf(edit, ground, box)) {
  const box = intersection(supportOf(edit, ground), window);
  if (!box) return;
  const weights = weigh(box);
  if (edit.between) narrow(weights, window, box, edit.between);
  applyEffect(edit, ground, window, box, weights);
  touch(edit, window, box, weights);
}

/**
 * The rectangle that an edit needs around another one, to give the right values in it; as well the
 * one that a change of another reaches to.
 */
export function involved(edit, ground, box) {
  const halo = effectHalo(edit, ground);
  if (!halo && !isWhole(edit)) return box;
  const near = intersection(grown(supportOf(edit, ground), halo), ground.frame);
  if (!intersection(near, box)) return box;
  return union(box, isWhole(edit) ? near : intersection(grown(box, halo), near));
}

const EDGE = 1 / 64; // depths over which the window of depths fades

/** Takes weights from the depths outside of a span. */
function narrow(weights, window, box, [far, near]) {
  const [low, high] = [Math.min(far, near), Math.max(far, near)];
  each(window, box, (at, i) => {
    const d = window.depth[at];
    weights[i] *= unit((d - low) / EDGE + 1) * unit((high - d) / EDGE + 1);
  });
}

function touch(edit, window, box, weights) {
  const { touched } = window;
  const { amount, does } = edit;
  const share = does === "scale" || does === "delete" ? 1 : Math.min(amount ?? 1, 1);
  each(window, box, (at, i) => {
    const weight = weights[i] * share;
    if (does === "erase") touched[at] *= 1 - weight;
    else if (weight > touched[at]) touched[at] = weight;
  });
}

/** Lays the window of a layer over that of the layers below it. */
export function lay(below, layer, opacity) {
  const { depth, touched } = below;
  if (opacity === 1) depth.set(layer.depth);
  else
    for (let i = 0; i < depth.length; i++) depth[i] += opacity * (layer.depth[i] - depth[i]);
  for (let i = 0; i < touched.length; i++) {
    const share = opacity * layer.touched[i];
    if (share > touched[i]) touched[i] = share;
  }
  return below;
}

function each(window, box, use) {
  for (let row = 0, i = 0; row < box.height; row++) {
    let at = (box.y + row - window.y) * window.width + box.x - window.x;
    for (let column = 0; column < box.width; column++) use(at++, i++);
  }
}
