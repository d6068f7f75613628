// What a node shows of its edits: the edited map, small, and how much has been drawn.

import { addElement } from "../furnish.js";
import { say } from "../language.js";
import { loadMap } from "../page_maps.js";
import { paint } from "./colours.js";
import { make } from "./elements.js";
import { Letters } from "./letters.js";
import { Painting } from "../editing/painting.js";
import { reduced } from "./reduced.js";
import { parse, StateError, textsOf } from "../editing/state.js";

const NAME = "sd2_depth2img_edits";
const SIDE = 256; // pixels of the picture's longer side
const LEAST_HEIGHT = 170;
const LINE_HEIGHT = 30;
const STYLE = `
  display: flex; flex-direction: column; gap: 4px; align-items: center; overflow: hidden;
  contain: inline-size; color: var(--input-text, #ddd); font: 12px/1.4 system-ui, sans-serif;
`;
const PICTURE = "flex: 1; min-height: 0; max-width: 100%; object-fit: contain; border-radius: 4px;";

/** Adds the widget; `show(entry, text)` shows a map with the edits that a text holds. */
export function addFace(node) {
  const canvas = make("canvas", { style: PICTURE, role: "img", "aria-label": say("Edited depth") });
  const line = make("div", { style: "flex: none; text-align: center; padding: 0 6px;" });
  const element = make("div", { style: STYLE }, canvas, line);
  const height = () => (canvas.hidden ? LINE_HEIGHT : LEAST_HEIGHT);
  addElement(node, NAME, element, { getMinHeight: height });
  let shown = "";
  let stop = new AbortController();
  const show = async (entry, text) => {
    line.textContent = summary(text);
    const now = JSON.stringify([entry?.depth, text]);
    if (now === shown) return;
    shown = now;
    stop.abort();
    stop = new AbortController();
    const { signal } = stop;
    try {
      if (entry) await draw(canvas, entry, text, signal);
    } catch {
      // The map of an older run may be gone, or the text be none: the line says what there is.
      if (!signal.aborted) canvas.width = canvas.height = 0;
    }
    if (!signal.aborted) reveal(Boolean(entry && canvas.width));
  };
  /** A node without a picture is low; with its first one it grows. */
  const reveal = (on) => {
    canvas.hidden = !on;
    canvas.style.display = on ? "" : "none";
    const [width, least] = node.computeSize();
    if (node.size[1] < least) node.setSize([Math.max(node.size[0], width), least]);
    node.setDirtyCanvas(true, true);
  };
  reveal(false);
  return { show, dispose: () => stop.abort() };
}

function summary(text) {
  if (!text) return say("No edits yet");
  try {
    const { layers } = parse(text).state;
    const edits = layers.reduce((sum, layer) => sum + layer.edits.length, 0);
    const layerCount =
      layers.length === 1 ? say("1 layer") : say("{count} layers", { count: layers.length });
    const editCount = edits === 1 ? say("1 edit") : say("{count} edits", { count: edits });
    return say("{layers}, {edits}", { layers: layerCount, edits: editCount });
  } catch (error) {
    if (error instanceof StateError) return say(error.sentence, error.values);
    throw error;
  }
}

/** A state scales to any map, so it is painted at the size of the picture. */
async function draw(canvas, entry, text, signal) {
  const { base, width, height } = await loadMap({ ...entry, photo: null, guide: null }, { signal });
  const small = reduced(base, width, height, SIDE);
  const letters = new Letters();
  if (text) await letters.fetch(textsOf(parse(text).state), signal);
  const painting = new Painting({ ...small, guide: null, letters }, entry.frame);
  painting.load(text);
  Object.assign(canvas, { width: small.width, height: small.height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(small.width, small.height);
  const whole = { x: 0, y: 0, width: small.width, height: small.height };
  const pixels = new Uint32Array(image.data.buffer);
  paint(pixels, whole, painting.result, small.width, null, { colours: "grey", blend: 1 });
  context.putImageData(image, 0, 0);
}
