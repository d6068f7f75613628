// The tools of the dialog, and the edits that they make with the options of the moment.

import { say } from "../language.js";

export const STROKE = "stroke";

/** What areas can do; brushes do one thing each. */
export const doings = () => [
  ["nearer", say("Nearer")],
  ["farther", say("Farther")],
  ["set", say("Set depth")],
  ["scale", say("Scale relief")],
  ["smooth", say("Smooth")],
  ["sharpen", say("Sharpen")],
  ["flatten", say("Flatten")],
  ["delete", say("Delete and fill")],
  ["erase", say("Back to estimate")],
];

export const tools = () => [
  brush("push", say("Nearer"), "B", say("Paint to bring nearer. X turns to farther, Alt picks.")),
  brush("set", say("Set depth"), "S", say("Paint one depth. Alt picks it from the map.")),
  brush("smooth", say("Smooth"), "M", say("Paint over what is rough.")),
  brush("sharpen", say("Sharpen"), "H", say("Paint along a soft edge to make it a step.")),
  brush("flatten", say("Flatten"), "F", say("Paint over a wall or a floor: it becomes a plane.")),
  brush("erase", say("Erase"), "E", say("Paint to bring the estimate back.")),
  area("fill", say("Fill"), "G", "flood", say("Click into an area; it reaches to the next edge.")),
  area("lasso", say("Lasso"), "L", "polygon", say("Draw around something.")),
  area(
    "polygon",
    say("Polygon"),
    "P",
    "polygon",
    say("Click corner after corner; Enter or the first corner closes it."),
  ),
  {
    id: "gradient",
    label: say("Gradient"),
    key: "R",
    tool: "gradient",
    hint: say("Drag from one depth to the other; then move the handles."),
    options: ["kind", "d0", "d1", "blend", "window"],
  },
  {
    id: "stamp",
    label: say("Stamp"),
    key: "T",
    tool: "stamp",
    hint: say("Click, or drag to the size that it should have; then move the handles."),
    options: ["shape", "text", "mode", "ground", "depth", "height", "tiltX", "tiltY", "angle"],
  },
];

const BRUSH = ["size", "hardness", "doing", "edges", "window"];

const brush = (id, label, key, hint) => ({
  id,
  label,
  key,
  hint,
  tool: STROKE,
  brush: true,
  options: [id === "push" && "direction", ...BRUSH].filter(Boolean),
});

const area = (id, label, key, tool, hint) => ({
  id,
  label,
  key,
  hint,
  tool,
  options: [
    "does",
    ...(tool === "flood" ? ["tolerance", "edge"] : []),
    "doing",
    "feather",
    "edges",
    "window",
  ],
});

export const DEFAULTS = {
  direction: "nearer",
  does: "nearer",
  size: 64,
  hardness: 0.5,
  depth: 0.5,
  feather: 2,
  edges: true,
  window: false,
  far: 0,
  near: 1,
  tolerance: 0.06,
  edge: 0.15,
  kind: "linear",
  d0: 0.2,
  d1: 0.8,
  shape: "ball",
  mode: "nearest",
  ground: true,
  text: "Depth",
  height: 0.25,
  tiltX: 0,
  tiltY: 0,
  angle: 0,
  move: 0.1,
  factor: 1.3,
  blend: 1,
  smoothing: 0.7,
  smoothReach: 12,
  sharpenReach: 6,
};

/** Under which name of the options the amount of something done is kept. */
export function amountOf(does) {
  if (does === "nearer" || does === "farther") return "move";
  if (does === "scale") return "factor";
  if (does === "smooth" || does === "sharpen") return "smoothing";
  return does === "delete" ? null : "blend";
}

export const reachOf = (does) =>
  does === "smooth" ? "smoothReach" : does === "sharpen" ? "sharpenReach" : null;

/** What a tool does with the options of the moment. */
export function doing(tool, options) {
  if (tool.id === "push") return options.direction;
  return tool.brush ? tool.id : options.does;
}

const round = (value) => Number(value.toFixed(3));

/** All of an edit but where it is: for a new one, or to change one that is not yet applied. */
export function settingsOf(tool, options, guide) {
  if (tool.tool === "gradient") {
    const { kind, d0, d1, blend } = options;
    const edit = { kind, depths: [round(d0), round(d1)], amount: blend };
    return { ...edit, between: options.window ? [options.far, options.near] : undefined };
  }
  if (tool.tool === "stamp") {
    const { shape, mode, depth, height, angle, tiltX, tiltY, text } = options;
    const edit = { shape, mode, depth, height, angle, tilt: [tiltX, tiltY] };
    return shape === "text" ? { ...edit, text: text.slice(0, 200) } : edit;
  }
  const does = doing(tool, options);
  const amount = amountOf(does);
  const reach = reachOf(does);
  const edit = { does, amount: amount ? options[amount] : 1 };
  if (does === "set") edit.depth = round(options.depth);
  if (reach) edit.reach = options[reach];
  if (guide) edit.edges = options.edges;
  edit.between = options.window ? [options.far, options.near] : undefined;
  if (tool.brush) Object.assign(edit, { radius: options.size / 2, hardness: options.hardness });
  else edit.feather = options.feather;
  if (tool.tool === "flood")
    Object.assign(edit, { tolerance: options.tolerance, edge: options.edge });
  return edit;
}
