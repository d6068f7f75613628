// Weights of a brush: 1 in the middle of its path, falling off to 0 at the radius.

import { around, intersection, union } from "./rectangles.js";
import { unit } from "./numbers.js";

/** The rectangle that the segment before a point, or the only point, is drawn in. */
function boxOf({ points, radius }, index, { scale }) {
  const [x1, y1, p1] = points[index];
  const [x0, y0, p0] = points[Math.max(index - 1, 0)];
  const [left, right] = [Math.min(x0, x1) * scale.x, Math.max(x0, x1) * scale.x];
  const [top, bottom] = [Math.min(y0, y1) * scale.y, Math.max(y0, y1) * scale.y];
  const reach = radius * scale.length * Math.max(p0, p1);
  return around(left - reach, top - reach, right + reach, bottom + reach);
}

const first = ({ points }) => (points.length > 1 ? 1 : 0);

export function strokeBox(stroke, ground) {
  let box = null;
  for (let i = first(stroke); i < stroke.points.length; i++)
    box = union(box, boxOf(stroke, i, ground));
  return box;
}

export function strokeWeights(stroke, ground, box) {
  const weights = new Float32Array(box.width * box.height);
  for (let i = first(stroke); i < stroke.points.length; i++)
    drawSegment(stroke, i, ground, weights, box);
  return weights;
}

/** Draws the segment before a point into the weights of a box; the rectangle it may have changed. */
export function drawSegment(stroke, index, ground, weights, box) {
  const part = intersection(boxOf(stroke, index, ground), box);
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

