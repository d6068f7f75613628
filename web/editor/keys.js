// What keys do in the dialog.

const SIZE_STEP = 1.15;
const HARDNESS_STEP = 0.1;
const ZOOM_STEP = 1.25;
const PAN = 48;

/** `act` has what is not the session's: `save`, `leave`, `help`. */
export function listen(target, session, view, hand, act, signal) {
  const hear = (name, heard) => target.addEventListener(name, heard, { signal });
  const alt = (on) => {
    hand.alt = on;
    view.redraw();
  };
  hear("keydown", (event) => {
    if (event.key === "Alt") return taken(event, () => alt(true)); // else a menu takes the focus
    if (target.querySelector("dialog[open]")) return; // a question answers for itself
    if (event.key === "Escape") return taken(event, () => act.leave());
    const { type } = event.target;
    const command = event.ctrlKey || event.metaKey;
    const writing = ["text", "number"].includes(type);
    if (writing && !(command && event.key.toLowerCase() === "s")) return;
    const done = command
      ? commands(event, session, act)
      : plain(event, session, view, hand, act, target);
    if (done) taken(event, done);
  });
  hear("keyup", (event) => {
    if (event.code === "Space") hand.hold(false);
    if (event.key === "Alt") alt(false);
  });
  target.defaultView.addEventListener("blur", () => hand.hold(false), { signal });
}

function taken(event, act) {
  event.preventDefault();
  act();
}

function commands(event, session, act) {
  const key = event.key.toLowerCase();
  if (key === "z") return () => (event.shiftKey ? session.redo() : session.undo());
  if (key === "y") return () => session.redo();
  if (key === "s") return () => act.save();
  return key === "enter" ? () => act.run() : null;
}

function plain(event, session, view, hand, act, target) {
  const onCanvas = target.activeElement === view.canvas || target.activeElement === target.body;
  const { options } = session;
  const size = (by) => () =>
    session.set({ size: Number(Math.min(2000, Math.max(1, options.size * by)).toFixed(1)) });
  const hardness = (by) => () =>
    session.set({ hardness: Number(Math.min(1, Math.max(0, options.hardness + by)).toFixed(2)) });
  // By place as well: on many keyboards brackets are not where they are on the American one.
  if (event.key === "[" || (event.code === "BracketLeft" && !event.altKey && !event.shiftKey))
    return size(1 / SIZE_STEP);
  if (event.key === "]" || (event.code === "BracketRight" && !event.altKey && !event.shiftKey))
    return size(SIZE_STEP);
  if (event.key === "{" || (event.code === "BracketLeft" && event.shiftKey))
    return hardness(-HARDNESS_STEP);
  if (event.key === "}" || (event.code === "BracketRight" && event.shiftKey))
    return hardness(HARDNESS_STEP);
  if (event.altKey) return null;
  const key = event.key.toLowerCase();
  const range = event.target.type === "range";
  if (key === "x") return () => session.turn();
  if (key === "?") return () => act.help();
  if (key === "+" || key === "=") return () => view.zoom(ZOOM_STEP);
  if (key === "-") return () => view.zoom(1 / ZOOM_STEP);
  if (key === "0") return () => view.fit();
  if (key === "1") return () => view.zoom(1 / view.scale);
  const tool = session.tools.find((one) => one.key.toLowerCase() === key);
  if (tool && event.target.tagName !== "SELECT") return () => act.take(tool.id);
  if (!onCanvas || range) return null;
  if (event.code === "Space") return () => hand.hold(true);
  if (key === "enter") return () => hand.closePolygon() || session.apply();
  if (key === "backspace" || key === "delete") return () => hand.dropPolygon() || session.cancel();
  const ways = { arrowleft: [1, 0], arrowright: [-1, 0], arrowup: [0, 1], arrowdown: [0, -1] };
  const way = ways[key];
  return way ? () => view.pan(way[0] * PAN, way[1] * PAN) : null;
}
