// Warnings of a run on the nodes they are about, until the node runs again.
//
// They come with a node's output (`ui.warnings`), or live: from a node that fails, or while one of
// another pack works with this pack's MODEL. Both stay in the outputs that the frontend keeps, and so
// they come back with these: when the user returns to a workflow, or opens one from the history.

import { app } from "/scripts/app.js";
import { api } from "/scripts/api.js";
import { allNodes, keepOutput, outputOf, pathTo, workflowId } from "./graph.js";
import { say } from "./language.js";
import { warn } from "./messages.js";
import { showNotice } from "./notice.js";

const PREFIX = "SD2Depth";
const LIVE = "sd2_depth2img.warning";
const ENDS = ["execution_success", "execution_error", "execution_interrupted"];

let run = newRun();

app.registerExtension({
  name: "sd2_depth2img.warnings",
  setup() {
    api.addEventListener("execution_start", () => (run = newRun(workflowId())));
    api.addEventListener("execution_cached", ({ detail }) => {
      for (const id of detail.nodes) run.cached.add(String(id));
      detail.nodes.forEach(takePart);
    });
    api.addEventListener("executing", ({ detail }) => begin(detail));
    api.addEventListener("executed", ({ detail }) => arriveWithOutput(detail));
    api.addEventListener(LIVE, ({ detail }) => arriveLive(detail));
    api.addEventListener("execution_success", forgetOthers);
    for (const end of ENDS) api.addEventListener(end, tellRest);
  },
  afterConfigureGraph: showAll,
  onNodeOutputsUpdated: showAll,
});

/** Nodes whose output is an old one, all that have a part in it, what came live, what was told. */
function newRun(workflow) {
  return {
    workflow,
    cached: new Set(),
    nodes: new Set(),
    live: new Map(),
    told: new Set(),
    untold: new Set(),
  };
}

function takePart(executionId) {
  const path = executionId ? pathTo(executionId) : [];
  for (const node of path) run.nodes.add(node);
  return path;
}

/** A node begins to work: what it said the last time no longer holds. */
function begin(executionId) {
  const path = takePart(executionId);
  if (path.length) forget(path.at(-1));
  showOn(path);
}

/** What is no longer connected to a result, or bypassed, has nothing to say about this one. */
function forgetOthers() {
  if (workflowId() !== run.workflow) return; // the user has gone to another one
  for (const node of allNodes()) if (!run.nodes.has(node)) forget(node);
  showAll();
}

function forget(node) {
  if (warningsOf(node).length) keepOutput(node, { warnings: undefined, [LIVE]: undefined });
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

/** Each fault once a run, whichever node says it: the first at once, in full. */
function tell(path, texts) {
  const title = path.map((node) => node.title).join(" › ");
  const fresh = texts.filter((text) => !run.told.has(faultOf(text)));
  if (!fresh.length) return;
  if (run.told.size) run.untold.add(title);
  else warn(title, fresh);
  for (const text of fresh) run.told.add(faultOf(text));
}

/** The others in one toast, so that they cover little of the page. */
function tellRest() {
  if (run.untold.size) warn(say("More warnings"), [[...run.untold].join(", ")]);
  run.untold.clear();
}

/** A warning names the fault, then what it means for the node: `the mask is empty: nothing …`. */
function faultOf(text) {
  const [fault] = text.split(": ", 1);
  return fault.includes(".") ? text : fault; // with a dot it is a file's name
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
