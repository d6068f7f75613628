// What a relief can be told.

/** A `cut` from which on nothing is cut. */
export const NEVER_CUT = 8;

export const DEFAULTS = {
  strength: 12, // pixels of the map by which depth 1 moves when the camera is at 1
  plane: 0, // the depth that stands still
  grow: 4, // pixels by which near things are widened
  cut: 1.6, // stretched more than that many times, a surface is torn
  holes: "filled", // or "shown": transparent
  show: "image", // or two eyes' views: "side by side", "cross-eyed", "red-cyan"
  eyes: 12, // pixels of the map by which depth 1 lies apart in the two views
  split: 0.5, // across the view: left of it the photo, right of it the other one
  move: "circle", // how the camera wanders when nobody moves it: one of MOVES
};
