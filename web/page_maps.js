// The maps that a run leaves for the page: a depth map, the luma that edits follow, the photo.

import { api } from "/scripts/api.js";
import { say } from "./language.js";

/**
 * Fetches what an entry of a node's `ui` names: `{width, height, base, guide, photo}`. `base` is a
 * Uint16Array of depths, 65535 the nearest, row by row; `guide` a Uint8Array or null; `photo` an
 * ImageBitmap, which whoever asked has to close, or null.
 */
export async function loadMap(entry, { signal } = {}) {
  const { width, height } = entry;
  const fetched = (file) => file && content(file, signal);
  const [depth, guide, photo] = await Promise.all([
    fetched(entry.depth),
    fetched(entry.guide),
    fetched(entry.photo),
  ]);
  return {
    width,
    height,
    base: new Uint16Array(await bytes(entry.depth, depth, 2 * width * height)),
    guide: guide && new Uint8Array(await bytes(entry.guide, guide, width * height)),
    photo: photo && (await createImageBitmap(photo)),
  };
}

/** Where the server has a file of a run. */
export const routeOf = ({ filename, subfolder, type }) =>
  `/view?${new URLSearchParams({ filename, subfolder, type })}`;

async function content(file, signal) {
  const answer = await api.fetchApi(routeOf(file), { signal, cache: "no-store" });
  if (answer.ok) return answer.blob();
  const values = { file: file.filename, status: answer.status };
  throw new Error(say("The server has no {file} any more ({status}); run the node again.", values));
}

async function bytes({ filename }, blob, expected) {
  if (blob.size === expected) return blob.arrayBuffer();
  const values = { file: filename, size: blob.size, expected };
  throw new Error(say("{file} has {size} bytes; expected {expected}.", values));
}
