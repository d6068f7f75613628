// What is drawn on: the estimate as it came in, the photo's luma, and how large the map is now in
// comparison to the one that the edits were drawn on.

import { round } from "./numbers.js";

/** A map's size beside that of the map drawn on. */
export class Sizes {
  constructor({ width, height }, drawn = [width, height]) {
    Object.assign(this, { width, height, frame: { x: 0, y: 0, width, height } });
    this.drawnOn(drawn);
  }

  /** Sets the size of the map that the edits are in pixels of. */
  drawnOn([width, height]) {
    const x = this.width / width;
    const y = this.height / height;
    this.scale = { x, y, length: Math.sqrt(x * y) };
  }

  point = ([x, y]) => [x * this.scale.x, y * this.scale.y];

  /** A length in whole pixels of this map. */
  pixels = (length) => round(length * this.scale.length);

  /** An edit in pixels of this map as it is kept: of the map drawn on, with three decimals. */
  kept(edit) {
    const { x, y, length } = this.scale;
    const point = ([px, py, ...pressure]) => [px / x, py / y, ...pressure];
    const sized = { ...edit };
    for (const name of ["at", "from", "to"]) if (edit[name]) sized[name] = point(edit[name]);
    if (edit.points) sized.points = edit.points.map(point);
    if (edit.size) sized.size = edit.size.map((side) => side / length);
    for (const name of ["radius", "feather", "reach"])
      if (Number.isFinite(edit[name])) sized[name] = edit[name] / length;
    return rounded(sized);
  }
}

export class Ground extends Sizes {
  /** The areas of floods that were found last. */
  floods = new Map();

  /**
   * @param map `base`: Uint16Array of depths, 65535 the nearest, row by row. `guide`: Uint8Array of
   *     luma, or null where no photo is connected. `letters`: Map from a text to its mask, `{width,
   *     height, data: Uint8Array}`.
   */
  constructor({ width, height, base, guide = null, letters = new Map() }) {
    super({ width, height });
    Object.assign(this, { steps: base, guide, letters });
    this.base = new Float32Array(base.length);
    for (let i = 0; i < base.length; i++) this.base[i] = base[i] / 65535;
  }
}

function rounded(value) {
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value === "number") return Math.round(value * 1000) / 1000;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, rounded(one)]));
}
