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
  const wide = intersection(grown(box, HOLE_MARGIN), window);
  const depth = part(window.depth, window, wide);
  const hole = new Uint8Array(depth.length);
  let count = 0;
  for (let row = 0, i = 0; row < box.height; row++) {
    const start = (box.y - wide.y + row) * wide.width + box.x - wide.x;
    for (let x = 0; x < box.width; x++, i++)
      if (weights[i] >= LEAST) {
        hole[start + x] = 1;
        count++;
      }
  }
  if (!count) return;
  let filled = fromBorder(depth, hole, wide.width, wide.height);
  if (!filled) return;
  const radius = clamp(round(Math.sqrt(count) / 16), 1, WIDEST);
  for (let pass = 0; pass < 2; pass++) {
    const smooth = mean(filled, wide.width, wide.height, radius);
    filled = filled.map((value, i) => (hole[i] ? smooth[i] : value));
  }
  for (let row = 0, i = 0; row < box.height; row++) {
    const from = (box.y - wide.y + row) * wide.width + box.x - wide.x;
    const to = (box.y - window.y + row) * window.width + box.x - window.x;
    for (let x = 0; x < box.width; x++, i++) {
      if (!hole[from + x]) continue;
      const d = window.depth[to + x];
      window.depth[to + x] = unit(d + weights[i] * (filled[from + x] - d));
    }
  }
}

/** The nearest depths outside in four directions, those closer by counting for more. */
function fromBorder(depth, hole, width, height) {
  const sums = new Float64Array(depth.length);
  const shares = new Float64Array(depth.length);
  const walk = (start, step, length) => {
    let last = -1; // where along the line the last pixel outside was
    for (let i = 0; i < length; i++) {
      const at = start + i * step;
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
  return withMean(sums, shares, depth, hole);
}

/** Pixels that see no border in any direction get the mean of those that do. */
function withMean(sums, shares, depth, hole) {
  let [total, count] = [0, 0];
  const filled = Float64Array.from(depth, (d, i) => {
    if (!hole[i]) return d;
    if (!shares[i]) return NaN;
    total += sums[i] / shares[i];
    count++;
    return sums[i] / shares[i];
  });
  if (!count) return null;
  return filled.map((value) => (Number.isNaN(value) ? total / count : value));
}
