// What is drawn over the map: the brush, and the shapes that are not yet applied.

import { handlesOf, outlineOf } from "./shapes.js";

const DARK = "rgba(0, 0, 0, 0.65)";
const LIGHT = "#fff";
const ACCENT = "#6aa5ff";
const HANDLE = 6;

export function drawOverlay(context, view, session, hand) {
  const place = (point) => view.toStage(point);
  const { live } = session;
  if (live && !session.tool.brush) {
    for (const line of outlineOf(live.edit)) stroke(context, line.map(place), ACCENT);
    for (const { name, at } of handlesOf(live.edit))
      knob(context, place(at), name === hand?.near, colourOf(live.edit, name));
  }
  if (hand?.trace) {
    const open = hand.at ? [...hand.trace, hand.at] : hand.trace;
    stroke(context, open.map(place), ACCENT);
    if (session.tool.id === "polygon") for (const at of hand.trace) knob(context, place(at));
  }
  if (hand?.at && !hand.space) cursor(context, place(hand.at), view, session, hand);
}

/** The handles of a gradient have the depths that they stand for. */
function colourOf(edit, name) {
  if (edit.tool !== "gradient") return LIGHT;
  const level = Math.round(255 * edit.depths[name === "from" ? 0 : 1]);
  return `rgb(${level} ${level} ${level})`;
}

function cursor(context, [x, y], view, session, { near, alt }) {
  const { tool, options } = session;
  if (near !== undefined) return;
  const picks = alt || Boolean(session.picking);
  if (!tool.brush || picks) return cross(context, x, y, picks);
  const radius = Math.max(1.5, (options.size / 2) * view.scale);
  ring(context, x, y, radius, 1);
  const inner = radius * options.hardness;
  if (inner > 4 && options.hardness < 1) ring(context, x, y, inner, 0.45);
  const sign = { nearer: "+", farther: "−" }[session.does];
  if (sign && radius > 9) label(context, x, y, sign);
}

function ring(context, x, y, radius, alpha) {
  context.globalAlpha = alpha;
  for (const [width, style] of [
    [3, DARK],
    [1.25, LIGHT],
  ]) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
  context.globalAlpha = 1;
}

function label(context, x, y, text) {
  context.font = "600 15px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.strokeStyle = DARK;
  context.strokeText(text, x, y);
  context.fillStyle = LIGHT;
  context.fillText(text, x, y);
}

function cross(context, x, y, picks) {
  const arm = picks ? 11 : 8;
  stroke(context, [[x - arm, y], [x + arm, y]], LIGHT);
  stroke(context, [[x, y - arm], [x, y + arm]], LIGHT);
  if (picks) ring(context, x, y, arm - 3, 1);
}

function stroke(context, points, colour) {
  if (points.length < 2) return;
  context.lineJoin = "round";
  for (const [width, style] of [
    [3.5, DARK],
    [1.5, colour],
  ]) {
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
}

function knob(context, [x, y], held, fill = LIGHT) {
  context.beginPath();
  context.arc(x, y, held ? HANDLE + 2 : HANDLE, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  context.lineWidth = 4;
  context.strokeStyle = DARK;
  context.stroke();
  context.lineWidth = 2;
  context.strokeStyle = ACCENT;
  context.stroke();
}
