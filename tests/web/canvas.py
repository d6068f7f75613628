"""A page of ComfyUI, as tests use it."""

import json
import re
import time
from typing import Any

from sd2_depth2img.tools.comfyui import Server

READY_SECONDS = 60
RUN_SECONDS = 120
WAIT_SECONDS = 10
EMPTY = {"version": 0.4, "nodes": [], "links": [], "groups": [], "config": {}, "extra": {}}

READY = """() => window.app?.extensionManager && window.app.graph?.nodes.length
    && window.LiteGraph.registered_node_types.SD2DepthEncode"""

# What the frontend reports of itself: it asks for files that a new user does not have, and, in
# vain, for addresses beyond this machine.
HOSTS_OWN = re.compile(
    r"status of 404|Content Security Policy|net::ERR_|fetchFileSize|never set up|deprecated|"
    r"Jobs ?Api|onChange .*GraphView|setting 'value'.*Proxy\.onChange",
    re.DOTALL | re.IGNORECASE,
)


class Canvas:
    """The page in one renderer: `classic` or `nodes2`."""

    RENDERERS = ("classic", "nodes2")

    def __init__(self, page, server: Server, renderer: str) -> None:
        self.page, self.server, self.renderer = page, server, renderer
        self.errors: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self._report(f"{error}\n{error.stack}"))

    @classmethod
    def open(cls, browser, server: Server, renderer: str) -> "Canvas":
        context = browser.new_context(viewport={"width": 1600, "height": 1000})
        canvas = cls(context.new_page(), server, renderer)
        canvas.load()
        return canvas

    def load(self) -> None:
        """Load the page, as for the first time or once more."""
        self.page.goto(self.server.url)
        self.page.wait_for_function(READY, timeout=READY_SECONDS * 1000)
        set_renderer = "on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
        self.js(set_renderer, self.renderer == "nodes2")
        self.settle()

    def js(self, script: str, argument: Any = None) -> Any:
        """What a function of JavaScript returns."""
        return self.page.evaluate(script, argument)

    def settle(self, frames: int = 3) -> None:
        """Let the page draw."""
        frame = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)))"
        for _ in range(frames):
            self.js(frame)

    def clear(self) -> None:
        """An empty canvas at its natural size, without messages."""
        self.page.keyboard.press("Escape")  # closes what a test has opened
        self.open_workflow(EMPTY)
        self.close_toasts()
        self.errors.clear()

    def open_workflow(self, workflow: dict[str, Any]) -> None:
        self.js("(workflow) => app.loadGraphData(workflow)", workflow)
        self.settle()
        self.js("""() => {
            app.canvas.ds.scale = 1;
            app.canvas.ds.offset = [80, 120];
            app.canvas.setDirty(true, true);
        }""")
        self.settle()

    # --- nodes -----------------------------------------------------------------------------------

    def add(self, kind: str, at: tuple[int, int] = (200, 0), **values: Any) -> int:
        """A new node; its id."""
        node = self.js(
            """([kind, at, values]) => {
                const node = LiteGraph.createNode(kind);
                node.pos = at;
                app.canvas.graph.add(node);
                for (const widget of node.widgets ?? [])
                    if (widget.name in values) widget.value = values[widget.name];
                return node.id;
            }""",
            [kind, list(at), values],
        )
        self.settle()
        return node

    def connect(self, source: int, slot: int, target: int, name: str) -> None:
        self.js(
            """([source, slot, target, name]) => {
                const { graph } = app.canvas;
                graph.getNodeById(source).connect(slot, graph.getNodeById(target), name);
            }""",
            [source, slot, target, name],
        )

    def set(self, node: int, name: str, value: Any) -> None:
        """Choose a value as a user does, with what the node does about it."""
        self.js(
            """([id, name, value]) => {
                const { widgets } = app.canvas.graph.getNodeById(id);
                const widget = widgets.find((one) => one.name === name);
                widget.value = value;
                widget.callback?.(value);
            }""",
            [node, name, value],
        )
        self.settle()

    def value(self, node: int, name: str) -> Any:
        return self.js(
            """([id, name]) => app.canvas.graph.getNodeById(id).widgets
                .find((widget) => widget.name === name).value""",
            [node, name],
        )

    def workflow(self) -> dict[str, Any]:
        """What the frontend would save."""
        return self.js("() => JSON.parse(JSON.stringify((app.rootGraph ?? app.graph).serialize()))")

    def prompt(self) -> dict[str, Any]:
        """What it would send to the server."""
        return self.js("async () => (await app.graphToPrompt()).output")

    def point_on(self, node: int, x: float = 60, y: float = -12) -> tuple[float, float]:
        """A point of the page, from a distance to the left upper corner of a node's body."""
        return tuple(
            self.js(
                """([id, x, y]) => {
                    const { ds, graph, canvas } = app.canvas;
                    const box = canvas.getBoundingClientRect();
                    const at = graph.getNodeById(id).pos;
                    return [
                        box.left + (at[0] + ds.offset[0] + x) * ds.scale,
                        box.top + (at[1] + ds.offset[1] + y) * ds.scale,
                    ];
                }""",
                [node, x, y],
            )
        )

    # --- runs ------------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        """Run the workflow; what the server said in the end."""
        self.js(
            """async (milliseconds) => {
                const { api } = await import("/scripts/api.js");
                const names = ["execution_success", "execution_error", "execution_interrupted"];
                window.outcome = new Promise((done) => {
                    const end = ({ type, detail }) => {
                        names.forEach((name) => api.removeEventListener(name, end));
                        clearTimeout(timer);
                        done({ type, detail });
                    };
                    const timer = setTimeout(() => end({ type: "no answer" }), milliseconds);
                    names.forEach((name) => api.addEventListener(name, end));
                });
            }""",
            RUN_SECONDS * 1000,
        )
        with self.page.expect_response("**/api/prompt") as sent:
            self.js("() => { app.queuePrompt(0) }")
        if not sent.value.ok:
            return {"type": "refused", "detail": sent.value.json()}
        outcome = self.js("() => window.outcome")
        self.settle()
        return outcome

    def succeed(self) -> None:
        outcome = self.run()
        assert outcome["type"] == "execution_success", outcome

    def notice(self, node: int) -> list[str]:
        """The lines that a node shows, as far as they can be seen."""
        return self.js(
            """(id) => {
                const shown = app.canvas.graph.getNodeById(id)?.widgets
                    ?.find((widget) => widget.name === "sd2_depth2img_notice")?.element;
                if (!shown?.isConnected || !shown.checkVisibility()) return [];
                const { width, height } = shown.getBoundingClientRect();
                return width > 50 && height > 10 ? [...shown.children].map((e) => e.innerText) : [];
            }""",
            node,
        )

    def wait_for_notice(self, node: int, lines: list[str]) -> None:
        """Until a node shows just these lines."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.notice(node) != lines and time.monotonic() < deadline:
            self.settle()
        assert self.notice(node) == lines

    def toasts(self) -> list[str]:
        return self.page.locator(TOAST).all_inner_texts()

    def close_toasts(self) -> None:
        self.js("""() => {
            const { toast } = app.extensionManager;
            (toast.removeAll ?? toast.dismissAll)();
        }""")
        self.page.wait_for_function(f"() => !document.querySelector('{TOAST}')")

    # --- what goes wrong -------------------------------------------------------------------------

    def _heard(self, message) -> None:
        if message.type == "error":
            self._report(f"{message.text} ({json.dumps(message.location)})")

    def _report(self, text: str) -> None:
        if not HOSTS_OWN.search(text):
            self.errors.append(text)


TOAST = ".p-toast-message, [data-testid=toast]"
