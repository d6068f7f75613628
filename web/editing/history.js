// The steps of a sitting: states to go back and forth to, without limit.
//
// A step may carry a patch, the pixels that it changed, so that going there costs no more than
// drawing them. Patches farthest from the present are given up when they become too many; states
// are small, because they share what they have in common.

const PATCHES = 256 * 2 ** 20; // bytes

export class History {
  past = [];
  future = [];

  /**
   * Remembers where a step came from; what had been undone is gone. Steps in a row with the same
   * entries in `merge` are one.
   */
  push(step) {
    if (!this.future.length && same(this.past.at(-1)?.merge, step.merge)) return;
    this.past.push(step);
    this.future = [];
    this.#save();
  }

  undo = (go) => this.#move(this.past, this.future, go);

  redo = (go) => this.#move(this.future, this.past, go);

  forgetPatches() {
    for (const step of [...this.past, ...this.future]) step.patch = null;
  }

  /** `go` goes to a step, and gives the one that leads back. */
  #move(from, to, go) {
    if (!from.length) return;
    to.push(go(from.pop()));
    this.#save();
  }

  #save() {
    let room = PATCHES;
    for (const steps of [this.past, this.future])
      for (const step of steps.toReversed()) {
        room -= step.patch?.depth.byteLength * 2 || 0;
        if (room < 0) step.patch = null;
      }
  }
}

const same = (a, b) => Boolean(a && b && a.length === b.length && a.every((x, i) => x === b[i]));
