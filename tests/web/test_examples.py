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
