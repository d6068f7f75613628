// A photo and its depth as textures, drawn as a moved camera sees them.

import { fillRims, findRims } from "./behind.js";
import { gpu, join, leave } from "./gpu.js";
import { NEVER_CUT } from "./options.js";

const MOST_FILLED = 2 ** 19; // pixels of the map that lies behind; in it nothing is sharp
const STEPS_A_PIXEL = 2; // of the search, so that nothing wider than half a pixel is jumped over
const MOST_STEPS = 256;
const BEHIND = ["behindDepth", "behindPhoto", "behindAfter"];
const OF_THE_MAP = ["depth", ...BEHIND];
const TEXTURES = [...OF_THE_MAP, "photo", "after"];
const SHOWS = { image: 0, "red-cyan": 1, "side by side": 2, "cross-eyed": 2 };

/** How many views of the picture lie beside each other. */
export const viewsOf = (show) => (SHOWS[show] === 2 ? 2 : 1);

export class Surface {
  /** Draws on a canvas of its own. `changed` is called when the GPU went or came back. */
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.photo = this.after = this.map = null;
    this.textures = {};
    this.user = () => {
      this.textures = {};
      changed();
    };
  }

  /** Images: whatever a canvas can draw; null takes one away. */
  setPhoto(image) {
    this.photo = image;
    this.#forget("photo", "behindPhoto");
  }

  setAfter(image) {
    this.after = image;
    this.#forget("after", "behindAfter");
  }

  /** Depth 0..1 in rows, white = near. */
  setDepth(depth, width, height) {
    this.map = { depth, width, height };
    this.#forget(...OF_THE_MAP);
  }

  /** By which factor the largest side is scaled down for the GPU; 1 is not at all. */
  get scale() {
    const sides = [this.photo, this.after, this.map].flatMap((one) => (one ? sizeOf(one) : []));
    return Math.min(1, (gpu()?.limit ?? Infinity) / Math.max(1, ...sides));
  }

  /** Draws on the canvas as it is; `camera`: {right, up, forward, zoom}, times the strength. */
  draw(camera, options) {
    const { canvas, context, map } = this;
    if (!map) return;
    join(this.user);
    const device = gpu();
    if (!device) {
      if (this.photo) context.drawImage(this.photo, 0, 0, canvas.width, canvas.height);
      return;
    }
    const { gl } = device;
    this.#upload(device, options);
    device.canvas.width = Math.max(device.canvas.width, canvas.width);
    device.canvas.height = Math.max(device.canvas.height, canvas.height);
    gl.viewport(0, device.canvas.height - canvas.height, canvas.width, canvas.height);
    gl.useProgram(device.program);
    this.#setUniforms(device, camera, options);
    TEXTURES.forEach((name, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, this.textures[name] ?? null);
      gl.uniform1i(device.place(name), unit);
    });
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    const part = [0, 0, canvas.width, canvas.height];
    context.clearRect(...part);
    context.drawImage(device.canvas, ...part, ...part);
  }

  /** Gives the GPU's memory back until it is drawn again. */
  release() {
    this.#forget(...TEXTURES);
    leave(this.user);
  }

  dispose() {
    this.release();
    this.photo = this.after = this.map = null;
  }

  #setUniforms({ gl, place }, { right, up, forward, zoom }, options) {
    const { canvas, textures, surface } = this;
    const { width, height, scale, nearest } = surface;
    const { plane, cut, holes, show, split } = options;
    const strength = options.strength * scale;
    const eyes = show === "image" ? 0 : options.eyes * scale;
    const half = Math.max(width, height) / 2;
    const zoomed = (forward * strength) / half;
    const shown = Math.min(1, canvas.width / viewsOf(show) / width);
    const sideways = Math.abs(right) * strength + eyes / 2;
    const moved = Math.hypot(sideways, up * strength, forward * strength);
    const steps = Math.ceil(moved * STEPS_A_PIXEL * shown * nearest);
    gl.uniform2f(place("size"), width, height);
    gl.uniform2f(place("across"), (-right * strength) / width, (up * strength) / height);
    gl.uniform1f(place("zoom"), zoomed);
    gl.uniform1f(place("lens"), (1 + (zoom * strength) / half) / (1 + zoomed * plane));
    gl.uniform1f(place("plane"), plane);
    gl.uniform1f(place("nearest"), nearest);
    gl.uniform1i(place("steps"), Math.min(MOST_STEPS, Math.max(4, steps)));
    gl.uniform1f(place("cut"), cut < NEVER_CUT ? cut : 1e9);
    gl.uniform1i(place("showHoles"), holes === "shown");
    gl.uniform1f(place("eye"), ((show === "cross-eyed" ? -1 : 1) * eyes) / 2 / width);
    gl.uniform1i(place("show"), SHOWS[show]);
    gl.uniform1f(place("split"), textures.after ? split : 1);
    gl.uniform1i(place("hasPhoto"), !!textures.photo);
    gl.uniform1f(place("detail"), Math.max(0, -Math.log2(shown)));
  }

  /** Makes what is not there yet. */
  #upload({ gl, limit }, { strength, eyes, show, cut, grow }) {
    const { textures } = this;
    if (this.grown !== grow) this.#forget(...OF_THE_MAP);
    this.grown = grow;
    if (!textures.depth) {
      this.surface = widened(reduced(this.map, limit), grow);
      textures.depth = depthTexture(gl, this.surface, this.surface.depth);
    }
    const reach = coarsely(strength + (show === "image" ? 0 : eyes / 2));
    const key = [reach, cut].join();
    if (this.key !== key) this.#forget(...BEHIND);
    this.key = key;
    for (const name of ["photo", "after"])
      if (this[name]) textures[name] ??= photoTexture(gl, this[name], limit);
    if (!textures.behindDepth) {
      const { width, height } = this.surface;
      const side = Math.max(width, height) * Math.min(1, Math.sqrt(MOST_FILLED / (width * height)));
      this.behind = reduced(this.surface, Math.max(1, Math.floor(side)));
      this.rims = findRims(this.behind, reach * this.behind.scale, cut - 1);
      const depth = this.behind.depth.slice();
      fillRims(this.behind, this.rims, depth, 1);
      textures.behindDepth = depthTexture(gl, this.behind, depth);
    }
    for (const [name, image] of [
      ["behindPhoto", this.photo],
      ["behindAfter", this.after],
    ])
      if (image) textures[name] ??= behindTexture(gl, image, this.behind, this.rims);
  }

  #forget(...names) {
    for (const name of names) {
      if (this.textures[name]) gpu()?.gl.deleteTexture(this.textures[name]);
      delete this.textures[name];
    }
  }
}

function sizeOf(image) {
  return [image.naturalWidth ?? image.width, image.naturalHeight ?? image.height];
}

/** The map within the GPU's limit, every pixel one of it: depths are not mixed. */
function reduced({ depth, width, height, scale: before = 1 }, limit) {
  const part = Math.min(1, limit / Math.max(width, height));
  const scale = before * part;
  if (part === 1) return { depth, width, height, scale };
  const columns = Math.max(1, Math.round(width * part));
  const rows = Math.max(1, Math.round(height * part));
  const taken = new Float32Array(columns * rows);
  for (let y = 0, at = 0; y < rows; y++) {
    const row = Math.floor(((y + 0.5) * height) / rows) * width;
    for (let x = 0; x < columns; x++, at++)
      taken[at] = depth[row + Math.floor(((x + 0.5) * width) / columns)];
  }
  return { depth: taken, width: columns, height: rows, scale };
}

/** Near things widened by that many pixels of the original map, as `depth/parallax.py` does it. */
function widened(map, pixels) {
  const { width, height, scale } = map;
  const radius = Math.round(pixels * scale);
  let { depth } = map;
  if (radius) {
    depth = largest(depth, width, height, 1, width, radius);
    depth = largest(depth, height, width, width, 1, radius);
  }
  return { ...map, depth, nearest: depth.reduce((a, b) => Math.max(a, b), 0) };
}

/** Of every value and those up to `radius` before and after it along lines of `length`. */
function largest(depth, length, lines, step, next, radius) {
  const result = new Float32Array(depth.length);
  const line = new Float32Array(length + 2 * radius);
  for (let start = 0, n = 0; n < lines; n++, start += next) {
    line.fill(0);
    for (let i = 0; i < length; i++) line[radius + i] = depth[start + i * step];
    // Of 2, then 4, 8, … values from each on; two such runs make a whole one.
    let run = 1;
    for (; 2 * run <= 2 * radius + 1; run *= 2)
      for (let i = 0; i + run < line.length; i++) line[i] = Math.max(line[i], line[i + run]);
    const rest = 2 * radius + 1 - run;
    for (let i = 0; i < length; i++) result[start + i * step] = Math.max(line[i], line[i + rest]);
  }
  return result;
}

/** A little more than that, and seldom another: what lies behind costs time. */
const coarsely = (pixels) => 2 ** (Math.ceil(2 * Math.log2(Math.max(1, pixels))) / 2);

/** 16 bits in two channels, low byte first. */
function depthTexture(gl, { width, height }, depth) {
  const words = new DataView(new ArrayBuffer(depth.length * 2));
  for (let i = 0; i < depth.length; i++)
    words.setUint16(i * 2, Math.floor(Math.min(1, Math.max(0, depth[i])) * 65535 + 0.5), true);
  const texture = newTexture(gl, gl.LINEAR);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  const data = new Uint8Array(words.buffer);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RG8, width, height, 0, gl.RG, gl.UNSIGNED_BYTE, data);
  return texture;
}

function photoTexture(gl, image, limit) {
  const [width, height] = sizeOf(image);
  const scale = Math.min(1, limit / Math.max(width, height));
  const given = scale === 1 ? image : drawn(image, width * scale, height * scale).canvas;
  const texture = newTexture(gl, gl.LINEAR_MIPMAP_LINEAR);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, given);
  gl.generateMipmap(gl.TEXTURE_2D);
  return texture;
}

/** The photo with its rims filled; opaque only there. */
function behindTexture(gl, image, surface, rims) {
  const { width, height } = surface;
  const { data } = drawn(image, width, height).getImageData(0, 0, width, height);
  fillRims(surface, rims, data, 4);
  const filled = new Uint8Array(data.length);
  filled.set(data);
  for (let i = 3; i < filled.length; i += 4) filled[i] = 0;
  for (const at of rims.order) filled[at * 4 + 3] = 255;
  const texture = newTexture(gl, gl.LINEAR);
  const layout = [gl.RGBA, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE];
  gl.texImage2D(gl.TEXTURE_2D, 0, ...layout, filled);
  return texture;
}

function drawn(image, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width));
  canvas.height = Math.max(1, Math.round(height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return context;
}

function newTexture(gl, filter) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  return texture;
}
