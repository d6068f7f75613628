"""Names of files that the page did not choose: written by hand, or coming by a wire."""

import json
import re

import pytest

# By node: the input with the name, and a name that is there.
NAMES = {
    "SD2DepthCheckpointLoader": ("ckpt_name", "mini.safetensors"),
    "SD2DepthModelLoader": ("model_name", "midas.safetensors"),
    "SD2DepthLoad": ("image", "depth 0.png"),
}
OUT = ["../{}", "..\\{}", "sub/../../{}", "/{}", "/etc/passwd", "C:\\{}", "C:{}", "\\\\host\\{}"]
WRONG = [
    *((name, "leads out of the folder") for name in (*OUT, "../{} [output]", "/{} [temp]")),
    ("gone {}", "there is no .*gone"),
    ("{} [output]", "there is no .*output"),
    ("", "there is no "),
]
PREFIXES = ["../x", "/x", "C:\\x", "a\\..\\..\\x", "../x [output]"]


@pytest.fixture
def load(depth_graph):
    """A workflow that loads what a node's name, or a link to one, says."""

    def build(node, name, text=None):
        graph = depth_graph()
        if text is not None:
            name = graph.add(name, **text)()
        loaded = graph.add(node, **{NAMES[node][0]: name})
        kind = {"SD2DepthLoad": "image", "SD2DepthModelLoader": "depth_model"}.get(node)
        if kind is None:
            graph.add("VAEDecode", samples=graph.latent, vae=loaded(2))
            graph.add("PreviewImage", images=[str(len(graph)), 0])
        elif kind == "image":
            graph.add("PreviewImage", images=loaded())
        else:
            depth = graph.add("SD2DepthEstimate", image=graph.depth, depth_model=loaded())
            graph.add("PreviewImage", images=depth())
        return graph

    return build


@pytest.mark.parametrize("node", NAMES)
@pytest.mark.parametrize(("name", "message"), WRONG)
def test_wrong_names_are_refused_before_anything_runs(comfyui, load, node, name, message):
    graph = load(node, name.format(NAMES[node][1]))
    with pytest.raises(Exception, match="custom_validation_failed") as refused:
        comfyui.submit(graph)
    details = [
        error["details"]
        for of_node in json.loads(str(refused.value))["node_errors"].values()
        for error in of_node["errors"]
    ]
    assert any(re.search(message, detail) for detail in details), details


@pytest.mark.parametrize("node", NAMES)
@pytest.mark.parametrize(("name", "message"), WRONG)
def test_wrong_names_that_come_by_a_wire_are_refused_by_the_node(
    comfyui, load, node, name, message
):
    text = name.format(NAMES[node][1])
    error = comfyui.failure(load(node, "TestText", text={"text": text}))
    assert error.node == node
    assert re.search(message, error.message), error.message


@pytest.mark.parametrize("node", NAMES)
def test_a_name_that_comes_by_a_wire_is_loaded(comfyui, load, node):
    assert comfyui.run(load(node, "TestText", text={"text": NAMES[node][1]}))


@pytest.mark.parametrize("node", NAMES)
def test_a_string_by_a_wire_is_refused_by_comfyui_with_both_types(comfyui, load, node):
    """A dropdown takes it only from a node that fits every socket."""
    graph = load(node, "PrimitiveString", text={"value": NAMES[node][1]})
    with pytest.raises(Exception, match=rf"{NAMES[node][0]}, received_type\(STRING\) mismatch"):
        comfyui.submit(graph)


@pytest.mark.parametrize("node", NAMES)
def test_null_for_a_name_is_refused_by_the_node(comfyui, load, node):
    """ComfyUI lets it pass as it does what comes by a wire."""
    error = comfyui.failure(load(node, None))
    assert error.message == f"input {NAMES[node][0]}: None is no text; expected one"


@pytest.mark.parametrize("node", NAMES)
@pytest.mark.parametrize("value", [5, True, {"a": 1}])
def test_what_is_no_text_is_refused_before_anything_runs(comfyui, load, node, value):
    with pytest.raises(Exception, match=r"is no text; expected one"):
        comfyui.submit(load(node, value))


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_that_come_by_a_wire_are_refused_by_the_node(comfyui, depth_graph, prefix):
    graph = depth_graph()
    text = graph.add("PrimitiveString", value=prefix)
    graph.add("SD2DepthSave", depth=graph.depth, filename_prefix=text())
    assert "leads outside the output folder" in comfyui.failure(graph).message


def test_null_for_a_prefix_is_only_a_name(comfyui, depth_graph):
    """ComfyUI makes a text of it."""
    graph = depth_graph()
    saved = graph.add("SD2DepthSave", depth=graph.depth, filename_prefix=None)
    (entry,) = comfyui.run(graph)[saved]["images"]
    assert entry["subfolder"] == ""
    assert entry["filename"].startswith("None_")
