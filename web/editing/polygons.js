// Coverage of a polygon, even-odd: how much of each pixel lies in it, on four lines a row.

import { around } from "./rectangles.js";
import { unit } from "./numbers.js";

const LINES = 4; // to a row of pixels
const GRAIN = 2 ** 20; // steps of a pixel, so that coverage is the same in every rectangle

export function polygonBox({ points }, ground) {
  const corners = points.map(ground.point);
  const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
  return around(least(xs), least(ys), most(xs), most(ys));
}

// Without spreading: a lasso may have more corners than a call takes arguments.
const least = (values) => values.reduce((a, b) => Math.min(a, b));
const most = (values) => values.reduce((a, b) => Math.max(a, b));

export function polygonWeights({ points }, ground, box) {
  const weights = new Float32Array(box.width * box.height);
  const lines = crossings(points.map(ground.point), box);
  const sums = new Float64Array(box.width);
  for (let row = 0; row < box.height; row++) {
    sums.fill(0);
    for (let k = 0; k < LINES; k++) {
      const found = lines[row * LINES + k].toSorted((a, b) => a - b);
      for (let i = 0; i + 1 < found.length; i += 2)
        cover(sums, found[i] - box.x, found[i + 1] - box.x);
    }
    for (let x = 0; x < box.width; x++) weights[row * box.width + x] = sums[x] / LINES;
  }
  return weights;
}

/** Where the outline crosses each line. */
function crossings(corners, box) {
  const lines = Array.from({ length: box.height * LINES }, () => []);
  corners.forEach(([x1, y1], i) => {
    const [x0, y0] = corners.at(i - 1);
    const { first, end } = linesBetween(y0, y1, box);
    for (let line = first; line < end; line++) {
      const y = box.y + (line + 0.5) / LINES;
      const x = x0 + ((y - y0) * (x1 - x0)) / (y1 - y0);
      lines[line].push(Math.floor(x * GRAIN + 0.5) / GRAIN);
    }
  });
  return lines;
}

/** How often the outline crosses the lines of a box. */
export function crossingCount({ points }, ground, box) {
  const ys = points.map((point) => ground.point(point)[1]);
  return ys.reduce((sum, y, i) => {
    const { first, end } = linesBetween(ys.at(i - 1), y, box);
    return sum + end - first;
  }, 0);
}

/** The lines of a box that an edge crosses: the first, and the one behind the last. */
function linesBetween(y0, y1, box) {
  const lineAt = (y) => {
    const line = Math.ceil((y - box.y) * LINES - 0.5);
    return Math.min(Math.max(line, 0), box.height * LINES);
  };
  return { first: lineAt(Math.min(y0, y1)), end: lineAt(Math.max(y0, y1)) };
}

/** Adds how much of each pixel of a line lies between two places on it. */
function cover(sums, left, right) {
  const last = Math.min(Math.ceil(right), sums.length);
  for (let x = Math.max(Math.floor(left), 0); x < last; x++)
    sums[x] += unit(Math.min(right, x + 1) - Math.max(left, x));
}
