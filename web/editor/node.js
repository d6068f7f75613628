// Edit Depth on the canvas: a button that opens the dialog, a small picture of the edited map, and
// how much has been drawn. The edits are the value of a widget that is not shown.

import { app } from "/scripts/app.js";
import { furnishNodes } from "../furnish.js";
import { keepOutput, outputOf } from "../graph.js";
import { say } from "../language.js";
import { warn } from "../messages.js";
import { hideImages } from "../preview.js";
import { MAPS, closeEditor, openEditor } from "./dialog.js";
import { addFace } from "./face.js";

const KIND = "SD2DepthEditor";
const WIDGET = "edits";

furnishNodes("sd2_depth2img.depth_editor", (node) => node.comfyClass === KIND && furnish(node));

function furnish(node) {
  const edits = node.widgets.find(({ name }) => name === WIDGET);
  hide(edits);
  const fail = (error) => warn(node.title, [error.message]);
  const open = () => openEditor(node, edits.value, keep).catch(fail);
  const button = node.addWidget("button", say("Edit Depth"), null, open, { serialize: false });
  button.serialize = false;
  const face = addFace(node);
  hideImages(node);
  const show = () => {
    // The picture of the run would stand beside that of the edits as they are now.
    if (outputOf(node).images) keepOutput(node, { images: undefined });
    face.show(outputOf(node)[MAPS]?.[0], edits.value);
  };

  const keep = (text) => {
    app.canvas.emitBeforeChange();
    edits.value = text;
    edits.callback?.(text);
    app.canvas.emitAfterChange();
    show();
    node.setDirtyCanvas(true, true);
  };
  const { onRemoved, onConfigure, onExecuted } = node;
  node.onRemoved = function (...given) {
    onRemoved?.apply(this, given);
    closeEditor(node);
    face.dispose();
  };
  node.onConfigure = function (...given) {
    onConfigure?.apply(this, given);
    hide(edits);
    show();
  };
  node.onExecuted = function (...given) {
    onExecuted?.apply(this, given);
    show();
  };
  queueMicrotask(show);
  return show;
}

/** In both renderers; it is saved and sent all the same. */
function hide(widget) {
  widget.hidden = true;
  widget.options = Object.assign(widget.options ?? {}, { hidden: true });
  widget.computeSize = () => [0, -4];
}
