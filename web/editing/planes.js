// The plane that lies best in the depths under an edit, by weighted least squares.

const NARROW = 1; // px², of the weights' spread, below which a plane could tilt anyhow

/** `middle`: the mean of the depths; `height(x, y)`: the plane at a pixel's centre. */
export function plane(window, box, weights) {
  // About the box's middle, where the sums stay small and keep their digits.
  const [x0, y0] = [box.x + box.width / 2 - 0.5, box.y + box.height / 2 - 0.5];
  let [n, sx, sy, sd, sxx, sxy, syy, sxd, syd] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  for (let row = 0, i = 0; row < box.height; row++) {
    const y = box.y + row - y0;
    let at = (box.y + row - window.y) * window.width + box.x - window.x;
    for (let column = 0; column < box.width; column++, i++, at++) {
      const w = weights[i];
      if (!(w > 0)) continue;
      const x = box.x + column - x0;
      const d = window.depth[at];
      n += w;
      sx += w * x;
      sy += w * y;
      sd += w * d;
      sxx += w * x * x;
      sxy += w * x * y;
      syy += w * y * y;
      sxd += w * x * d;
      syd += w * y * d;
    }
  }
  if (!n) return { middle: 0, height: () => 0 };
  const [mx, my, middle] = [sx / n, sy / n, sd / n];
  const [xx, xy, yy] = [sxx / n - mx * mx, sxy / n - mx * my, syy / n - my * my];
  const [xd, yd] = [sxd / n - mx * middle, syd / n - my * middle];
  const narrowest = (xx + yy) / 2 - Math.hypot((xx - yy) / 2, xy);
  if (narrowest < NARROW) return { middle, height: () => middle };
  const determinant = xx * yy - xy * xy;
  const across = (xd * yy - yd * xy) / determinant;
  const down = (yd * xx - xd * xy) / determinant;
  return {
    middle,
    height: (x, y) => middle + across * (x - x0 - mx) + down * (y - y0 - my),
  };
}
