"""What the user does with nodes loses none of their values."""

import json

import pytest

from sd2_depth2img.tools.comfyui import PACK

EXAMPLE = PACK / "example_workflows" / "Depth to Image.json"

# Another value in every widget that has one, so that no default can stand in for a lost one.
CHANGE = """() => {
    for (const node of app.graph.nodes)
        for (const widget of node.widgets ?? []) {
            const { type, options, value } = widget;
            if (widget.serialize === false || type === "button") continue;
            if (type === "number") widget.value = Math.min(options.max, value + options.step2 || 1);
            if (type === "toggle") widget.value = !value;
            if (type === "combo" && Array.isArray(options.values))
                widget.value = options.values.at(-1);
            if (type === "customtext") widget.value = `${value}, another`;
        }
}"""


@pytest.fixture
def changed(canvas):
    """The example with other values; what each kind of node holds."""
    canvas.open_workflow(json.loads(EXAMPLE.read_text(encoding="utf-8")))
    before = values(canvas)
    canvas.js(CHANGE)
    canvas.settle()
    after = values(canvas)
    assert sum(before[key] != after[key] for key in before) >= 6
    return after


def values(canvas, nodes=None):
    """By title, the values of all nodes with that title."""
    found = {}
    for node in nodes or canvas.workflow()["nodes"]:
        key = f"{node['type']} {node.get('title', '')}"
        found.setdefault(key, []).append(node.get("widgets_values") or [])
    return {key: sorted(lists, key=json.dumps) for key, lists in found.items()}


def focus(canvas):
    canvas.page.mouse.click(1500, 880)
    canvas.settle()


@pytest.mark.pages("all")
def test_saved_and_opened(canvas, changed):
    canvas.open_workflow(canvas.workflow())
    assert values(canvas) == changed


@pytest.mark.pages("bundled-nodes2", "newest-classic")
def test_the_page_loaded_once_more(canvas, changed):
    focus(canvas)
    canvas.page.keyboard.press("Control+s")  # any key lets the frontend notice changes
    canvas.settle(30)
    canvas.page.keyboard.press("Escape")
    canvas.load()
    canvas.settle(10)
    assert values(canvas) == changed


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_copied_pasted_and_undone(canvas, changed):
    focus(canvas)
    canvas.js("() => app.canvas.selectItems([...app.graph.nodes])")
    canvas.js("() => { app.canvas.copyToClipboard(); app.canvas.pasteFromClipboard(); }")
    canvas.settle()
    twice = {key: sorted(lists * 2, key=json.dumps) for key, lists in changed.items()}
    assert values(canvas) == twice
    focus(canvas)
    canvas.settle(10)
    canvas.js("() => app.extensionManager.command.execute('Comfy.Undo')")
    canvas.settle(10)
    assert values(canvas) == changed


@pytest.mark.pages("all")
def test_into_a_subgraph_and_back(canvas, changed):
    before = canvas.prompt()
    names = ["SD2DepthEstimate", "SD2DepthEncode", "SD2DepthSampler"]
    canvas.js(
        """(names) => {
            const nodes = app.graph.nodes.filter((node) => names.includes(node.type));
            window.made = app.graph.convertToSubgraph(new Set(nodes)).node;
        }""",
        names,
    )
    canvas.settle()
    inside = canvas.workflow()["definitions"]["subgraphs"][0]["nodes"]
    assert values(canvas, inside) == {k: v for k, v in changed.items() if k.split()[0] in names}
    assert by_kind(canvas.prompt()) == by_kind(before)
    canvas.js("() => app.graph.unpackSubgraph(window.made)")
    canvas.settle()
    assert values(canvas) == changed
    assert by_kind(canvas.prompt()) == by_kind(before)


def by_kind(prompt):
    """What is sent, without the ids: an input that is linked names the kind that it comes from."""

    def source(value):
        return [prompt[value[0]]["class_type"], value[1]] if isinstance(value, list) else value

    nodes = [
        [node["class_type"], {name: source(value) for name, value in node["inputs"].items()}]
        for node in prompt.values()
    ]
    return sorted(nodes, key=lambda node: json.dumps(node, sort_keys=True))
