// A map at fewer pixels, for what shows it small.

/** With at most `most` pixels on the longer side; each is the nearest one of the map. */
export function reduced(base, width, height, most) {
  const factor = Math.max(1, Math.max(width, height) / most);
  const [columns, rows] = [width, height].map((side) => Math.max(1, Math.round(side / factor)));
  const small = new base.constructor(columns * rows);
  for (let y = 0; y < rows; y++) {
    const from = Math.min(height - 1, Math.floor((y + 0.5) * factor)) * width;
    for (let x = 0; x < columns; x++)
      small[y * columns + x] = base[from + Math.min(width - 1, Math.floor((x + 0.5) * factor))];
  }
  return { base: small, width: columns, height: rows };
}
