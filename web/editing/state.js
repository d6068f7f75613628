// What the node keeps of a sitting: layers of edits. Read, checked, clamped and written.
//
// docs/depth_editor.md has the format. Whatever the table below does not know is kept as it is.

export const VERSION = 1;
export const LIMITS = {
  layers: 64,
  edits: 10_000,
  points: 200_000,
  letters: 200, // of a name or a text
  characters: 8 * 2 ** 20,
};

export const DOES = [
  "nearer", "farther", "set", "scale", "smooth", "sharpen", "flatten", "delete", "erase",
];
export const SHAPES = ["ball", "box", "cone", "ramp", "text"];
export const MODES = ["nearest", "over", "raise"];

/** A state that cannot be used. `sentence` with `values` put in is `message`; for translators. */
export class StateError extends Error {
  constructor(sentence, values = {}) {
    super(sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]));
    Object.assign(this, { name: "StateError", sentence, values });
  }
}

// --- The fields: a check of a value, and what it is where it is not given -------------------------

const FAR = 65_536; // pixels beyond which nothing lies

const NEEDED = Symbol("needed");
const field = (read, otherwise = NEEDED) => ({ read, otherwise });
const optional = (read) => ({ read });

const coordinate = number(-FAR, FAR);
const point = list([coordinate, coordinate]);
const unit = number(0, 1);

const SHARED = {
  amount: field(amount, 1),
  edges: field(truth, false),
  between: optional(list([unit, unit])),
};
const EFFECT = {
  does: field(choice(DOES)),
  depth: field(unit, 0.5),
  reach: field(number(0.5, 1024), 8),
  ...SHARED,
};
const feather = field(number(0, 1024), 0);

export const TOOLS = {
  stroke: {
    points: field(many(touch, 1)),
    radius: field(number(0.5, 4096)),
    hardness: field(unit, 0.5),
    ...EFFECT,
  },
  polygon: { points: field(many(point, 3)), feather, ...EFFECT },
  flood: {
    at: field(point),
    tolerance: field(unit, 0.05),
    edge: field(unit, 0.1),
    feather,
    ...EFFECT,
  },
  gradient: {
    kind: field(choice(["linear", "radial"])),
    from: field(point),
    to: field(point),
    depths: field(list([unit, unit])),
    points: optional(many(point, 3)),
    feather,
    ...SHARED,
  },
  stamp: {
    shape: field(choice(SHAPES)),
    at: field(point),
    size: field(list([number(0.5, FAR), number(0.5, FAR)])),
    angle: field(number(-360, 360), 0),
    depth: field(unit, 0.5),
    height: field(number(-1, 1), 0.25),
    tilt: field(list([number(-1, 1), number(-1, 1)]), [0, 0]),
    mode: field(choice(MODES), "nearest"),
    text: optional(text),
  },
};

const LAYER = {
  name: field(text, "Layer"),
  visible: field(truth, true),
  opacity: field(unit, 1),
  frames: optional(list([whole, whole])),
  edits: field(many(readEdit, 0), []),
};

const STATE = {
  version: field(version),
  size: field(list([number(1, FAR), number(1, FAR)])),
  layers: field(many((value, reader) => object(LAYER, value, reader), 0)),
};

// --- Reading and writing --------------------------------------------------------------------------

/** A state in which nothing has been drawn yet. */
export const emptyState = (width, height) => ({
  version: VERSION,
  size: [width, height],
  layers: [newLayer("Layer 1")],
});

export const newLayer = (name = "Layer 1") => ({ name, visible: true, opacity: 1, edits: [] });

/** The state that a text holds, and how many of its numbers had to be clamped. */
export function parse(written) {
  if (written.length > LIMITS.characters)
    throw new StateError("The edits are {size} characters long; at most {most} are read.", {
      size: written.length,
      most: LIMITS.characters,
    });
  let value;
  try {
    value = JSON.parse(written);
  } catch ({ message }) {
    throw new StateError("The edits are not JSON: {reason}", { reason: message });
  }
  return check(value);
}

/** The same of a state that has been read already. */
export function check(value) {
  const reader = { place: "", clamped: 0, edits: 0, points: 0 };
  const state = object(STATE, value, reader);
  bounded(state.layers.length, "layers");
  return { state, clamped: reader.clamped };
}

/** One edit with all of its fields, as `check` leaves it. */
export const checkEdit = (value) =>
  readEdit(value, { place: "edit", clamped: 0, edits: 0, points: 0 });

/** What the node keeps; nothing where nothing was drawn. */
export function serialise(state) {
  return state.layers.some(({ edits }) => edits.length) ? JSON.stringify(state) : "";
}

/** Every text whose letters a state needs. */
export function textsOf(state) {
  const edits = state.layers.flatMap((layer) => layer.edits);
  return [...new Set(edits.filter(isText).map((stamp) => stamp.text))];
}

const isText = ({ tool, shape }) => tool === "stamp" && shape === "text";

const BOUNDED = {
  layers: "There are {count} layers; at most {most} are kept.",
  edits: "There are {count} edits; at most {most} are kept.",
  points: "The edits have {count} points; at most {most} are kept.",
};

/** Refuses more layers, edits or points than there may be. */
export function bounded(count, what) {
  const most = LIMITS[what];
  if (count > most) throw new StateError(BOUNDED[what], { count, most });
}

// --- Checks: (value, reader) → the value, clamped -------------------------------------------------

function refuse(value, expected, reader) {
  const found = JSON.stringify(value) ?? "nothing";
  throw new StateError("{place} is {found}; expected {expected}.", {
    place: reader.place || "The state",
    found: found.length > 60 ? `${found.slice(0, 60)}…` : found,
    expected,
  });
}

function missing({ place }) {
  throw new StateError("{place} is missing.", { place });
}

function inside(place, reader, read) {
  const outer = reader.place;
  reader.place = place.startsWith("[") || !outer ? outer + place : `${outer}.${place}`;
  const value = read();
  reader.place = outer;
  return value;
}

function number(least, most) {
  return (value, reader) => {
    if (!Number.isFinite(value)) refuse(value, "a number", reader);
    const clamped = Math.min(Math.max(value, least), most);
    if (clamped !== value) reader.clamped++;
    return clamped;
  };
}

function amount(value, reader, { does }) {
  return number(0, does === "scale" ? 4 : 1)(value, reader);
}

function whole(value, reader) {
  if (!Number.isInteger(value)) refuse(value, "a whole number", reader);
  return number(0, Number.MAX_SAFE_INTEGER)(value, reader);
}

function truth(value, reader) {
  if (typeof value !== "boolean") refuse(value, "true or false", reader);
  return value;
}

function text(value, reader) {
  if (typeof value !== "string") refuse(value, "a text", reader);
  const letters = [...value];
  if (letters.length <= LIMITS.letters) return value;
  reader.clamped++;
  return letters.slice(0, LIMITS.letters).join("");
}

function choice(options) {
  return (value, reader) => {
    if (!options.includes(value)) refuse(value, `one of ${options.join(", ")}`, reader);
    return value;
  };
}

function list(checks) {
  return (value, reader) => {
    if (!Array.isArray(value) || value.length !== checks.length)
      refuse(value, `a list of ${checks.length}`, reader);
    return value.map((one, i) => inside(`[${i}]`, reader, () => checks[i](one, reader)));
  };
}

function many(checkOne, least) {
  return (value, reader) => {
    if (!Array.isArray(value) || value.length < least)
      refuse(value, least ? `a list of ${least} or more` : "a list", reader);
    return value.map((one, i) => inside(`[${i}]`, reader, () => checkOne(one, reader)));
  };
}

/** A point of a stroke; without its pressure it was drawn with all of it. */
function touch(value, reader) {
  const pressed = Array.isArray(value) && value.length === 2 ? [...value, 1] : value;
  return list([coordinate, coordinate, unit])(pressed, reader);
}

function version(value, reader) {
  if (!Number.isInteger(value) || value < 1) refuse(value, "a whole number", reader);
  if (value > VERSION)
    throw new StateError(
      "The edits are of version {version}, made by a newer editor; this one reads up to version " +
        "{known}. They are kept as they are.",
      { version: value, known: VERSION },
    );
  return value;
}

function readEdit(value, reader) {
  bounded(++reader.edits, "edits");
  const fields = TOOLS[value?.tool];
  if (!Object.hasOwn(TOOLS, value?.tool ?? ""))
    inside("tool", reader, () => choice(Object.keys(TOOLS))(value?.tool, reader));
  const read = object(fields, value, reader);
  if (isText(read) && read.text === undefined)
    inside("text", reader, () => missing(reader));
  bounded((reader.points += read.points?.length ?? 0), "points");
  return read;
}

/** What is known is checked, what is not is kept; what is missing gets its default. */
function object(fields, value, reader) {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    refuse(value, "an object", reader);
  const known = { ...value };
  for (const [name, { read, otherwise }] of Object.entries(fields)) {
    const given = value[name] === undefined ? otherwise : value[name];
    if (given === NEEDED) inside(name, reader, () => missing(reader));
    if (given === undefined) delete known[name];
    else known[name] = inside(name, reader, () => read(given, reader, known));
  }
  return known;
}
