// What the dialog remembers of one sitting for the next, in this browser.

const KEY = "sd2_depth2img.editor.";

export function remember(name, value) {
  try {
    localStorage.setItem(KEY + name, JSON.stringify(value));
  } catch {
    // A browser without storage starts with the defaults each time.
  }
}

/** The defaults with what is remembered of the same kinds. */
export function recall(name, defaults) {
  const kept = read(name);
  const known = Object.keys(defaults).filter((key) => typeof kept?.[key] === typeof defaults[key]);
  return { ...defaults, ...Object.fromEntries(known.map((key) => [key, kept[key]])) };
}

function read(name) {
  try {
    return JSON.parse(localStorage.getItem(KEY + name));
  } catch {
    return null;
  }
}
