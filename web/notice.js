// Lines of text at the lower end of a node, in either renderer.
//
// They are a widget that a node gets with its first line and keeps: empty, it takes no place. It
// comes last and is saved nowhere, so the values of the other widgets stay where they are.

import { addElement } from "./furnish.js";

const NAME = "sd2_depth2img_notice";
const MARGIN = 6;
const MOST_HEIGHT = 160;
const STYLE = `
  box-sizing: border-box; margin: 0; padding: 4px 8px; overflow-y: auto; list-style: none;
  border-left: 3px solid #d9a520; border-radius: 4px; background: rgba(217, 165, 32, 0.14);
  color: var(--input-text, #ddd); font: 12px/1.4 system-ui, sans-serif; text-align: left;
  overflow-wrap: anywhere; user-select: text;
`;

/** Shows lines on a node in place of those it shows; none takes them away. */
export function showNotice(node, lines) {
  let widget = node.widgets?.find(({ name }) => name === NAME);
  if (!widget && !lines.length) return;
  widget ??= addTo(node);
  const before = heightOn(node, widget.element);
  write(widget.element, lines);
  const grown = heightOn(node, widget.element) - before;
  if (grown) node.setSize([node.size[0], node.size[1] + grown]);
  node.setDirtyCanvas(true, true);
}

function addTo(node) {
  const element = document.createElement("ul");
  element.setAttribute("role", "note");
  element.style.cssText = STYLE;
  const height = () => heightOn(node, element);
  const widget = addElement(node, NAME, element, {
    hideOnZoom: false,
    margin: MARGIN,
    getMinHeight: height,
    getMaxHeight: height,
  });
  const { onSerialize } = node;
  // A node is saved, copied and kept for undo as it is without lines: they come back by themselves.
  node.onSerialize = function (saved) {
    onSerialize?.call(this, saved);
    saved.size = [saved.size[0], saved.size[1] - height()];
  };
  return widget;
}

function write(element, lines) {
  element.style.display = lines.length ? "block" : "none";
  element.replaceChildren(
    ...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = `⚠ ${line}`;
      return item;
    }),
  );
}

/** What the lines need at the node's width, the margins with it; 0 where there is none. */
function heightOn(node, element) {
  if (!element.children.length) return 0;
  const key = `${Math.round(node.size[0])}\n${element.textContent}`;
  if (element.measuredAs !== key) {
    element.measuredAs = key;
    element.measured = Math.min(MOST_HEIGHT, measure(element, node.size[0] - 2 * MARGIN));
  }
  return element.measured + 2 * MARGIN;
}

/** The height of a copy that is laid out beyond the edge of the page. */
function measure(element, width) {
  const copy = element.cloneNode(true);
  copy.style.cssText = `${STYLE} position: absolute; left: -9999px; width: ${width}px;`;
  document.body.append(copy);
  const height = copy.offsetHeight;
  copy.remove();
  return height;
}
