"""What a stroke costs in the depth editor, in headless Chromium.

An event of the pointer is computed, coloured and drawn with the next frame.
The brush has a radius of 60 pixels and a hardness of 0.5, keeps to the photo's edges and takes 120
events of about 8 pixels across the map. Before it a state of 100 such strokes is loaded. Times are
the processor's.
"""

import argparse
import functools
import http.server
import shutil
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import material
from playwright.sync_api import Page, sync_playwright

from sd2_depth2img.tools.comfyui import PACK

SIDES = (1024, 2048)
MEDIAN, LONGEST = 16, 50  # milliseconds: a frame of the screen, and what browsers call a long task
DOES = ("nearer", "set", "smooth", "sharpen", "flatten", "scale", "delete", "erase")

# What a page keeps while a benchmark runs: a painting of 100 strokes, and one to be drawn on it.
PREPARE = """async ([side, does]) => {
    const { Painting } = await import("/editing/painting.js");
    const { View } = await import("/editor/view.js");
    const plane = (Kind, value) => {
        const values = new Kind(side * side);
        for (let i = 0; i < values.length; i++) values[i] = value(i % side, Math.floor(i / side));
        return values;
    };
    const base = plane(Uint16Array, (x, y) => ((x + y) / side) * 25e3 + (x & 64) * 200);
    const guide = plane(Uint8Array, (x, y) => ((x ^ y) & 32) * 4 + Math.random() * 30);
    const at = (i, row) => [100 + i * 7, row + 60 * Math.sin(i / 9), 0.7 + 0.3 * Math.sin(i / 5)];
    const stroke = (what, row, count) => ({
        tool: "stroke", does: what, amount: 0.2, radius: 60, hardness: 0.5, edges: true,
        points: Array.from({ length: count }, (_, i) => at(i, row)),
    });
    const edits = Array.from({ length: 100 }, (_, i) => stroke("nearer", (i / 100) * side, 20));
    window.painting = new Painting({ width: side, height: side, base, guide });
    window.state = { version: 1, size: [side, side], layers: [{ edits }] };
    window.stroke = stroke(does, side / 2, 120);
    const stage = document.createElement("div");
    stage.style.cssText = "width: 1000px; height: 800px";
    document.body.replaceChildren(stage);
    window.view?.dispose();
    window.view = new View(stage, "", () => {});
    view.look.colours = "turbo";
    view.show({ width: side, height: side, photo: null }, () => painting.result);
}"""
BEGIN = "() => { painting.begin({ ...stroke, points: [stroke.points[0]] }); }"
EXTEND = """async (i) => {
    view.recolour(painting.extend([stroke.points[i]]));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}"""


def main() -> None:
    """Measure every effect at every size and print what an event takes."""
    parser = argparse.ArgumentParser(description="speed of painting in the browser")
    parser.add_argument("--does", nargs="+", choices=DOES, default=DOES)
    wanted = parser.parse_args().does
    with _page() as page:
        clock = Clock(page)
        for side in SIDES:
            for does in wanted:
                _measure(clock, side, does)


class Clock:
    """The processor's time that a script takes in a page; what else runs takes none of it."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._nothing = statistics.median(self._took("() => {}") for _ in range(50))

    def milliseconds(self, script: str, argument: object = None) -> float:
        """Without what asking for it takes."""
        return self._took(script, argument) - self._nothing

    def _took(self, script: str, argument: object = None) -> float:
        before = self._total()
        self._page.evaluate(script, argument)
        return (self._total() - before) * 1000

    def _total(self) -> float:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in metrics if one["name"] == "TaskDuration")


def _measure(clock: Clock, side: int, does: str) -> None:
    clock.milliseconds(PREPARE, [side, does])
    load = clock.milliseconds("() => { painting.load(state); }")
    for _ in range(2):  # the first one has the scripts compiled
        begin = clock.milliseconds(BEGIN)
        each = [clock.milliseconds(EXTEND, i) for i in range(1, 120)]
        commit = clock.milliseconds("() => { painting.commit(); }")
        undo = clock.milliseconds("() => { painting.undo(); }")
    material.say(
        f"{does} at {side}×{side}, in ms: begin {begin:.1f}, longest event {max(each):.1f}, "
        f"commit {commit:.1f}, undo {undo:.1f}, load {load:.0f}"
    )
    goal = MEDIAN if side == min(SIDES) else LONGEST
    material.verdict(f"{does} at {side}×{side}, median event", statistics.median(each), goal)


@contextmanager
def _page() -> Iterator[Page]:
    """A page that has the pack's scripts, and nothing else."""
    handler = functools.partial(_Quiet, directory=str(PACK / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/editing/numbers.js")
            yield page
            browser.close()
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    main()
