// How much an edit takes hold of each pixel, 0..1: its shape, feathered, kept to the photo's edges.

import { box as mean, guided } from "./filters.js";
import { floodBox, floodWeights } from "./floods.js";
import { clamp, round } from "./numbers.js";
import { polygonBox, polygonWeights } from "./polygons.js";
import { cut, grown, intersection } from "./rectangles.js";
import { stampBox, stampWeights } from "./stamps.js";
import { strokeBox, strokeWeights } from "./strokes.js";

const everywhere = {
  box: (_, ground) => ground.frame,
  weights: (_, ground, box) => new Float32Array(box.width * box.height).fill(1),
};
const polygon = { box: polygonBox, weights: polygonWeights };
const SHAPES = {
  stroke: () => ({ box: strokeBox, weights: strokeWeights }),
  polygon: () => polygon,
  flood: () => ({ box: floodBox, weights: floodWeights }),
  gradient: ({ points }) => (points ? polygon : everywhere),
  stamp: () => ({ box: stampBox, weights: stampWeights }),
};

/** The rectangle of the map in which an edit may have weights. */
export function supportOf(edit, ground) {
  const box = SHAPES[edit.tool](edit).box(edit, ground);
  return intersection(grown(box, featherOf(edit, ground) + haloOf(edit, ground)), ground.frame);
}

/** The same for edits with the same weights. Letters may still be on their way. */
export function shapeKey(edit) {
  if (edit.tool === "stamp") return Symbol("stamp");
  const { tool, points, feather, at, tolerance, edge, edges } = edit;
  return JSON.stringify([tool, points, feather, at, tolerance, edge, edges]);
}

/** The weights in a rectangle; `drawn` gives those without the edges where they are known. */
export function weightsOf(edit, ground, box, drawn = (wide) => feathered(edit, ground, wide)) {
  const halo = haloOf(edit, ground);
  if (!halo) return drawn(box);
  const wide = intersection(grown(box, halo), ground.frame);
  const guide = cut(ground.guide, ground.width, wide);
  const weights = guided(drawn(wide), guide, wide.width, wide.height, halo / 2);
  return part(weights, wide, box);
}

/** How far the photo's edges may carry weights, in pixels. */
export function haloOf(edit, ground) {
  const isEverywhere = edit.tool === "gradient" && !edit.points;
  if (!edit.edges || !ground.guide || edit.tool === "stamp" || isEverywhere) return 0;
  const size = edit.radius ?? (edit.feather || 8);
  return 2 * clamp(round((size * ground.scale.length) / 3), 1, 24);
}

const featherOf = ({ feather = 0 }, ground) => ground.pixels(feather);

function feathered(edit, ground, box) {
  const { weights } = SHAPES[edit.tool](edit);
  const radius = featherOf(edit, ground);
  if (!radius) return weights(edit, ground, box);
  const wide = intersection(grown(box, radius), ground.frame);
  const sharp = weights(edit, ground, wide);
  return Float32Array.from(part(mean(sharp, wide.width, wide.height, radius), wide, box));
}

/** What lies in `box` of values that lie in `wide`. */
export const part = (values, wide, box) =>
  cut(values, wide.width, { ...box, x: box.x - wide.x, y: box.y - wide.y });
