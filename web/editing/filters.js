// Filters of a part of a map, `width` by `height` values row by row, cut at its frame.
//
// A part may be a window into a larger map: then what is nearer to the window's frame than a filter
// reaches is of no use, and the rest has the same bits in every window. Therefore sums are taken of
// whole steps, which float64 adds without rounding, in whatever order.

import { unit } from "./numbers.js";

const BITS = 48; // of a sum; five are left for values of more than 1
const FINEST = 32; // bits of a value
const LONGEST = 14; // bits of a side that has a part in a sum

/** Means over squares of (2·radius + 1)² pixels, of those in the frame. */
export function box(values, width, height, radius) {
  const side = Math.min(LONGEST, 32 - Math.clz32(2 * radius + 1));
  const steps = 2 ** Math.min(FINEST, BITS - 2 * side);
  const reach = Math.min(radius, Math.max(width, height));
  const means = new Float64Array(width * height);
  const rows = sumsAlongRows(values, width, height, reach, steps);
  const across = counts(width, reach);
  const down = counts(height, reach);
  const nothing = width * height; // where the rows end in one of zeros
  const sums = new Float64Array(width);
  for (let y = -reach; y < height; y++) {
    const enters = y + reach < height ? (y + reach) * width : nothing;
    const leaves = y > reach ? (y - reach - 1) * width : nothing;
    for (let x = 0; x < width; x++) sums[x] += rows[enters + x] - rows[leaves + x];
    if (y < 0) continue;
    const share = steps * down[y];
    for (let x = 0; x < width; x++) means[y * width + x] = sums[x] / (share * across[x]);
  }
  return means;
}

let rowSums = new Float64Array(0);

/** Sums of whole steps; the array is the same at every call, and ends in a row of zeros. */
function sumsAlongRows(values, width, height, reach, steps) {
  const length = width * (height + 1);
  if (rowSums.length < length) rowSums = new Float64Array(length);
  const line = new Float64Array(width + 2 * reach + 1); // with zeros on both sides
  for (let y = 0; y < height; y++) {
    const start = y * width;
    for (let x = 0; x < width; x++)
      line[reach + 1 + x] = Math.floor(values[start + x] * steps + 0.5);
    let sum = 0;
    for (let x = 0; x < reach; x++) sum += line[reach + 1 + x];
    for (let x = 0; x < width; x++) {
      sum += line[x + 2 * reach + 1] - line[x];
      rowSums[start + x] = sum;
    }
  }
  rowSums.fill(0, width * height, length);
  return rowSums;
}

/** How many pixels of a line are within the radius of each. */
const counts = (length, radius) =>
  Float64Array.from({ length }, (_, i) => Math.min(i, radius) + Math.min(length - 1 - i, radius) + 1);

const EPS = 1e-3; // variance of the guide below which it is smooth, in its units squared

/**
 * Weights that keep to the edges of a guide of 0..255: the guided filter of He, Sun and Tang 2013
 * ("Guided Image Filtering", IEEE TPAMI 35), algorithm 1.
 */
export function guided(weights, guide, width, height, radius) {
  const mean = (values) => box(values, width, height, radius);
  const { length } = weights;
  const shades = new Float64Array(length);
  const products = new Float64Array(length);
  const squares = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    const shade = guide[i] / 255;
    shades[i] = shade;
    squares[i] = shade * shade;
    products[i] = shade * weights[i];
  }
  const [shade, weight] = [mean(shades), mean(weights)];
  const [slopes, shifts] = [mean(products), mean(squares)];
  for (let i = 0; i < length; i++) {
    const variance = Math.max(shifts[i] - shade[i] * shade[i], 0);
    const slope = (slopes[i] - shade[i] * weight[i]) / (variance + EPS);
    slopes[i] = slope;
    shifts[i] = weight[i] - slope * shade[i];
  }
  const [slope, shift] = [mean(slopes), mean(shifts)];
  const kept = new Float32Array(length);
  for (let i = 0; i < length; i++) kept[i] = unit(slope[i] * shades[i] + shift[i]);
  return kept;
}

/** The least, or with `Math.max` the greatest, value within a square of that radius. */
export function extremes(values, width, height, radius, better) {
  const rows = new Float64Array(values.length);
  for (let y = 0; y < height; y++) along(values, rows, y * width, 1, width, radius, better);
  const found = new Float64Array(values.length);
  for (let x = 0; x < width; x++) along(rows, found, x, width, height, radius, better);
  return found;
}

/**
 * The extremes along a line, in three comparisons a value whatever the radius (van Herk 1992, "A
 * fast algorithm for local minimum and maximum filters").
 */
function along(values, found, start, step, length, radius, better) {
  const span = 2 * radius + 1;
  const before = new Float64Array(length); // the best of its stretch of `span`, up to here
  const after = new Float64Array(length); // and from here on
  for (let i = 0; i < length; i++) {
    const value = values[start + i * step];
    before[i] = i % span ? better(before[i - 1], value) : value;
  }
  for (let i = length - 1; i >= 0; i--) {
    const value = values[start + i * step];
    after[i] = (i + 1) % span && i + 1 < length ? better(after[i + 1], value) : value;
  }
  for (let i = 0; i < length; i++) {
    const first = Math.max(i - radius, 0);
    const last = Math.min(i + radius, length - 1);
    found[start + i * step] =
      Math.floor(first / span) < Math.floor(last / span)
        ? better(after[first], before[last])
        : first % span
          ? after[first] // the line ends in this stretch
          : before[last];
  }
}
