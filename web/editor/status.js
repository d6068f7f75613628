// The line below the map: where the pointer is and how deep, frames of a batch, zoom.

import { say } from "../language.js";
import { iconButton, make } from "./elements.js";

const ZOOM_STEP = 1.25;

/** `turn(step)` goes to another of the batch's maps. */
export function statusLine(session, view, turn) {
  const at = make("span", { class: "at", "aria-live": "off" });
  const size = make("span", {});
  const zoom = make("span", { class: "zoom" });
  const frame = make("span", {});
  const steps = [
    iconButton("left", say("Previous map"), () => turn(-1)),
    frame,
    iconButton("right", say("Next map"), () => turn(1)),
  ];
  const element = make(
    "footer",
    {},
    at,
    size,
    make("span", { class: "space" }),
    ...steps,
    iconButton("minus", say("Zoom out"), () => view.zoom(1 / ZOOM_STEP), { key: "-" }),
    zoom,
    iconButton("plus", say("Zoom in"), () => view.zoom(ZOOM_STEP), { key: "+" }),
    iconButton("fit", say("Show all of it"), () => view.fit(), { key: "0" }),
  );
  const update = () => {
    const { map, maps } = session;
    if (!map) return;
    size.textContent = `${map.width} × ${map.height}`;
    for (const step of steps) step.hidden = maps.length < 2;
    const values = { number: map.frame + 1, count: map.frames };
    frame.textContent = say("Map {number} of {count}", values);
  };
  const point = (place) => {
    const depth = place && session.painting ? session.depthAt(...place) : null;
    if (depth === null) return void (at.textContent = "");
    const [x, y] = place.map(Math.floor);
    at.textContent = say("x {x}  y {y}  depth {depth}", { x, y, depth: depth.toFixed(3) });
  };
  const moved = () => (zoom.textContent = `${Math.round(view.scale * 100)} %`);
  session.addEventListener("layers", update);
  return { element, point, moved };
}
