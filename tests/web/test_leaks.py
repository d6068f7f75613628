"""Nodes that go take along what they brought."""

import pytest

KINDS = ["SD2DepthLoad", "SD2DepthTestWarning", "SD2DepthPreview", "SD2DepthEncode"]
COUNT = 100

# Adds nodes, lets each draw and say something, removes them. Without undo, which keeps its own
# copies.
ADD_AND_REMOVE = """async ([kinds, count]) => {
    const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 5)));
    for (let i = 0; i < count; i++) {
        const node = LiteGraph.createNode(kinds[i % kinds.length]);
        node.pos = [200, 0];
        app.graph.add(node);
        app.nodeOutputs = { [node.id]: { warnings: ["flat"] } };
        await drawn();
        app.nodeOutputs = {};
        app.graph.remove(node);
    }
    for (let i = 0; i < 20; i++) await drawn();
}"""


# Nodes 2.0 of the frontend 1.32 keeps the elements of every node, ComfyUI's own too.
@pytest.mark.pages("bundled-classic", "newest-classic", "newest-nodes2")
def test_a_hundred_nodes_leave_nothing_behind(canvas):
    canvas.js(ADD_AND_REMOVE, [KINDS, 2 * len(KINDS)])  # what is made once stays
    before = left(canvas)
    canvas.js(ADD_AND_REMOVE, [KINDS, COUNT])
    after = left(canvas)
    assert all(after[name] - before[name] < COUNT / 4 for name in after), (before, after)


def left(canvas):
    """What lives in the page once its garbage is gone."""
    session = canvas.page.context.new_cdp_session(canvas.page)
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return {name: metrics[name] for name in ("JSEventListeners", "Nodes")}
