// The masks of letters that text stamps raise, as the server draws them.

import { api } from "/scripts/api.js";
import { say } from "../language.js";

/** A map from texts to `{width, height, data}`, which fetches what it lacks. */
export class Letters extends Map {
  async fetch(texts, signal) {
    const missing = texts.filter((text) => text && !this.has(text));
    await Promise.all(missing.map(async (text) => this.set(text, await mask(text, signal))));
  }
}

async function mask(text, signal) {
  const route = `/sd2_depth2img/lettering?${new URLSearchParams({ text })}`;
  const answer = await api.fetchApi(route, { signal });
  if (!answer.ok) {
    const reason = `${answer.status} ${await answer.text()}`;
    throw new Error(say("The letters of {text} cannot be drawn: {reason}", { text, reason }));
  }
  const image = await createImageBitmap(await answer.blob());
  const { width, height } = image;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  image.close();
  const { data } = context.getImageData(0, 0, width, height);
  const grey = Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]);
  return { width, height, data: grey };
}
