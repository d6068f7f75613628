"""The depth editor's dialog, as tests use it: with real events of mouse, pen, fingers and keys."""

import json
from typing import Any

import numpy as np
import torch
from PIL import Image

from sd2_depth2img.depth.depth_files import read_depth
from sd2_depth2img.depth.editing.painting import paint
from sd2_depth2img.depth.editing.state import read_state

KIND = "SD2DepthEditor"
WIDTH, HEIGHT = 160, 120
SECONDS = 20


def depth_map(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A slope with a step in it, 8 bits."""
    y, x = np.mgrid[:height, :width]
    return (40 + 90 * x / width + 50 * (y > height * 0.6)).astype(np.uint8)


def photo(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Two colours with an edge between them that is not the map's."""
    x = np.broadcast_to(np.arange(width), (height, width))
    return np.where((x < width * 0.45)[..., None], (40, 90, 160), (230, 200, 120)).astype(np.uint8)


class DepthEditor:
    """A node with what it needs before it, and its dialog."""

    def __init__(self, canvas, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
        self.canvas, self.page, self.size = canvas, canvas.page, size
        # Without a GPU a camera that wanders takes the time of everything else.
        canvas.page.emulate_media(reduced_motion="reduce")
        canvas.js("() => localStorage.removeItem('sd2_depth2img.editor.options')")
        canvas.js("() => localStorage.removeItem('sd2_depth2img.editor.look')")
        self.dialog = canvas.page.frame_locator("dialog iframe")
        # Of what is in its cache ComfyUI tells a page nothing: other pixels for each page.
        self.seed = canvas.RENDERERS.index(canvas.renderer) + 10 * (
            "newest" in str(canvas.server.base)
        )
        name = f"{size[0]} {canvas.renderer}"
        map_file = self.put(f"map {name}.png", depth_map(*size))
        photo_file = self.put(f"photo {name}.png", photo(*size))
        self.source = canvas.add("LoadImage", at=(0, 0), image=map_file)
        self.photo = canvas.add("LoadImage", at=(0, 360), image=photo_file)
        self.node = canvas.add(KIND, at=(340, 0))
        canvas.connect(self.source, 0, self.node, "depth")
        canvas.connect(self.photo, 0, self.node, "image")

    def put(self, name: str, pixels: np.ndarray) -> str:
        image = Image.fromarray(pixels)
        image.putpixel((0, 0), self.seed if image.mode == "L" else (self.seed, 0, 0))
        image.save(self.canvas.server.base / "input" / name)
        return name

    # --- the dialog ------------------------------------------------------------------------------

    def open(self, node: int | None = None) -> None:
        self.press(node or self.node)
        self.dialog.locator("canvas.paint").wait_for(timeout=SECONDS * 1000)
        self.canvas.settle(5)

    def press(self, node: int) -> None:
        """The button on the node."""
        self.canvas.js(
            """(id) => app.canvas.graph.getNodeById(id).widgets
                .find(({ type }) => type === "button").callback()""",
            node,
        )

    def run_and_open(self) -> None:
        self.canvas.succeed()
        self.open()

    def save(self) -> None:
        self.button("Save").click()
        self.wait_until_closed()

    def button(self, name: str):
        return self.dialog.get_by_role("button", name=name, exact=True)

    def tool(self, name: str) -> None:
        self.dialog.get_by_role("radio", name=name, exact=True).click()

    def option(self, label: str, value: float) -> None:
        """Type a number into the bar of the tool."""
        field = self.dialog.locator(".options").get_by_role("spinbutton", name=label)
        field.fill(str(value))
        field.press("Enter")

    def closed(self) -> bool:
        return self.page.locator("dialog iframe").count() == 0

    def wait_until_closed(self) -> None:
        self.page.wait_for_function("() => !document.querySelector('dialog iframe')")

    # --- the hand --------------------------------------------------------------------------------

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The point of the page where a point of the map is, as long as all of it is shown."""
        left, top, scale = self._place()
        return left + x * scale, top + y * scale

    def _place(self) -> tuple[float, float, float]:
        box = self.dialog.locator("canvas.paint").bounding_box()
        width, height = self.size
        scale = min((box["width"] - 56) / width, (box["height"] - 56) / height, 32)
        left = box["x"] + (box["width"] - width * scale) / 2
        return left, box["y"] + (box["height"] - height * scale) / 2, scale

    def draw(self, *points: tuple[float, float], steps: int = 6) -> None:
        """Drag the mouse along points of the map."""
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=steps)
        self.page.mouse.up()
        self.canvas.settle()

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.at(x, y))
        self.canvas.settle()

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.canvas.settle()

    # --- what comes of it ------------------------------------------------------------------------

    def text(self, node: int | None = None) -> str:
        return self.canvas.value(node or self.node, "edits")

    def edits(self) -> list[dict[str, Any]]:
        """Of the saved state, all layers."""
        text = self.text()
        return [e for layer in json.loads(text)["layers"] for e in layer["edits"]] if text else []

    def shown(self) -> np.ndarray:
        """The grey levels of the map as the dialog shows it, read from its own canvas."""
        self.dialog.get_by_role("button", name="Grey", exact=True).click()
        blend = self.dialog.locator(".blend").get_by_role("spinbutton")
        blend.fill("1")
        blend.press("Enter")
        self.page.mouse.move(5, 5)
        self.canvas.settle(5)
        width, height = self.size
        box = self.dialog.locator("canvas.paint").bounding_box()
        left, top, scale = self._place()
        levels = self.dialog.locator("canvas.paint").evaluate(
            """(canvas, [left, top, scale, width, height]) => {
                const { data } = canvas.getContext("2d")
                    .getImageData(0, 0, canvas.width, canvas.height);
                const place = (start, i) => Math.floor(start + (i + 0.5) * scale);
                return Array.from({ length: width * height }, (_, i) => data[4 *
                    (place(top, Math.floor(i / width)) * canvas.width + place(left, i % width))]);
            }""",
            [left - box["x"], top - box["y"], scale, width, height],
        )
        return np.array(levels).reshape(height, width)

    def save_output_to(self, prefix: str) -> None:
        """A node that keeps what comes out, with all its bits."""
        saver = self.canvas.add(
            "SD2DepthSave", at=(700, 0), filename_prefix=prefix, file_format="npy"
        )
        self.canvas.connect(self.node, 0, saver, "depth")

    def output(self, prefix: str) -> np.ndarray:
        found = sorted((self.canvas.server.base / "output").glob(f"{prefix}*.npy"))
        return read_depth(found[-1]).numpy().squeeze()

    def expected(self, text: str | None = None) -> np.ndarray:
        """What the edits give, computed here."""
        pixels = np.asarray(Image.open(self.canvas.server.base / "input" / self._file(self.source)))
        colours = np.asarray(Image.open(self.canvas.server.base / "input" / self._file(self.photo)))
        depth = torch.from_numpy(pixels.astype(np.float32) / 255)[None]
        image = torch.from_numpy(colours.astype(np.float32) / 255)[None]
        state = read_state(self.text() if text is None else text)
        return (paint(depth, state, image)[0] if state else depth).numpy().squeeze()

    def _file(self, node: int) -> str:
        return self.canvas.value(node, "image")
