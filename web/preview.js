// Images on a node, in a widget of our own: unlike the frontend's they are no offer to edit them.

import { api } from "/scripts/api.js";
import { addElement } from "./furnish.js";
import { say } from "./language.js";

const NAME = "sd2_depth2img_preview";
const LEAST_HEIGHT = 160;
const STYLE = `
  display: flex; flex-wrap: wrap; gap: 2px; justify-content: center; align-items: center;
  overflow: hidden; contain: inline-size; color: var(--input-text, #ddd);
  font: 12px/1.4 system-ui, sans-serif;
`;

/**
 * Adds the widget; gives the function that shows the images of some routes of the server, and what
 * there is at `instead` in place of one that is no longer there.
 */
export function addPreview(node) {
  const element = document.createElement("div");
  element.style.cssText = STYLE;
  addElement(node, NAME, element, { getMinHeight: () => LEAST_HEIGHT });
  return (routes, instead) => {
    element.replaceChildren(...routes.map((route) => picture(route, routes.length, instead)));
    node.setDirtyCanvas(true, true);
  };
}

/** The frontend offers its mask editor, and shows a picture of its own, where a node has images. */
export function hideImages(node) {
  const nothing = { get: () => undefined, set: () => {}, configurable: true };
  Object.defineProperties(node, { imgs: nothing, previewMediaType: nothing });
  node.hideOutputImages = true;
}

function picture(route, count, instead) {
  const image = new Image();
  const columns = Math.ceil(Math.sqrt(count));
  image.style.cssText = `
    flex: 1 1 ${Math.floor(100 / columns) - 2}%; min-width: 0; max-height: ${100 / columns}%;
    object-fit: contain;
  `;
  image.draggable = false;
  image.addEventListener("error", async () => {
    image.replaceWith(instead ? picture(instead, count) : await reason(route));
  });
  image.src = api.apiURL(route);
  return image;
}

/** What the server says about an image that it does not give. */
async function reason(route) {
  const line = document.createElement("span");
  const answer = await api.fetchApi(route);
  const said = await answer.json().catch(() => ({}));
  line.textContent = said.error ?? say("No preview: {status}", { status: answer.status });
  return line;
}
