"""Every example and blueprint opens, in both renderers and frontends."""

import json

import pytest

from sd2_depth2img.tools.comfyui import PACK
from sd2_depth2img.workflows.graph import read_workflow

EXAMPLES = sorted((PACK / "example_workflows").glob("*.json"))
FILES = [*EXAMPLES, *sorted((PACK / "subgraphs").glob("*.json"))]

# They name what an example leaves to the user, and a newer frontend says that it is not there.
NAME_THE_USERS_FILES = {"CheckpointLoaderSimple", "LoadVideo", "SD2DepthModelLoader"}

ALL_NODES = """() => {
    const inside = ({ subgraph }) => (subgraph ? nodes(subgraph) : []);
    const nodes = (graph) => graph.nodes.flatMap((node) => [node, ...inside(node)]);
    const known = LiteGraph.registered_node_types;
    return nodes(app.rootGraph ?? app.graph).map((node) => ({
        id: node.id,
        type: node.type,
        known: !!(node.subgraph || known[node.type] || node.isVirtualNode),
        failed: !!node.has_errors,
    }));
}"""


@pytest.mark.pages("all")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_opens_with_every_node(canvas, path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    canvas.open_workflow(workflow)
    nodes = canvas.js(ALL_NODES)
    # Newer frontends have ids of text.
    assert {str(node["id"]) for node in nodes} >= {str(node["id"]) for node in workflow["nodes"]}
    assert [node for node in nodes if not node["known"]] == []
    assert {node["type"] for node in nodes if node["failed"]} <= NAME_THE_USERS_FILES


OUTSIDE = """() => {
    const { nodes, groups } = app.graph;
    const inside = (node, { pos, size }) => [0, 1].every(
        (side) => node.pos[side] >= pos[side] && node.pos[side] <= pos[side] + size[side]);
    return nodes.filter((node) => !groups.some((group) => inside(node, group)))
        .map((node) => node.type);
}"""


@pytest.mark.pages("all")
@pytest.mark.parametrize("name", ["Depth to Image", "Inpaint with Depth"])
def test_opens_with_every_node_in_its_group(canvas, name):
    """Fitting its view, the frontend 1.32 scatters nodes in Nodes 2.0."""
    text = (PACK / "example_workflows" / f"{name}.json").read_text(encoding="utf-8")
    open_template = "(it) => app.loadGraphData(it, true, true, null, { openSource: 'template' })"
    canvas.js(open_template, json.loads(text))
    canvas.settle(20)
    assert canvas.js(OUTSIDE) == []
    assert canvas.js("() => app.canvas.ds.scale") >= 0.65


@pytest.mark.pages("bundled-classic", "newest-nodes2")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_says_to_the_server_what_the_engine_reads(canvas, path):
    canvas.open_workflow(json.loads(path.read_text(encoding="utf-8")))
    ours = read_workflow(path).prompt
    theirs = canvas.prompt()
    assert theirs.keys() == ours.keys()
    for key, node in ours.items():
        assert theirs[key]["class_type"] == node["class_type"]
        # The page sends widgets of its own besides, such as the text that Preview as Text shows.
        sent = {name: theirs[key]["inputs"].get(name) for name in node["inputs"]}
        assert sent == json.loads(json.dumps(node["inputs"])), key
