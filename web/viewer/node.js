// Parallax Viewer on the canvas.

import { app } from "/scripts/app.js";
import { addElement, furnishNodes } from "../furnish.js";
import { outputOf } from "../graph.js";
import { takeAlong } from "./take_along.js";
import { Viewer } from "./viewer.js";

const KIND = "SD2DepthViewer";
const NAME = "sd2_depth2img_viewer";
const OUTPUT = "sd2_depth_viewer";
// Where a node keeps its settings, in workflow files and copies too.
const SETTINGS = "sd2_depth2img.viewer";
const LEAST_HEIGHT = 200;
const SIZE = [380, 460];

furnishNodes("sd2_depth2img.viewer", (node) => node.comfyClass === KIND && furnish(node));

function furnish(node) {
  const holder = document.createElement("div");
  holder.className = "widget-expands"; // older Nodes 2.0 gives what is called so all the height
  holder.style.cssText = "width: 100%; height: 100%";
  let viewer = null;
  let room = 0;

  addElement(node, NAME, holder, { getMinHeight: () => LEAST_HEIGHT + room });
  node.setSize(SIZE.map((side, axis) => Math.max(side, node.size[axis])));

  /** A node may be taken out of a graph and put into it again. */
  const open = () => {
    if (viewer) return viewer;
    viewer = new Viewer({
      keep: (settings) => keep(node, settings),
      sized: () => {
        const before = room;
        room = viewer.panel.element.offsetHeight;
        node.setSize([node.size[0], node.size[1] + room - before]);
        node.setDirtyCanvas(true, true);
      },
      takeAlong: () => takeAlong(node, viewer.panel.values),
    });
    holder.replaceChildren(viewer.element);
    return viewer;
  };
  const show = (isNew = false) => {
    const entries = outputOf(node)[OUTPUT];
    if (node.graph && entries?.length) open().show(entries, isNew);
  };
  const restore = () => {
    if (!node.graph) return; // a copy on its way to the clipboard
    open().set(node.properties[SETTINGS]);
    show();
  };

  const { onExecuted, onConfigure, onAdded, onRemoved, onSerialize } = node;
  node.onExecuted = function (output) {
    onExecuted?.call(this, output);
    show(true);
  };
  node.onConfigure = function (saved) {
    onConfigure?.call(this, saved);
    restore();
  };
  node.onAdded = function (graph) {
    onAdded?.call(this, graph);
    queueMicrotask(restore);
  };
  node.onRemoved = function () {
    onRemoved?.call(this);
    viewer?.dispose();
    viewer = null;
    holder.replaceChildren();
  };
  // Settings that are open take room, which a saved or copied node does without.
  node.onSerialize = function (saved) {
    onSerialize?.call(this, saved);
    saved.size = [saved.size[0], saved.size[1] - room];
  };
  return () => show();
}

function keep(node, settings) {
  app.canvas.emitBeforeChange();
  node.properties[SETTINGS] = settings;
  app.canvas.emitAfterChange();
}
