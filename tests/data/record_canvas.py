"""Writes `canvas-VERSION.json`: a canvas that ComfyUI's frontend saved, and its conversion of it.

Run by hand when a new frontend changes something; it needs playwright and a running ComfyUI with
this pack in `custom_nodes`:

    python record_canvas.py http://127.0.0.1:8188 canvas-1.49.6.json [CHROMIUM]

The canvas comes from the file named, is loaded in the browser, saved again and converted there
(`app.graphToPrompt`). The result goes beside it under the frontend's version.
"""

import json
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

READY = "window.app?.graph && Object.keys(window.LiteGraph.registered_node_types).length > 300"
CONVERT = """async (canvas) => {
    await window.app.loadGraphData(canvas);
    return JSON.parse(JSON.stringify(await window.app.graphToPrompt()));
}"""


def record(url: str, source: Path, chromium: str | None) -> Path:
    """Load, save and convert the canvas in the frontend at `url`."""
    canvas = json.loads(source.read_text(encoding="utf-8"))["workflow"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(url)
        page.wait_for_function(READY, timeout=120_000)
        page.wait_for_timeout(3000)  # extensions register their widgets after the nodes
        result = page.evaluate(CONVERT, canvas)
        browser.close()
    version = result["workflow"]["extra"]["frontendVersion"]
    target = source.with_name(f"canvas-{version}.json")
    text = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    target.write_text(text + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    address, file, *browser_path = sys.argv[1:]
    sys.stdout.write(f"{record(address, Path(file), *browser_path or [None])}\n")
