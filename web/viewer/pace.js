// How fine a moving picture is drawn, so that it moves on any graphics card.

const SLOW = 70; // milliseconds from one frame to the next
const PATIENCE = 3; // slow frames, until they are drawn coarser
const LEAST = 0.35;
const STEP = Math.SQRT1_2; // half the pixels

export class Pace {
  constructor() {
    this.scale = 1;
    this.slow = 0;
    this.before = null;
  }

  /** A frame was drawn; `goes` whether the next one follows at once. */
  frame(time, goes) {
    const gap = this.before === null ? 0 : time - this.before;
    this.slow = gap > SLOW ? this.slow + 1 : 0;
    this.before = goes ? time : null;
    if (this.slow < PATIENCE) return;
    this.slow = 0;
    this.scale = Math.max(LEAST, this.scale * STEP);
  }

  /** It stands still: what was slow may be quicker by the next move. */
  rest() {
    this.scale = Math.min(1, this.scale / STEP);
  }
}
