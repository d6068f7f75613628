"""What a stroke costs in the depth editor, in headless Chromium, for each event of the pointer.

The brush has a radius of 60 pixels and a hardness of 0.5, keeps to the photo's edges and takes 120
events of about 8 pixels across the map. Before it a state of 100 such strokes is loaded.
"""

import argparse
import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import material
from playwright.sync_api import sync_playwright

from sd2_depth2img.tools.comfyui import PACK

SIDES = (1024, 2048)
MEDIAN, LONGEST = 16, 50  # milliseconds: a frame of the screen, and what browsers call a long task
DOES = ("nearer", "set", "smooth", "sharpen", "flatten", "scale", "delete", "erase")

MEASURE = """async ([side, does]) => {
    const { Painting } = await import("/editor/painting.js");
    const pixels = Array.from({ length: side * side }, (_, i) => [i % side, Math.floor(i / side)]);
    const base = Uint16Array.from(pixels, ([x, y]) => ((x + y) / side) * 25e3 + (x & 64) * 200);
    const guide = Uint8Array.from(pixels, ([x, y]) => ((x ^ y) & 32) * 4 + Math.random() * 30);
    const painting = new Painting({ width: side, height: side, base, guide });
    const at = (i, row) => [100 + i * 7, row + 60 * Math.sin(i / 9), 0.7 + 0.3 * Math.sin(i / 5)];
    const stroke = (row, count, what) => ({
        tool: "stroke", does: what, amount: 0.2, radius: 60, hardness: 0.5, edges: true, depth: 0.7,
        points: Array.from({ length: count }, (_, i) => at(i, row)),
    });
    const timed = (work) => {
        const start = performance.now();
        work();
        return performance.now() - start;
    };
    const draw = (what, count) => {
        const { points, ...brush } = stroke(side / 2, count, what);
        const begin = timed(() => painting.begin({ ...brush, points: points.slice(0, 1) }));
        const each = points.slice(1).map((point) => timed(() => painting.extend([point])));
        const commit = timed(() => painting.commit());
        const undo = timed(() => painting.undo());
        return { begin, each, commit, undo };
    };
    const edits = Array.from({ length: 100 }, (_, i) => stroke((i / 100) * side, 20, "nearer"));
    const load = timed(() => painting.load({ version: 1, size: [side, side], layers: [{ edits }] }));
    draw(does, 20);
    return { ...draw(does, 120), load };
}"""


def main() -> None:
    """Measure every effect at every size and print what an event takes."""
    parser = argparse.ArgumentParser(description="speed of painting in the browser")
    parser.add_argument("--does", nargs="+", choices=DOES, default=DOES)
    wanted = parser.parse_args().does
    with _page() as page:
        for side in SIDES:
            for does in wanted:
                _report(side, does, page.evaluate(MEASURE, [side, does]))


def _report(side: int, does: str, took: dict) -> None:
    each = sorted(took["each"])
    rest = ", ".join(f"{what} {took[what]:.0f}" for what in ("begin", "commit", "undo", "load"))
    material.say(f"{does} at {side}×{side}, in ms: longest event {each[-1]:.0f}, {rest}")
    name = f"{does} at {side}×{side}, median of {len(each)} events"
    material.verdict(name, each[len(each) // 2], MEDIAN if side == min(SIDES) else LONGEST)


@contextmanager
def _page() -> Iterator:
    """A page that has the pack's scripts, and nothing else."""
    handler = functools.partial(_Quiet, directory=str(PACK / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/editor/numbers.js")
            yield page
            browser.close()
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    main()
