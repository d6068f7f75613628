// What lies behind near things: the far side of every depth edge goes on below them.
//
// A moved camera looks past a near thing by at most the pixels that it moves. As much of its rim is
// taken off and filled from the far side alone, layer by layer, then smoothed.

const SMOOTHING = 4; // averagings, so that the layers do not show

/**
 * The rims of near things, where neighbours may come to lie more than `tear` pixels further apart
 * while depth 1 moves by `reach` pixels. Gives `order`, their pixels from the far side inwards, and
 * `limits`: nearer than a rim pixel's limit is nothing that it may be filled from.
 */
export function findRims({ depth, width, height }, reach, tear) {
  const limits = new Float32Array(width * height);
  const map = { depth, width, height, limits };
  const rim = grow(map, edges(depth, width, height, tear / reach), reach);
  return { order: inwards(map, rim), limits };
}

/** Fills rims in place, in `channels` interleaved values a pixel. */
export function fillRims({ depth, width, height }, { order, limits }, values, channels) {
  const done = new Uint8Array(depth.length);
  const isRim = new Uint8Array(depth.length);
  for (const at of order) isRim[at] = 1;
  const sums = new Float64Array(channels);
  const average = (at, lends) => {
    const x = at % width;
    const top = Math.max(0, Math.floor(at / width) - 1);
    const bottom = Math.min(height - 1, top + (at < width ? 1 : 2));
    let count = 0;
    sums.fill(0);
    for (let row = top; row <= bottom; row++)
      for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++) {
        const from = row * width + column;
        if (!(isRim[from] ? lends(from) : depth[from] <= limits[at])) continue;
        count++;
        for (let c = 0; c < channels; c++) sums[c] += values[from * channels + c];
      }
    if (count) for (let c = 0; c < channels; c++) values[at * channels + c] = sums[c] / count;
  };
  for (const at of order) {
    average(at, (from) => done[from]);
    done[at] = 1;
  }
  for (let i = 0; i < SMOOTHING; i++) for (const at of order) average(at, () => true);
}

/** Pixels that end a near thing, each with the depth half way down its edge. */
function edges(depth, width, height, jump) {
  const found = [];
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++) {
      const here = depth[at];
      let far = here;
      if (x > 0) far = Math.min(far, depth[at - 1]);
      if (x < width - 1) far = Math.min(far, depth[at + 1]);
      if (y > 0) far = Math.min(far, depth[at - width]);
      if (y < height - 1) far = Math.min(far, depth[at + width]);
      if (here - far > jump) found.push([at, (here + far) / 2]);
    }
  return found;
}

/** Grows from edges through what is as near, over `reach` pixels. */
function grow({ depth, width, height, limits }, found, reach) {
  for (const [at, limit] of found) limits[at] = limit;
  const rim = found.map(([at]) => at);
  for (let round = 0, start = 0; round < reach + 2; round++) {
    const end = rim.length;
    for (; start < end; start++)
      forNeighbours(rim[start], width, height, (next) => {
        if (limits[next] || depth[next] <= limits[rim[start]]) return;
        limits[next] = limits[rim[start]];
        rim.push(next);
      });
  }
  return rim;
}

/** The rim's pixels in layers from the far side; those that it does not reach are let go. */
function inwards({ depth, width, height, limits }, rim) {
  const reached = new Uint8Array(depth.length);
  const order = rim.filter((at) => {
    forNeighbours(at, width, height, (next) => {
      if (!limits[next] && depth[next] <= limits[at]) reached[at] = 1;
    });
    return reached[at];
  });
  for (let i = 0; i < order.length; i++)
    forNeighbours(order[i], width, height, (next) => {
      if (!limits[next] || reached[next]) return;
      reached[next] = 1;
      order.push(next);
    });
  return Int32Array.from(order);
}

function forNeighbours(at, width, height, visit) {
  const x = at % width;
  if (x > 0) visit(at - 1);
  if (x < width - 1) visit(at + 1);
  if (at >= width) visit(at - width);
  if (at < width * (height - 1)) visit(at + width);
}
