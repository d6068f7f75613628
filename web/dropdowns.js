// Entries of dropdowns in the language of the page. Saved, and sent to the server, is the entry
// itself.

import { app } from "/scripts/app.js";
import { entriesOf, loadLanguages } from "./language.js";

app.registerExtension({
  name: "sd2_depth2img.dropdowns",
  init: loadLanguages,
  nodeCreated(node) {
    for (const widget of node.widgets ?? []) {
      const words = entriesOf(node.comfyClass, widget.name);
      if (words) widget.options.getOptionLabel = (entry) => words[entry] ?? entry ?? "";
    }
  },
});
