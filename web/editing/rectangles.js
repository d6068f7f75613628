// Rectangles of whole pixels, `{x, y, width, height}`; nothing at all is null.

export function between(left, top, right, bottom) {
  return right > left && bottom > top
    ? { x: left, y: top, width: right - left, height: bottom - top }
    : null;
}

/** The whole pixels that a span from `left` to `right` and from `top` to `bottom` lies in. */
export const around = (left, top, right, bottom) =>
  between(Math.floor(left), Math.floor(top), Math.ceil(right), Math.ceil(bottom));

export function intersection(a, b) {
  if (!a || !b) return null;
  return between(
    Math.max(a.x, b.x),
    Math.max(a.y, b.y),
    Math.min(a.x + a.width, b.x + b.width),
    Math.min(a.y + a.height, b.y + b.height),
  );
}

export function union(a, b) {
  if (!a || !b) return a ?? b;
  return between(
    Math.min(a.x, b.x),
    Math.min(a.y, b.y),
    Math.max(a.x + a.width, b.x + b.width),
    Math.max(a.y + a.height, b.y + b.height),
  );
}

export const grown = (a, by) =>
  a && between(a.x - by, a.y - by, a.x + a.width + by, a.y + a.height + by);

export const pixels = (a) => (a ? a.width * a.height : 0);

/** A rectangle cut out of rows of `width` values. */
export function cut(plane, width, box) {
  const part = new plane.constructor(box.width * box.height);
  for (let row = 0; row < box.height; row++) {
    const start = (box.y + row) * width + box.x;
    part.set(plane.subarray(start, start + box.width), row * box.width);
  }
  return part;
}

/** Puts what lies in `box` of a part that was cut out as `whole` back in its place. */
export function paste(plane, width, part, whole, box) {
  for (let row = 0; row < box.height; row++) {
    const start = (box.y - whole.y + row) * whole.width + box.x - whole.x;
    plane.set(part.subarray(start, start + box.width), (box.y + row) * width + box.x);
  }
}
