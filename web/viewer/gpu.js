// The page's one WebGL context for all surfaces: a browser gives a page only a few.
//
// It is made with the first surface and given back with the last. What is drawn in it is copied to
// each surface's own canvas, so a picture stays where it is when the context gets lost.

import { FRAGMENT, VERTEX } from "./shaders.js";

const SECONDS_TO_RESTORE = 3; // then another context is tried

const users = new Set();
let shared = null;
let refused = false;

/** The context with its program, or null: nobody has joined, no WebGL 2, or lost for now. */
export function gpu() {
  if (!shared && !refused && users.size) shared = open();
  return shared && !shared.isLost ? shared : null;
}

/** `user` is called when the context was lost, and when there is one again. */
export function join(user) {
  users.add(user);
}

export function leave(user) {
  users.delete(user);
  if (users.size) return;
  refused = false;
  if (shared) close();
}

/** Why those who joined have none: `none` in this browser, or `lost` for now; else null. */
export function missing() {
  if (gpu() || !users.size) return null;
  return refused ? "none" : "lost";
}

function open() {
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl2", {
    antialias: false,
    depth: false,
    powerPreference: "low-power",
  });
  refused = !gl || gl.isContextLost();
  if (refused) return null;
  const made = { canvas, gl, isLost: false, timer: null, stop: new AbortController() };
  const { signal } = made.stop;
  canvas.addEventListener("webglcontextlost", (event) => lose(made, event), { signal });
  canvas.addEventListener("webglcontextrestored", () => restore(made), { signal });
  try {
    return furnish(made);
  } catch (error) {
    console.error(error); // a driver that cannot compile the shaders
    refused = true;
    return null;
  }
}

function furnish(made) {
  const { gl } = made;
  made.program = link(gl);
  made.limit = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  const places = new Map();
  made.place = (name) => {
    if (!places.has(name)) places.set(name, gl.getUniformLocation(made.program, name));
    return places.get(name);
  };
  return made;
}

function lose(made, event) {
  event.preventDefault(); // else it is never restored
  made.isLost = true;
  made.timer = setTimeout(() => {
    close();
    tell();
  }, SECONDS_TO_RESTORE * 1000);
  tell();
}

function restore(made) {
  clearTimeout(made.timer);
  furnish(made).isLost = false;
  tell();
}

function close() {
  const { gl, timer, stop } = shared;
  shared = null;
  clearTimeout(timer);
  stop.abort();
  gl.getExtension("WEBGL_lose_context")?.loseContext();
}

function tell() {
  for (const user of users) user();
}

function link(gl) {
  const program = gl.createProgram();
  for (const [kind, text] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    const shaders = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
    throw new Error([gl.getProgramInfoLog(program), ...shaders].join("\n"));
  }
  return program;
}
