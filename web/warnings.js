// Warnings of a run on the nodes they are about, until the node runs again.
//
// They come with a node's output (`ui.warnings`), or live, while a node of another pack works with
// this pack's MODEL. Both stay in the outputs that the frontend keeps, and so they come back with
// these: when the user returns to a workflow, or opens one from the queue or history.

import { app } from "/scripts/app.js";
import { api } from "/scripts/api.js";
import { allNodes, keepOutput, outputOf, pathTo } from "./graph.js";
import { warn } from "./messages.js";
import { showNotice } from "./notice.js";

const PREFIX = "SD2Depth";
const LIVE = "sd2_depth2img.warning";

let run = newRun();

app.registerExtension({
  name: "sd2_depth2img.warnings",
  setup() {
    api.addEventListener("execution_start", () => (run = newRun()));
    api.addEventListener("execution_cached", ({ detail }) => {
      for (const id of detail.nodes) run.cached.add(String(id));
    });
    api.addEventListener("executing", ({ detail }) => forget(detail));
    api.addEventListener("executed", ({ detail }) => arriveWithOutput(detail));
    api.addEventListener(LIVE, ({ detail }) => arriveLive(detail));
  },
  afterConfigureGraph: showAll,
  onNodeOutputsUpdated: showAll,
});

/** Nodes whose output is an old one, what came live for a node, what the user was told. */
function newRun() {
  return { cached: new Set(), live: new Map(), told: new Set() };
}

/** A node begins to work: what it said the last time no longer holds. */
function forget(executionId) {
  const path = executionId ? pathTo(executionId) : [];
  const node = path.at(-1);
  if (!node || !warningsOf(node).length) return;
  keepOutput(node, { warnings: undefined, [LIVE]: undefined });
  showOn(path);
}

function arriveWithOutput({ node: id, display_node: shownOn, output }) {
  const path = pathTo(shownOn ?? id);
  if (!path.length) return;
  const node = path.at(-1);
  // The frontend has put the new output in the place of what came live before it.
  keepOutput(node, { [LIVE]: run.live.get(node) });
  showOn(path);
  if (!run.cached.has(String(id))) tell(path, ownWarnings(node, output));
}

function arriveLive({ node: id, text }) {
  const path = pathTo(id);
  if (!path.length) return;
  const node = path.at(-1);
  run.live.set(node, [...new Set([...(run.live.get(node) ?? []), text])]);
  keepOutput(node, { [LIVE]: run.live.get(node) });
  showOn(path);
  tell(path, [text]);
}

/** Once a run, whichever way it came. */
function tell(path, texts) {
  const title = path.map((node) => node.title).join(" › ");
  const fresh = texts.filter((text) => !run.told.has(`${title}\n${text}`));
  for (const text of fresh) run.told.add(`${title}\n${text}`);
  if (fresh.length) warn(title, fresh);
}

function showAll() {
  for (const node of allNodes()) showNotice(node, warningsBelow(node));
}

function showOn(path) {
  for (const node of path) showNotice(node, warningsBelow(node));
}

/** A node's own, and on a subgraph node those of the nodes in it, under their titles. */
function warningsBelow(node) {
  const inside = node.subgraph ? [...allNodes(node.subgraph)] : [];
  const titled = inside.flatMap((inner) => warningsOf(inner).map((t) => `${inner.title}: ${t}`));
  return [...warningsOf(node), ...titled];
}

function warningsOf(node) {
  const output = outputOf(node);
  return [...new Set([...ownWarnings(node, output), ...(output[LIVE] ?? [])])];
}

/** Other packs may mean something else by an output of that name; and history may hold anything. */
function ownWarnings(node, output) {
  const isOurs = node.comfyClass?.startsWith(PREFIX) && Array.isArray(output?.warnings);
  return isOurs ? output.warnings : [];
}
