// What lies behind something that is taken away: filled in from the border of its hole.

import { box as mean } from "./filters.js";
import { clamp, round, unit } from "./numbers.js";
import { grown, intersection } from "./rectangles.js";
import { part } from "./weights.js";

const LEAST = 1 / 512; // weight of a pixel in the hole
const WIDEST = 32; // px, radius of the smoothing
export const HOLE_MARGIN = WIDEST;

/** Fills the hole that the weights in a box make; one without a border stays as it is. */
export function fillHole(window, box, weights) {
  const count = weights.reduce((sum, weight) => sum + (weight >= LEAST), 0);
  if (!count) return;
  const radius = clamp(round(Math.sqrt(count) / 16), 1, WIDEST);
  const wide = intersection(grown(box, radius), window);
  const { width, height } = wide;
  const hole = new Uint8Array(width * height);
  each(box, wide, (i, at) => (hole[at] = weights[i] >= LEAST));
  const filled = Float64Array.from(part(window.depth, window, wide));
  if (!fromBorder(filled, hole, width, height)) return;
  for (let pass = 0; pass < 2; pass++) {
    const smooth = mean(filled, width, height, radius);
    for (let at = 0; at < hole.length; at++) if (hole[at]) filled[at] = smooth[at];
  }
  const { depth } = window;
  const inWide = new Int32Array(weights.length);
  each(box, wide, (i, at) => (inWide[i] = at));
  each(box, window, (i, at) => {
    if (!hole[inWide[i]]) return;
    depth[at] = unit(depth[at] + weights[i] * (filled[inWide[i]] - depth[at]));
  });
}

/** Every pixel of a box: its index there, and the one in a rectangle around it. */
function each(box, around, use) {
  for (let row = 0, i = 0; row < box.height; row++) {
    let at = (box.y - around.y + row) * around.width + box.x - around.x;
    for (let x = 0; x < box.width; x++) use(i++, at++);
  }
}

/**
 * Gives a hole the nearest depths outside of it in four directions, those closer by counting for
 * more; pixels that see none get the mean of those that do. False where none does.
 */
function fromBorder(depth, hole, width, height) {
  const sums = new Float64Array(depth.length);
  const shares = new Float64Array(depth.length);
  const walk = (start, step, length) => {
    let last = -1; // where along the line the last pixel outside was
    for (let i = 0, at = start; i < length; i++, at += step) {
      if (!hole[at]) last = i;
      else if (last >= 0) {
        sums[at] += depth[start + last * step] / (i - last);
        shares[at] += 1 / (i - last);
      }
    }
  };
  for (let y = 0; y < height; y++) {
    walk(y * width, 1, width);
    walk(y * width + width - 1, -1, width);
  }
  for (let x = 0; x < width; x++) {
    walk(x, width, height);
    walk((height - 1) * width + x, -width, height);
  }
  let [total, seen] = [0, 0];
  for (let at = 0; at < hole.length; at++) {
    if (!shares[at]) continue;
    depth[at] = sums[at] / shares[at];
    total += depth[at];
    seen++;
  }
  for (let at = 0; at < hole.length; at++) if (hole[at] && !shares[at]) depth[at] = total / seen;
  return seen > 0;
}
