// Depth Map Loader on the canvas: upload of every kind of file that it reads, a preview of the
// chosen one, and no way into the mask editor, which would leave a map of 65,536 depths with two.
//
// ComfyUI's own upload takes and shows only what a browser does. The combo that has ours instead is
// marked with `sd2_depth_upload`: the suffixes that it takes beside those of images.

import { app } from "/scripts/app.js";
import { api } from "/scripts/api.js";
import { takeFiles } from "./files.js";
import { furnishNodes } from "./furnish.js";
import { keepOutput, outputOf } from "./graph.js";
import { say } from "./language.js";
import { warn } from "./messages.js";
import { routeOf } from "./page_maps.js";
import { addPreview, hideImages } from "./preview.js";

const MARK = "sd2_depth_upload";
// What the mask editor saves lies in a folder of that name, or begins with it.
const MASK_EDITOR = /^clipspace[/-]/;
// Where the outputs keep what a run shows: under the frontend's name, it would show them as well.
const SHOWN = "sd2_depth2img.shown";

furnishNodes("sd2_depth2img.load_depth_map", (node) => {
  const required = Object.entries(node.constructor.nodeData?.input?.required ?? {});
  const marked = required.find(([, spec]) => spec[1]?.[MARK]);
  return marked && furnish(node, marked[0], marked[1][1][MARK]);
});

function furnish(node, name, suffixes) {
  const combo = node.widgets.find((widget) => widget.name === name);
  takeFiles(node, suffixes, (files) => upload(node, combo, files));
  const show = addPreview(node);
  const showChosen = () => {
    const { images } = outputOf(node);
    if (images) keepOutput(node, { images: undefined, [SHOWN]: images });
    const file = previewed(combo.value);
    const result = outputOf(node)[SHOWN]?.map(routeOf);
    // ComfyUI empties the folder of results when it starts.
    return result ? show(result, file) : show([file]);
  };

  let chosen = combo.value;
  const { callback } = combo;
  combo.callback = function (value, ...others) {
    if (MASK_EDITOR.test(value)) {
      combo.value = chosen;
      refuse(node, value, chosen);
    }
    chosen = combo.value;
    keepOutput(node, { images: undefined, [SHOWN]: undefined });
    showChosen();
    return callback?.call(this, chosen, ...others);
  };

  const { onExecuted } = node;
  node.onExecuted = function (output) {
    onExecuted?.call(this, output);
    showChosen();
  };

  hideImages(node);
  // A loaded node gets its values only after this.
  queueMicrotask(() => {
    chosen = combo.value;
    showChosen();
  });
  return showChosen;
}

/** Puts files into the input folder, which keeps others of the same name, and chooses the first. */
async function upload(node, combo, files) {
  const names = (await Promise.all(files.map((file) => send(node, file)))).filter(Boolean);
  if (!names.length) return;
  const known = combo.options.values;
  combo.options.values = [...known, ...names.filter((name) => !known.includes(name))];
  app.canvas.emitBeforeChange();
  combo.value = names[0];
  combo.callback(names[0]);
  app.canvas.emitAfterChange();
}

async function send(node, file) {
  const body = new FormData();
  body.append("image", file);
  const answer = await api.fetchApi("/upload/image", { method: "POST", body });
  if (!answer.ok) {
    const reason = `${answer.status} ${answer.statusText}`;
    warn(node.title, [say("{file} was not uploaded: {reason}", { file: file.name, reason })]);
    return null;
  }
  const { name, subfolder } = await answer.json();
  return subfolder ? `${subfolder}/${name}` : name;
}

function refuse(node, offered, kept) {
  const sentence =
    "{offered} comes from the mask editor, which keeps only a few depths of a map; {kept} stays " +
    "chosen. To edit depths, use Adjust Depth, or a program that saves 16 bits.";
  warn(node.title, [say(sentence, { offered, kept })]);
}

/** The combo's value may name a folder: `map.exr [output]`. */
function previewed(value) {
  const [, filename, type] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(value ?? "");
  const query = new URLSearchParams({ filename, type: type ?? "input", at: Date.now() });
  return `/sd2_depth2img/preview?${query}`;
}
