// What the dialog remembers of one sitting for the next, in this browser.

const KEY = "sd2_depth2img.editor.";

export function remember(name, value) {
  try {
    localStorage.setItem(KEY + name, JSON.stringify(value));
  } catch {
    // A browser without storage starts with the defaults each time.
  }
}

/** The value, or an empty object where there is none; values of another kind are left out. */
export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(KEY + name)) ?? {};
  } catch {
    return {};
  }
}
