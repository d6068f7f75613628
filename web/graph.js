// Nodes of the canvas, those inside subgraphs too, and what the frontend keeps of their outputs.

import { app } from "/scripts/app.js";

/** The outermost graph; in older frontends `app.graph` was that one. */
const root = () => app.rootGraph ?? app.graph;

/** Which workflow is open. */
export const workflowId = () => root().id;

/** Every node of a graph and of the subgraphs in it; each subgraph once, though used twice. */
export function* allNodes(graph = root(), seen = new Set()) {
  if (!graph || seen.has(graph)) return;
  seen.add(graph);
  for (const node of graph.nodes ?? []) {
    yield node;
    if (node.subgraph) yield* allNodes(node.subgraph, seen);
  }
}

/** The nodes on the way to one that the server calls `3:7`: subgraph node 3, node 7 in it. */
export function pathTo(executionId) {
  const path = [];
  let graph = root();
  for (const id of String(executionId).split(":")) {
    const node = graph?.getNodeById(Number(id));
    if (!node) return [];
    path.push(node);
    graph = node.subgraph;
  }
  return path;
}

/** What the server calls a node: an id for each way to it, more where its subgraph is used twice. */
export function runIds(node, graph = root(), way = "") {
  return (graph?.nodes ?? []).flatMap((one) => {
    if (one === node) return [`${way}${one.id}`];
    return one.subgraph ? runIds(node, one.subgraph, `${way}${one.id}:`) : [];
  });
}

/** What the frontend keeps of a node's last run: it survives a change of workflow. */
export const outputOf = (node) => app.nodeOutputs[locator(node)] ?? {};

/** Puts entries beside those that are kept; `undefined` takes one out. */
export function keepOutput(node, entries) {
  const output = { ...outputOf(node), ...entries };
  for (const key of Object.keys(output)) if (output[key] === undefined) delete output[key];
  if (Object.keys(output).length) app.nodeOutputs[locator(node)] = output;
  else delete app.nodeOutputs[locator(node)];
}

function locator(node) {
  const inside = node.graph && node.graph !== root();
  return inside ? `${node.graph.id}:${node.id}` : String(node.id);
}
