// Depths in colours: the pixels that the dialog's canvas shows.

const TURBO = // Mikhailov 2019, every eighth colour of 256
  "30123b 392a73 4040a2 4456c7 466be3 4680f6 4294ff 37a8fa 28bceb 1ccdd8 18ddc2 1fe9af 32f298 " +
  "4ef97d 6dfe62 8bff4b a4fc3c b7f735 cbed34 dde037 ecd13a f7c13a fdae35 fe992c fb8122 f56918 " +
  "ec530f e14109 d23105 c12302 ac1701 950d01 7a0403";
const STEPS = 1024;
const EMPTY = 0xff000000;
const CLIPPED = { near: 0xff3a3aff, far: 0xffff8c28 }; // red and blue; A B G R
const CONTOURS = 20;

const tables = {};

/** Colours from far to near as 32-bit A B G R. */
export function table(name) {
  tables[name] ??= name === "turbo" ? turbo() : grey();
  return tables[name];
}

function grey() {
  return Uint32Array.from({ length: STEPS + 1 }, (_, i) => {
    const level = Math.round((i / STEPS) * 255);
    return EMPTY | (level << 16) | (level << 8) | level;
  });
}

function turbo() {
  const known = TURBO.split(" ").map((hex) => Number.parseInt(hex, 16));
  return Uint32Array.from({ length: STEPS + 1 }, (_, i) => {
    const place = (i / STEPS) * (known.length - 1);
    const low = Math.min(Math.floor(place), known.length - 2);
    const part = (shift) => {
      const [a, b] = [known[low], known[low + 1]].map((colour) => (colour >> shift) & 255);
      return Math.round(a + (b - a) * (place - low));
    };
    return EMPTY | (part(0) << 16) | (part(8) << 8) | part(16);
  });
}

/**
 * Fills `pixels` (32 bits each, a row is `rect.width`) with a part of a map.
 *
 * `look`: `colours`, `blend` from the photo 0 to the depth 1, `contours`, `clipped`, and `window`,
 * [far, near] beyond which it is dark. `photo` has 32 bits a pixel, or is null.
 */
export function paint(pixels, rect, depth, width, photo, look) {
  const colours = table(look.colours);
  const share = photo ? Math.round(look.blend * 256) : 256;
  const [far, near] = look.window ?? [-1, 2];
  for (let row = 0, to = 0; row < rect.height; row++) {
    let from = (rect.y + row) * width + rect.x;
    for (let column = 0; column < rect.width; column++, from++, to++) {
      const d = depth[from];
      let colour = colours[(d * STEPS + 0.5) | 0];
      if (share < 256) colour = mix(photo[from], colour, share);
      if (d < far || d > near) colour = EMPTY | ((colour >>> 2) & 0x3f3f3f);
      const x = rect.x + column;
      if (look.contours && onContour(depth, from, x, width, d)) colour = darker(colour);
      if (look.clipped && (d <= 0 || d >= 1) && (x + rect.y + row) & 4)
        colour = d <= 0 ? CLIPPED.far : CLIPPED.near;
      pixels[to] = colour;
    }
  }
}

function mix(a, b, share) {
  const rest = 256 - share;
  const odd = (((a & 0xff00ff) * rest + (b & 0xff00ff) * share) >>> 8) & 0xff00ff;
  const even = (((a >>> 8) & 0xff) * rest + ((b >>> 8) & 0xff) * share) & 0xff00;
  return (EMPTY | odd | even) >>> 0;
}

/** Whether a neighbour lies on a lower step; each line is one pixel wide, on the nearer side. */
function onContour(depth, at, x, width, d) {
  const step = (d * CONTOURS) | 0;
  return (
    (x > 0 && ((depth[at - 1] * CONTOURS) | 0) < step) ||
    (x < width - 1 && ((depth[at + 1] * CONTOURS) | 0) < step) ||
    (at >= width && ((depth[at - width] * CONTOURS) | 0) < step) ||
    (at + width < depth.length && ((depth[at + width] * CONTOURS) | 0) < step)
  );
}

const darker = (colour) => (EMPTY | ((colour >>> 1) & 0x7f7f7f & (colour >>> 1))) >>> 0;

/** What a latent gets: bicubic (a = -0.75) without antialiasing, then stretched to 0..1. */
export function seen(depth, width, height, pixels = 8) {
  const [columns, rows] = [width, height].map((side) => Math.max(1, Math.floor(side / pixels)));
  const across = taps(width, columns);
  const down = taps(height, rows);
  const out = new Float32Array(columns * rows);
  let [low, high] = [Infinity, -Infinity];
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      for (const [j, v] of down[y])
        for (const [i, h] of across[x]) sum += v * h * depth[j * width + i];
      out[y * columns + x] = sum;
      low = Math.min(low, sum);
      high = Math.max(high, sum);
    }
  }
  const range = high > low ? high - low : Infinity;
  for (let i = 0; i < out.length; i++) out[i] = (out[i] - low) / range;
  return { width: columns, height: rows, depth: out };
}

function taps(length, count) {
  return Array.from({ length: count }, (_, index) => {
    const centre = ((index + 0.5) * length) / count - 0.5;
    const first = Math.floor(centre);
    return [-1, 0, 1, 2].map((step) => {
      const place = Math.min(length - 1, Math.max(0, first + step));
      return [place, cubic(Math.abs(centre - first - step))];
    });
  });
}

function cubic(t) {
  const a = -0.75;
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}
