// What an edit does to the depths it takes hold of.
//
// An effect changes `window.depth` within `box`, whose pixels have these `weights`; a window is a
// rectangle of the map with its depths, and reaches as far around the box as the effect looks.

import { box as mean, extremes } from "./filters.js";
import { fillHole, HOLE_MARGIN } from "./holes.js";
import { clamp, round, unit } from "./numbers.js";
import { plane } from "./planes.js";
import { part } from "./weights.js";
import { grown, intersection } from "./rectangles.js";
import { reliefOf } from "./stamps.js";

const mix = (d, target, w) => (w === 1 ? target : d + w * (target - d));

const smoothRadius = ({ reach }, ground) => Math.max(1, round((reach * ground.scale.length) / 3));
const sharpRadius = ({ reach }, ground) => clamp(ground.pixels(reach), 1, 32);

/**
 * The effects. `halo`: how far around a pixel one looks, in pixels; `whole`: whether it looks at
 * everything under the edit at once.
 */
const EFFECTS = {
  nearer: { change: ({ amount }) => pointwise((d, w) => d + w * amount) },
  farther: { change: ({ amount }) => pointwise((d, w) => d - w * amount) },
  set: { change: ({ amount, depth }) => pointwise((d, w) => mix(d, depth, w * amount)) },
  scale: { whole: true, change: scale },
  smooth: { halo: (edit, ground) => 3 * smoothRadius(edit, ground), change: smooth },
  sharpen: { halo: sharpRadius, change: sharpen },
  flatten: { whole: true, change: flatten },
  delete: { whole: true, halo: () => HOLE_MARGIN, change: () => fillHole },
  erase: { change: erase },
  gradient: { change: gradient },
  stamp: { change: stamp },
};

const effectOf = ({ does, tool }) => EFFECTS[does ?? tool];

export const isWhole = (edit) => effectOf(edit).whole ?? false;

export const effectHalo = (edit, ground) => effectOf(edit).halo?.(edit, ground) ?? 0;

export function applyEffect(edit, ground, window, box, weights) {
  effectOf(edit).change(edit, ground)(window, box, weights);
}

/** Changes every pixel by itself: (depth, weight, index in the box, x, y) → depth. */
function pointwise(change) {
  return (window, box, weights) => {
    const { depth } = window;
    for (let row = 0, i = 0; row < box.height; row++) {
      const y = box.y + row;
      let at = (y - window.y) * window.width + box.x - window.x;
      for (let x = box.x; x < box.x + box.width; x++, i++, at++) {
        const weight = weights[i];
        if (weight > 0) depth[at] = unit(change(depth[at], weight, i, x, y));
      }
    }
  };
}

/** The values of a window in a box and, as far as the window goes, around it. */
function surroundings(window, box, halo) {
  const wide = intersection(grown(box, halo), window);
  return { ...wide, values: part(window.depth, window, wide) };
}

function smooth(edit, ground) {
  const radius = smoothRadius(edit, ground);
  return (window, box, weights) => {
    const wide = surroundings(window, box, 3 * radius);
    let { values } = wide;
    for (let pass = 0; pass < 3; pass++) values = mean(values, wide.width, wide.height, radius);
    const blurred = part(values, wide, box);
    const change = (d, w, i) => d + w * edit.amount * (blurred[i] - d);
    pointwise(change)(window, box, weights);
  };
}

const FLAT = 1e-4; // where there is no edge to sharpen
const STEEPER = 4;

function sharpen(edit, ground) {
  const radius = sharpRadius(edit, ground);
  return (window, box, weights) => {
    const { values, ...wide } = surroundings(window, box, radius);
    const within = (better) =>
      part(extremes(values, wide.width, wide.height, radius, better), wide, box);
    const [least, greatest] = [within(Math.min), within(Math.max)];
    pointwise((d, w, i) => {
      const range = greatest[i] - least[i];
      if (range < FLAT) return d;
      const t = (d - least[i]) / range;
      const sharp = least[i] + range * unit((t - 0.5) * STEEPER + 0.5);
      return d + w * edit.amount * (sharp - d);
    })(window, box, weights);
  };
}

function scale({ amount }) {
  return (window, box, weights) => {
    const { middle } = plane(window, box, weights);
    pointwise((d, w) => middle + (d - middle) * (1 + w * (amount - 1)))(window, box, weights);
  };
}

function flatten({ amount }) {
  return (window, box, weights) => {
    const { height } = plane(window, box, weights);
    const change = (d, w, i, x, y) => d + w * amount * (height(x, y) - d);
    pointwise(change)(window, box, weights);
  };
}

function erase({ amount }, { base, width }) {
  return pointwise((d, w, i, x, y) => mix(d, base[y * width + x], w * amount));
}

function gradient({ kind, from, to, depths, amount }, ground) {
  const [[x0, y0], [x1, y1]] = [ground.point(from), ground.point(to)];
  const [dx, dy] = [x1 - x0, y1 - y0];
  const square = dx * dx + dy * dy;
  const along = {
    linear: (x, y) => unit(((x - x0) * dx + (y - y0) * dy) / square),
    radial: (x, y) => unit(Math.sqrt(((x - x0) ** 2 + (y - y0) ** 2) / square)),
  }[kind];
  const [first, last] = depths;
  return pointwise((d, w, i, x, y) => {
    const t = square > 0 ? along(x + 0.5, y + 0.5) : 1;
    return mix(d, first + (last - first) * t, w * amount);
  });
}

function stamp(edit, ground) {
  const relief = reliefOf(edit, ground);
  const change = {
    nearest: (d, w, rise) => (edit.depth + rise > d ? mix(d, edit.depth + rise, w) : d),
    over: (d, w, rise) => mix(d, edit.depth + rise, w),
    raise: (d, w, rise) => d + w * rise,
  }[edit.mode];
  return pointwise((d, w, i, x, y) => change(d, w, relief(x, y)));
}
