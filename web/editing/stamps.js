// Shapes that are put into the scene: how much of a pixel they cover, and how high they rise there.

import { around } from "./rectangles.js";
import { unit } from "./numbers.js";

/** From a pixel of the map to the stamp's own sides, −1..1 across and down. */
function placed({ at, size, angle }, ground) {
  const [x0, y0] = ground.point(at);
  const turn = (angle * Math.PI) / 180;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const [width, height] = size.map((side) => side * ground.scale.length);
  return {
    width,
    height,
    u: (x, y) => ((x + 0.5 - x0) * cos + (y + 0.5 - y0) * sin) / (width / 2),
    v: (x, y) => ((y + 0.5 - y0) * cos - (x + 0.5 - x0) * sin) / (height / 2),
  };
}

export function stampBox(stamp, ground) {
  const [x, y] = ground.point(stamp.at);
  const halves = stamp.size.map((side) => (side * ground.scale.length) / 2);
  const letters = stamp.shape === "text" && ground.letters.get(stamp.text);
  // Beyond its sides lies the half of a pixel, or of one of the letters' mask, that is soft.
  const soft = 1 + 1 / (2 * Math.min(...halves));
  const softer = letters ? 1 + 1 / Math.min(letters.width, letters.height) : 1;
  const reach = Math.hypot(...halves) * Math.max(soft, softer) + 1;
  return around(x - reach, y - reach, x + reach, y + reach);
}

export function stampWeights(stamp, ground, box) {
  const place = placed(stamp, ground);
  const covers = COVERAGE[stamp.shape](place, ground.letters.get(stamp.text));
  const weights = new Float32Array(box.width * box.height);
  for (let row = 0; row < box.height; row++)
    for (let column = 0; column < box.width; column++) {
      const [x, y] = [box.x + column, box.y + row];
      weights[row * box.width + column] = covers(place.u(x, y), place.v(x, y));
    }
  return weights;
}

/** What a stamp adds to its depth at a pixel: its shape, and its tilt. */
export function reliefOf(stamp, ground) {
  const place = placed(stamp, ground);
  const profile = PROFILE[stamp.shape];
  const [across, down] = stamp.tilt;
  return (x, y) => {
    const [u, v] = [place.u(x, y), place.v(x, y)];
    return stamp.height * profile(u, v) + across * u + down * v;
  };
}

const PROFILE = {
  ball: (u, v) => Math.sqrt(Math.max(0, 1 - u * u - v * v)),
  cone: (u, v) => Math.max(0, 1 - Math.sqrt(u * u + v * v)),
  box: () => 1,
  ramp: (u, v) => (v + 1) / 2,
  text: () => 1,
};

const rounded = ({ width, height }) => {
  const half = Math.min(width, height) / 2;
  return (u, v) => unit((1 - Math.sqrt(u * u + v * v)) * half + 0.5);
};

const straight = ({ width, height }) => {
  const [across, down] = [width / 2, height / 2];
  return (u, v) =>
    unit((1 - Math.abs(u)) * across + 0.5) * unit((1 - Math.abs(v)) * down + 0.5);
};

/** The letters' mask, stretched over the stamp; nothing while it has not been fetched. */
function lettered(place, mask) {
  if (!mask) return () => 0;
  const { width, height, data } = mask;
  const at = (x, y) =>
    x < 0 || y < 0 || x >= width || y >= height ? 0 : data[y * width + x] / 255;
  return (u, v) => {
    const [x, y] = [((u + 1) / 2) * width - 0.5, ((v + 1) / 2) * height - 0.5];
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [right, down] = [x - left, y - top];
    const upper = at(left, top) * (1 - right) + at(left + 1, top) * right;
    const lower = at(left, top + 1) * (1 - right) + at(left + 1, top + 1) * right;
    return upper * (1 - down) + lower * down;
  };
}

const COVERAGE = {
  ball: rounded,
  cone: rounded,
  box: straight,
  ramp: straight,
  text: lettered,
};
