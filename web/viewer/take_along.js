// The viewer's settings for frames: given to a Parallax Frames node.

import { app } from "/scripts/app.js";
import { say } from "../language.js";
import { note } from "../messages.js";

const FRAMES = "SD2DepthParallax";
const SOURCES = ["image", "depth"];
const GIVEN = ["strength", "move", "plane", "grow", "show", "eyes"];
const GAP = 40;

/**
 * To the selected one, else to those that show the same image and depth in the same way, else to
 * those of the same image and depth, else to a new one.
 */
export function takeAlong(viewer, values) {
  const { canvas } = app;
  canvas.emitBeforeChange();
  let takers = selected(viewer.graph);
  if (!takers.length) takers = ofTheSameImage(viewer, values);
  const isNew = !takers.length;
  if (isNew) takers = [addBeside(viewer)];
  for (const taker of takers) {
    wire(viewer, taker);
    give(taker, values);
  }
  canvas.emitAfterChange();
  app.canvas.setDirty(true, true);
  const sentence = isNew
    ? say("A new node beside the viewer has its strength, move and plane.")
    : say("It has the viewer's strength, move and plane now.");
  for (const { title } of takers) note(title, sentence);
}

function selected(graph) {
  const chosen = Object.values(app.canvas.selected_nodes ?? {});
  return chosen.filter((node) => node.comfyClass === FRAMES && node.graph === graph);
}

function ofTheSameImage(viewer, { show }) {
  const wanted = SOURCES.map((name) => sourceOf(viewer, name));
  if (!wanted.every(Boolean)) return [];
  const same = viewer.graph.nodes.filter(
    (node) =>
      node.comfyClass === FRAMES &&
      SOURCES.every((name, index) => isSame(sourceOf(node, name), wanted[index])),
  );
  // One for red and cyan glasses beside one for the screen stays what it is.
  const alike = same.filter((node) => widgetOf(node, "show")?.value === show);
  return alike.length ? alike : same;
}

function addBeside(viewer) {
  const node = globalThis.LiteGraph.createNode(FRAMES);
  const x = viewer.pos[0] + viewer.size[0] + GAP;
  let [, y] = viewer.pos;
  const [width, height] = node.size;
  const inTheWay = ({ pos, size }) =>
    pos[0] < x + width && pos[0] + size[0] > x && pos[1] < y + height && pos[1] + size[1] > y;
  for (let other; (other = viewer.graph.nodes.find(inTheWay)); )
    y = other.pos[1] + other.size[1] + GAP;
  node.pos = [x, y];
  viewer.graph.add(node);
  return node;
}

/** What is not connected yet. */
function wire(viewer, node) {
  for (const name of SOURCES)
    if (!sourceOf(node, name)) connect(viewer.graph, sourceOf(viewer, name), node, name);
}

function give(node, values) {
  for (const name of GIVEN) {
    const widget = widgetOf(node, name);
    const { values: entries } = widget?.options ?? {};
    // The viewer can stand still, a move cannot.
    if (!widget || (entries && !entries.includes(values[name]))) continue;
    widget.value = values[name];
    widget.callback?.(values[name]);
  }
}

const widgetOf = (node, name) => node.widgets.find((one) => one.name === name);

function sourceOf(node, name) {
  const { link } = node.inputs.find((input) => input.name === name) ?? {};
  const found = link === null || link === undefined ? null : linkOf(node.graph, link);
  return found && { node: found.origin_id, slot: found.origin_slot };
}

const linkOf = (graph, id) => graph.getLink?.(id) ?? graph.links.get?.(id) ?? graph.links[id];

const isSame = (one, other) => one && one.node === other.node && one.slot === other.slot;

function connect(graph, source, node, name) {
  if (!source) return;
  const slot = node.inputs.findIndex((input) => input.name === name);
  const origin = graph.getNodeById(source.node);
  if (origin) origin.connect(source.slot, node, slot);
  // The input of a subgraph that the node is in.
  else graph.inputNode?.slots[source.slot]?.connect(node.inputs[slot], node);
}
