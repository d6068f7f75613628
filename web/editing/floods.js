// The connected area around a place where the estimate is alike and the photo has no edge.

import { between } from "./rectangles.js";
import { round } from "./numbers.js";

const KEPT = 8; // areas; each is as large as the map at the worst

export const floodBox = (flood, ground) => areaOf(flood, ground).box;

export function floodWeights(flood, ground, box) {
  const area = areaOf(flood, ground);
  const weights = new Float32Array(box.width * box.height);
  for (let row = 0; row < box.height; row++)
    for (let x = 0; x < box.width; x++)
      weights[row * box.width + x] = area.member(box.x + x, box.y + row) ? 1 : 0;
  return weights;
}

/** The area of a flood, found once. */
function areaOf(flood, ground) {
  const { floods } = ground;
  const key = String([ground.point(flood.at), flood.tolerance, flood.edge]);
  const area = floods.get(key) ?? find(flood, ground);
  floods.delete(key);
  floods.set(key, area);
  if (floods.size > KEPT) floods.delete(floods.keys().next().value);
  return area;
}

const NOTHING = { box: null, member: () => false };

function find({ at, tolerance, edge }, ground) {
  const { width, height, steps, guide } = ground;
  const [x, y] = ground.point(at).map(Math.floor);
  if (!(x >= 0 && y >= 0 && x < width && y < height)) return NOTHING;
  const start = y * width + x;
  const away = round(tolerance * 65535);
  const step = round(edge * 255);
  const middle = steps[start];
  const member = new Uint8Array(width * height);
  const open = [start];
  member[start] = 1;
  let [left, right, top, bottom] = [x, x, y, y];
  const enter = (from, to) => {
    if (member[to] || Math.abs(steps[to] - middle) > away) return;
    if (guide && Math.abs(guide[to] - guide[from]) > step) return;
    member[to] = 1;
    open.push(to);
  };
  while (open.length) {
    const here = open.pop();
    const column = here % width;
    const row = (here - column) / width;
    if (column < left) left = column;
    else if (column > right) right = column;
    if (row < top) top = row;
    else if (row > bottom) bottom = row;
    if (column > 0) enter(here, here - 1);
    if (column < width - 1) enter(here, here + 1);
    if (row > 0) enter(here, here - width);
    if (row < height - 1) enter(here, here + width);
  }
  return {
    box: between(left, top, right + 1, bottom + 1),
    member: (px, py) => member[py * width + px],
  };
}
