// How much work edits are on a map, as the node counts it: it refuses those that would take hours,
// so the editor has to refuse them first. The numbers are those of depth/editing/work.py.

import { clamp } from "./numbers.js";
import { polygonBox, crossingCount } from "./polygons.js";
import { intersection, pixels } from "./rectangles.js";
import { StateError } from "./state.js";
import { segmentSides } from "./strokes.js";

const MOST = 3e10;
const EDGES = 8;
const BETWEEN = 2;
const CROSSING = 30;
const FLOOD = 2;
const STAMP = 5;
const LETTER = 100_000;
const PRESSED = 2; // a stroke whose pressure changes
const DOES = { smooth: 6, sharpen: 4, delete: 10, flatten: 4 };
const ELSE = 2;
const AROUND = 3 * 1024; // pixels at the most that an effect looks around
const EDGES_REACH = 4 * 24;
const EFFECT_REACH = 64;

const known = new WeakMap();

/** Refuses edits that would take too long; `ground` may be no more than the `Sizes` of one. */
export function checkWork(layers, ground) {
  const { width, height, scale } = ground;
  const sizes = String([width, height, scale.x, scale.y]);
  let total = 0;
  for (const { visible, edits } of layers)
    for (const edit of visible ? edits : []) {
      if (known.get(edit)?.sizes !== sizes) known.set(edit, { sizes, work: workOf(edit, ground) });
      total += known.get(edit).work;
    }
  if (total <= MOST) return;
  throw new StateError(
    "The edits would take about {times} times as long as they may on a map of {width} × {height} " +
      "pixels; expected fewer or smaller ones.",
    { times: (total / MOST).toFixed(1), width, height },
  );
}

export function workOf(edit, ground) {
  const { work, area } = DRAWN[edit.tool](edit, ground);
  const edges = edit.edges ? EDGES * spread(area, EDGES_REACH, ground) : 0;
  const drawn = work + edges + (edit.between ? BETWEEN * area : 0);
  if (!edit.does) return drawn + ELSE * area;
  const reach = edit.does === "smooth" ? 3 * ground.pixels(edit.reach) : EFFECT_REACH;
  return drawn + (DOES[edit.does] ?? ELSE) * spread(area, reach, ground);
}

/** Pixels of an area with what is around it, as if it was a square. */
function spread(area, by, ground) {
  if (!area) return 0;
  const side = Math.min(Math.sqrt(area) + 2 * by, AROUND + Math.max(ground.width, ground.height));
  return Math.min(side * side, pixels(ground.frame));
}

/** The work to draw the weights of each tool, and their pixels. */
const DRAWN = {
  stroke(edit, ground) {
    let [work, left, top, right, bottom] = [0, Infinity, Infinity, -Infinity, -Infinity];
    for (const side of segmentSides(edit, ground)) {
      const [x0, x1] = [side.left, side.right].map((x) => clamp(x, 0, ground.width));
      const [y0, y1] = [side.top, side.bottom].map((y) => clamp(y, 0, ground.height));
      work += (x1 - x0 + 1) * (y1 - y0 + 1);
      [left, top] = [Math.min(left, x0), Math.min(top, y0)];
      [right, bottom] = [Math.max(right, x1), Math.max(bottom, y1)];
    }
    const isEven = edit.points.every(([, , pressure]) => pressure === edit.points[0][2]);
    return { work: isEven ? work : work * PRESSED, area: (right - left) * (bottom - top) };
  },
  polygon: outlined,
  flood: (_, { frame }) => ({ work: FLOOD * pixels(frame), area: pixels(frame) }),
  gradient: (edit, ground) =>
    edit.points ? outlined(edit, ground) : { work: 0, area: pixels(ground.frame) },
  stamp({ size, shape, text }, { scale, frame }) {
    const square = size.reduce((sum, side) => sum + (side * scale.length + 4) ** 2, 0);
    const area = Math.min(square, pixels(frame));
    const letters = shape === "text" ? [...text].length : 0;
    return { work: LETTER * letters + STAMP * area, area };
  },
};

function outlined(edit, ground) {
  const box = intersection(polygonBox(edit, ground), ground.frame);
  if (!box) return { work: 0, area: 0 };
  const area = spread(pixels(box), ground.pixels(edit.feather), ground);
  return { work: CROSSING * crossingCount(edit, ground, box) + STAMP * area, area };
}
