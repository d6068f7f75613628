"""Nodes that go take along what they brought."""

import pytest

KINDS = [
    *("SD2DepthLoad", "SD2DepthTestWarning", "SD2DepthPreview", "SD2DepthEncode"),
    *("SD2DepthViewer", "SD2DepthEditor"),
]
COUNT = 100

# From now on counts what is set up and not taken down again.
WATCH = """() => {
    const open = (window.leftOpen ??= { timers: new Set(), targets: 0 });
    if (open.watched) return;
    open.watched = true;
    const { setInterval: start, clearInterval: stop } = window;
    window.setInterval = (...given) => {
        const timer = start.apply(window, given);
        open.timers.add(timer);
        return timer;
    };
    window.clearInterval = (timer) => {
        open.timers.delete(timer);
        stop.call(window, timer);
    };
    for (const { prototype } of [ResizeObserver, MutationObserver, IntersectionObserver]) {
        const seen = new WeakMap();
        const { observe, unobserve, disconnect } = prototype;
        const targets = (observer) => {
            if (!seen.has(observer)) seen.set(observer, new Set());
            return seen.get(observer);
        };
        prototype.observe = function (target, ...options) {
            open.targets += targets(this).has(target) ? 0 : 1;
            targets(this).add(target);
            return observe.call(this, target, ...options);
        };
        if (unobserve)
            prototype.unobserve = function (target) {
                open.targets -= targets(this).delete(target) ? 1 : 0;
                return unobserve.call(this, target);
            };
        prototype.disconnect = function () {
            open.targets -= targets(this).size;
            targets(this).clear();
            return disconnect.call(this);
        };
    }
}"""

# Adds nodes, lets each draw and say something, removes it again.
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
    canvas.js(WATCH)
    # What is made once stays; newer frontends keep some elements up to a number of their own.
    canvas.js(ADD_AND_REMOVE, [KINDS, COUNT])
    before = left(canvas)
    canvas.js(ADD_AND_REMOVE, [KINDS, COUNT])
    grown = {name: count - before[name] for name, count in left(canvas).items()}
    assert all(count < COUNT / len(KINDS) for count in grown.values()), grown


def left(canvas):
    """What lives in the page once its garbage is gone."""
    session = canvas.page.context.new_cdp_session(canvas.page)
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return {
        "listeners": metrics["JSEventListeners"],
        "elements": metrics["Nodes"],
        "timers": canvas.js("() => leftOpen.timers.size"),
        "observed elements": canvas.js("() => leftOpen.targets"),
    }
