// Mouse, pen and fingers on the canvas: what they paint, place, pick, move and zoom.

import { dragged, handlesOf } from "./shapes.js";

const REACH = { mouse: 10, pen: 12, touch: 24 }; // pixels around a handle
const WHEEL = 0.0016;
const PALM = 600; // ms after the pen in which fingers do not paint
const LEAST_STEP = 0.08; // of the radius, between points of a stroke

/** `moved(event)` hears of every move. Listeners end with the signal. */
export class Hand {
  #fingers = new Map();
  #drag = null;
  #pinch = null;
  #penAt = -Infinity;

  constructor(session, view, { signal, moved }) {
    Object.assign(this, { session, view, moved });
    this.space = false; // held: the pointer moves the map
    this.at = null; // on the map
    const hear = (name, act) =>
      view.canvas.addEventListener(name, act.bind(this), { signal, passive: false });
    hear("pointerdown", this.#down);
    hear("pointermove", this.#move);
    hear("pointerup", this.#up);
    hear("pointercancel", this.#abandon);
    hear("lostpointercapture", this.#abandon);
    hear("pointerleave", this.#leave);
    hear("wheel", this.#wheel);
    hear("contextmenu", (event) => event.preventDefault());
    hear("dblclick", () => this.closePolygon());
  }

  /** Space is held, and the pointer moves the map; or it is let go. */
  hold(on) {
    this.space = on;
    this.view.canvas.style.cursor = on ? "grab" : "";
    this.view.redraw();
  }

  #down(event) {
    event.preventDefault();
    this.view.canvas.focus({ preventScroll: true });
    if (event.pointerType === "touch" && this.#finger(event)) return;
    if (event.pointerType === "pen") this.#penAt = event.timeStamp;
    if (this.#drag) return;
    capture(this.view.canvas, event.pointerId);
    const point = this.view.toMap(event);
    if (event.button === 1 || (this.space && event.button === 0)) this.#drag = this.#panning(event);
    else if (event.button !== 0 && event.button !== 5) return;
    else if (event.altKey || this.session.picking) this.#drag = this.#picks(point);
    else this.#drag = this.#starts(event, point);
    if (this.#drag) this.#drag.id = event.pointerId;
    this.moved(event);
  }

  #move(event) {
    if (this.#fingers.has(event.pointerId)) this.#fingers.set(event.pointerId, event);
    if (this.#pinch) return this.#pinched();
    if (this.#drag?.id === event.pointerId) this.#drag.move(event);
    this.at = this.view.toMap(event); // after the drag: it may have moved the map
    this.near = this.#handleAt(event)?.name;
    this.alt = event.altKey;
    this.moved(event);
  }

  #up(event) {
    this.#fingers.delete(event.pointerId);
    if (this.#pinch && this.#fingers.size < 2) this.#pinch = null;
    if (this.#drag?.id !== event.pointerId) return;
    const { end } = this.#drag;
    this.#drag = null;
    end?.(event);
  }

  #abandon(event) {
    this.#fingers.delete(event.pointerId);
    if (this.#drag?.id !== event.pointerId) return;
    const { abandon, end } = this.#drag;
    this.#drag = null;
    (event.type === "pointercancel" ? (abandon ?? end) : end)?.(event);
  }

  #leave() {
    this.at = null;
    this.view.redraw();
    this.moved(null);
  }

  /** Scrolling zooms at the pointer; two fingers on a touchpad pinch, which arrives as Ctrl. */
  #wheel(event) {
    event.preventDefault();
    const box = this.view.canvas.getBoundingClientRect();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const factor = Math.exp(-event.deltaY * lines * WHEEL * (event.ctrlKey ? 4 : 1));
    this.view.zoom(factor, event.clientX - box.left, event.clientY - box.top);
    this.at = this.view.toMap(event);
    this.moved(event);
  }

  // --- fingers -----------------------------------------------------------------------------------

  /** True where a finger does something else than what a mouse would. */
  #finger(event) {
    if (event.timeStamp - this.#penAt < PALM) return true;
    this.#fingers.set(event.pointerId, event);
    if (this.#fingers.size < 2) return false;
    if (this.#fingers.size === 2) {
      const drag = this.#drag; // what the first finger has begun was meant as part of this
      this.#drag = null;
      drag?.abandon?.();
      this.#pinch = this.#span();
    }
    return true;
  }

  #span() {
    const [a, b] = [...this.#fingers.values()];
    const box = this.view.canvas.getBoundingClientRect();
    return {
      x: (a.clientX + b.clientX) / 2 - box.left,
      y: (a.clientY + b.clientY) / 2 - box.top,
      distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY),
    };
  }

  #pinched() {
    if (this.#fingers.size < 2) return;
    const [before, now] = [this.#pinch, this.#span()];
    this.view.zoom(now.distance / Math.max(1, before.distance), now.x, now.y);
    this.view.pan(now.x - before.x, now.y - before.y);
    this.#pinch = now;
  }

  // --- what a drag does --------------------------------------------------------------------------

  #panning(event) {
    let last = event;
    return {
      move: (now) => {
        this.view.pan(now.clientX - last.clientX, now.clientY - last.clientY);
        last = now;
      },
    };
  }

  #picks(point) {
    const name = this.session.picking;
    const take = (at) => {
      this.session.picking = name;
      this.session.pickAt(at);
    };
    take(point);
    return { move: (event) => take(this.view.toMap(event)) };
  }

  #starts(event, point) {
    if (!this.session.ready) return null;
    const handle = this.#handleAt(event);
    if (handle) return this.#holds(handle);
    const { tool } = this.session;
    if (tool.brush) return this.#strokes(event, point);
    if (tool.id === "polygon") return this.#corner(event, point);
    if (tool.id === "lasso") return this.#lassoes(point);
    if (tool.id === "fill") return this.#fills(point);
    return tool.id === "gradient" ? this.#slopes(point) : this.#stamps(point);
  }

  #strokes(event, point) {
    const { session } = this;
    const least = Math.max(0.7, (session.options.size / 2) * LEAST_STEP);
    let last = [...point, pressure(event)];
    session.begin({ points: [last] }, true);
    const add = (events) => {
      const points = [];
      for (const one of events) {
        const next = [...this.view.toMap(one), pressure(one)];
        const far = Math.hypot(next[0] - last[0], next[1] - last[1]) >= least;
        if (far || Math.abs(next[2] - last[2]) > 0.05) points.push((last = next));
      }
      if (points.length) session.extend(points);
    };
    return {
      move: (now) => add(coalesced(now)),
      end: () => session.apply(),
      abandon: () => session.cancel(),
    };
  }

  #lassoes(point) {
    const { session } = this;
    const points = [point];
    session.apply();
    this.trace = points;
    const step = 2 / this.view.scale;
    const finish = () => {
      this.trace = null;
      this.view.redraw();
    };
    return {
      move: (event) => {
        for (const one of coalesced(event)) {
          const next = this.view.toMap(one);
          const [x, y] = points.at(-1);
          if (Math.hypot(next[0] - x, next[1] - y) >= step) points.push(next);
        }
        this.view.redraw();
      },
      end: () => {
        finish();
        if (points.length >= 3) session.begin({ points }, true);
      },
      abandon: finish,
    };
  }

  /** A corner more; the first one again closes the polygon. */
  #corner(event, point) {
    const open = this.trace;
    if (!open) {
      this.session.apply();
      this.trace = [point];
    } else if (open.length >= 3 && this.#within(event, open[0])) this.closePolygon();
    else open.push(point);
    this.view.redraw();
    return { move: () => {} };
  }

  closePolygon() {
    const points = this.session.tool.id === "polygon" ? this.trace : null;
    if (!points) return false;
    this.trace = null;
    // A double click puts its corner twice.
    const corners = points.filter(
      ([x, y], i) => !i || Math.hypot(x - points[i - 1][0], y - points[i - 1][1]) > 1,
    );
    if (corners.length >= 3) this.session.begin({ points: corners }, true);
    this.view.redraw();
    return true;
  }

  dropPolygon() {
    const had = Boolean(this.trace);
    this.trace = null;
    this.view.redraw();
    return had;
  }

  /** Gives up what is being drawn, though the pointer is still down; false where nothing is. */
  drop() {
    const drag = this.#drag;
    this.#drag = null;
    drag?.abandon?.();
    return this.dropPolygon() || Boolean(drag?.abandon);
  }

  #fills(point) {
    const { map } = this.session;
    const inside = point[0] >= 0 && point[1] >= 0 && point[0] < map.width && point[1] < map.height;
    if (inside) this.session.begin({ at: point }, true);
    return { move: () => {} };
  }

  #slopes(from) {
    const { session } = this;
    session.apply();
    return {
      move: (event) => {
        const to = this.view.toMap(event);
        if (Math.hypot(to[0] - from[0], to[1] - from[1]) < 2) return;
        if (session.live) session.change({ to });
        else session.begin({ from, to }, true);
      },
      abandon: () => session.cancel(),
    };
  }

  #stamps(at) {
    const { session } = this;
    const { ground, mode } = session.options;
    session.apply(); // so that the depth is that of the map with it
    const depth = ground && mode !== "raise" ? session.depthAt(...at) : null;
    if (depth !== null) session.set({ depth: Number(depth.toFixed(3)) });
    const side = Math.max(8, session.options.size);
    const wide = session.options.shape === "text" ? lettersWide(session.options.text) : 1;
    session.begin({ at, size: [side * wide, side] }, true);
    let sized = false;
    return {
      move: (event) => {
        const [x, y] = this.view.toMap(event);
        const half = Math.hypot(x - at[0], y - at[1]);
        sized ||= half * this.view.scale > 8;
        if (sized) session.change({ size: [2 * half * wide, 2 * half] });
      },
      abandon: () => session.cancel(),
    };
  }

  #holds({ name }) {
    const { session } = this;
    return {
      move: (event) => {
        if (!session.live) return; // applied or taken back with a key, meanwhile
        const changes = dragged(session.live.edit, name, this.view.toMap(event), event.shiftKey);
        if ("angle" in changes) session.options.angle = changes.angle;
        session.change(changes);
      },
    };
  }

  #handleAt(event) {
    const { live } = this.session;
    if (!live || this.#drag) return null;
    return handlesOf(live.edit).findLast(({ at }) => this.#within(event, at));
  }

  #within(event, at) {
    const box = this.view.canvas.getBoundingClientRect();
    const [x, y] = this.view.toStage(at);
    const distance = Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y);
    return distance <= (REACH[event.pointerType] ?? REACH.mouse);
  }
}

const lettersWide = (text) => Math.max(1, text.length * 0.55);

/** Of a pen as it says; what has no pressure counts as a full one. */
function pressure({ pointerType, pressure: pressed }) {
  return pointerType === "pen" ? pressed : 1;
}

function coalesced(event) {
  const events = event.getCoalescedEvents?.() ?? [];
  return events.length ? events : [event];
}

function capture(canvas, id) {
  try {
    canvas.setPointerCapture(id);
  } catch {
    // The pointer has gone already.
  }
}
