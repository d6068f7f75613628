// Weights of a brush: 1 in the middle of its path, falling off to 0 at the radius.

import { around, intersection, union } from "./rectangles.js";
import { unit } from "./numbers.js";

/** The sides of the segment before a point, or of the only point. */
function sidesOf({ points, radius }, index, { scale }) {
  const [x1, y1, p1] = points[index];
  const [x0, y0, p0] = points[Math.max(index - 1, 0)];
  const [reach0, reach1] = [p0, p1].map((pressure) => radius * scale.length * pressure);
  return {
    left: Math.min(x0 * scale.x - reach0, x1 * scale.x - reach1),
    top: Math.min(y0 * scale.y - reach0, y1 * scale.y - reach1),
    right: Math.max(x0 * scale.x + reach0, x1 * scale.x + reach1),
    bottom: Math.max(y0 * scale.y + reach0, y1 * scale.y + reach1),
  };
}

const boxOf = ({ left, top, right, bottom }) => around(left, top, right, bottom);

/** The sides of all its segments. */
export const segmentSides = (stroke, ground) =>
  stroke.points
    .slice(firstOf(stroke))
    .map((_, i) => sidesOf(stroke, i + firstOf(stroke), ground));

const firstOf = ({ points }) => (points.length > 1 ? 1 : 0);

export const strokeBox = (stroke, ground) =>
  segmentSides(stroke, ground).reduce((box, sides) => union(box, boxOf(sides)), null);

export function strokeWeights(stroke, ground, box) {
  const weights = new Float32Array(box.width * box.height);
  for (let i = firstOf(stroke); i < stroke.points.length; i++)
    drawSegment(stroke, i, ground, weights, box);
  return weights;
}

/** Draws the segment before a point into the weights of a box; the rectangle it may have changed. */
export function drawSegment(stroke, index, ground, weights, box) {
  const part = intersection(boxOf(sidesOf(stroke, index, ground)), box);
  if (!part) return null;
  const [x0, y0] = ground.point(stroke.points[Math.max(index - 1, 0)]);
  const [x1, y1] = ground.point(stroke.points[index]);
  const [p0, p1] = [stroke.points[Math.max(index - 1, 0)][2], stroke.points[index][2]];
  const [dx, dy] = [x1 - x0, y1 - y0];
  const square = dx * dx + dy * dy;
  const radius = stroke.radius * ground.scale.length;
  for (let y = part.y; y < part.y + part.height; y++) {
    const row = (y - box.y) * box.width - box.x;
    const py = y + 0.5 - y0;
    for (let x = part.x; x < part.x + part.width; x++) {
      if (weights[row + x] === 1) continue;
      const px = x + 0.5 - x0;
      const t = square > 0 ? unit((px * dx + py * dy) / square) : 0;
      const [ox, oy] = [px - t * dx, py - t * dy];
      const reach = radius * (p0 + t * (p1 - p0));
      const far = ox * ox + oy * oy;
      if (far >= reach * reach) continue;
      const weight = falloff(Math.sqrt(far) / reach, stroke.hardness, reach);
      if (weight > weights[row + x]) weights[row + x] = weight;
    }
  }
  return part;
}

function falloff(u, hardness, reach) {
  const soft = Math.max(1 - hardness, 1 / reach);
  if (u <= 1 - soft) return 1;
  const t = (1 - u) / soft;
  return t * t * (3 - 2 * t);
}

