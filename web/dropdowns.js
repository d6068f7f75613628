// Entries of dropdowns in the language of the page. Saved, and sent to the server, is the entry
// itself.

import { app } from "/scripts/app.js";
import { inputOf, loadLanguages } from "./language.js";

app.registerExtension({
  name: "sd2_depth2img.dropdowns",
  init: loadLanguages,
  nodeCreated(node) {
    for (const widget of node.widgets ?? []) {
      const input = inputOf(node.comfyClass, widget.name);
      // Some frontends lose what packs say in a language; half of a node translated is worse.
      if (!input?.options || widget.label !== input.name) continue;
      widget.options.getOptionLabel = (entry) => input.options[entry] ?? entry ?? "";
    }
  },
});
