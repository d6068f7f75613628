// Layers of a state. They are never changed, only replaced; an identity stays with what replaces
// one, so that what has been computed of it can be found again.

import { supportOf } from "./weights.js";
import { union } from "./rectangles.js";

const identities = new WeakMap();

/** What stands for a layer through all its changes. */
export function identityOf(layer) {
  if (!identities.has(layer)) identities.set(layer, Symbol(layer.name));
  return identities.get(layer);
}

/** The layer with some of its properties changed; those that are undefined are taken out. */
export function changed(layer, changes) {
  const made = { ...layer, ...changes };
  for (const name of Object.keys(made)) if (made[name] === undefined) delete made[name];
  identities.set(made, identityOf(layer));
  return made;
}

/** Whether a layer is meant for an entry of the batch. */
export function isShown({ visible, frames }, frame) {
  const [first, last] = frames ?? [frame, frame];
  return visible && first <= frame && frame <= last;
}

/** The rectangle in which some edits may do anything. */
export const extentOf = (edits, ground) =>
  edits.reduce((box, edit) => union(box, supportOf(edit, ground)), null);

/** Those edits of two lists that are not in both at the same place, from the first one on. */
export function difference(before, now) {
  let same = 0;
  while (same < before.length && before[same] === now[same]) same++;
  return [...before.slice(same), ...now.slice(same)];
}

/** The first place with another layer than before, and those that came, went or moved. */
export function rearranged(before, now) {
  const [old, present] = [before, now].map((layers) => layers.map(identityOf));
  let first = 0;
  while (first < now.length && old[first] === present[first]) first++;
  const here = (identity) => present.includes(identity);
  const wasHere = (identity) => old.includes(identity);
  const stayed = present.filter(wasHere);
  const inOrder = old.filter(here).every((identity, i) => identity === stayed[i]);
  const moved = inOrder
    ? [...before.filter((_, i) => !here(old[i])), ...now.filter((_, i) => !wasHere(present[i]))]
    : [...before.slice(first), ...now.slice(first)];
  return { first, moved };
}
