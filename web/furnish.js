// What the pack adds to its nodes when they are made.

import { app } from "/scripts/app.js";
import { allNodes } from "./graph.js";

/**
 * Has every new node furnished by `furnish(node)`. What that gives is called whenever the frontend
 * has other outputs of runs; it gives nothing for a node that is not meant.
 */
export function furnishNodes(name, furnish) {
  const shows = new WeakMap();
  app.registerExtension({
    name,
    nodeCreated(node) {
      const show = furnish(node);
      if (show) shows.set(node, show);
    },
    onNodeOutputsUpdated() {
      for (const node of allNodes()) shows.get(node)?.();
    },
  });
}

/** A part of the page in a widget that is saved nowhere: values of others keep their places. */
export function addElement(node, name, element, options) {
  const widget = node.addDOMWidget(name, name, element, { serialize: false, ...options });
  widget.serialize = false;
  return widget;
}
