// Handles and outlines of what was placed and is not yet applied: gradients, stamps, polygons.

const TURN = Math.PI / 180;

/** Points to hold a shape by, each with a name. */
export function handlesOf(edit) {
  if (edit.tool === "gradient")
    return [
      { name: "from", at: edit.from },
      { name: "to", at: edit.to },
    ];
  if (edit.tool === "polygon" && edit.points.length <= 60)
    return edit.points.map((at, index) => ({ name: index, at }));
  if (edit.tool !== "stamp") return [];
  const { at, size } = edit;
  return [
    { name: "at", at },
    { name: "size", at: turned(edit, size[0] / 2, size[1] / 2) },
    { name: "angle", at: turned(edit, 0, -size[1] / 2 - Math.max(14, size[1] * 0.12)) },
  ];
}

/** What changes of a shape when a handle is dragged to a point; `even` keeps the proportions. */
export function dragged(edit, name, [x, y], even) {
  if (edit.tool === "gradient" || name === "at") return { [name]: [x, y] };
  if (edit.tool === "polygon")
    return { points: edit.points.map((point, index) => (index === name ? [x, y] : point)) };
  const [dx, dy] = [x - edit.at[0], y - edit.at[1]];
  if (name === "angle") return { angle: Math.round(Math.atan2(dx, -dy) / TURN) };
  const angle = -edit.angle * TURN;
  const half = [
    Math.abs(dx * Math.cos(angle) - dy * Math.sin(angle)),
    Math.abs(dx * Math.sin(angle) + dy * Math.cos(angle)),
  ];
  const most = Math.max(...half);
  return { size: (even ? [most, most] : half).map((side) => Math.max(2, 2 * side)) };
}

/** Lines to draw, each a list of points; the first is closed. */
export function outlineOf(edit) {
  if (edit.tool === "gradient" && edit.kind === "linear") return [[edit.from, edit.to]];
  if (edit.tool === "gradient") {
    const radius = Math.hypot(edit.to[0] - edit.from[0], edit.to[1] - edit.from[1]);
    return [[edit.from, edit.to], circle(edit.from, radius)];
  }
  if (edit.tool === "polygon") return [[...edit.points, edit.points[0]]];
  if (edit.tool !== "stamp") return [];
  const [w, h] = edit.size.map((side) => side / 2);
  if (edit.shape === "ball" || edit.shape === "cone") {
    const points = circle([0, 0], 1).map(([u, v]) => turned(edit, u * w, v * h));
    return [points, [turned(edit, 0, -h), turned(edit, 0, -h - Math.max(14, h * 0.24))]];
  }
  const corners = [
    [-w, -h],
    [w, -h],
    [w, h],
    [-w, h],
    [-w, -h],
  ];
  const knob = [turned(edit, 0, -h), turned(edit, 0, -h - Math.max(14, h * 0.24))];
  return [corners.map(([u, v]) => turned(edit, u, v)), knob];
}

function turned({ at, angle = 0 }, u, v) {
  const [sin, cos] = [Math.sin(angle * TURN), Math.cos(angle * TURN)];
  return [at[0] + u * cos - v * sin, at[1] + u * sin + v * cos];
}

function circle([x, y], radius) {
  return Array.from({ length: 65 }, (_, i) => {
    const angle = (i / 32) * Math.PI;
    return [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
  });
}
