"""The arithmetic of edits in a browser: paintings in a page that is nothing but itself."""

import base64
from typing import Any

import numpy as np

from sd2_depth2img.images.lettering import letters_mask
from sd2_depth2img.tests.depth.editing.random_states import TEXTS, Scene

MODULES = "/extensions/sd2-depth2img/editing"

# What the scripts of tests work with.
SET_UP = """async ([modules, letters]) => {
    const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt());
    const { Painting } = await import(`${modules}/painting.js`);
    const stateModule = await import(`${modules}/state.js`);
    const { Sizes } = await import(`${modules}/ground.js`);
    const { workOf } = await import(`${modules}/work.js`);
    const masks = letters.map(([text, mask]) => [text, { ...mask, data: bytes(mask.data) }]);
    const read = ({ base, guide, ...size }) => ({
        ...size,
        base: new Uint16Array(bytes(base).buffer),
        guide: guide && bytes(guide),
        letters: new Map(masks),
    });
    const encoded = (plane) => {
        let text = "";
        const written = new Uint8Array(plane.buffer);
        for (let i = 0; i < written.length; i += 9999)
            text += String.fromCharCode(...written.subarray(i, i + 9999));
        return btoa(text);
    };
    // The bits of both planes, in short.
    const bits = ({ result, touched }) => {
        let hash = 7;
        for (const plane of [result, touched])
            for (const one of new Uint32Array(plane.buffer)) hash = (hash * 31 + one) | 0;
        return hash;
    };
    const loaded = (map, state) => {
        const painting = new Painting(map);
        painting.load(JSON.parse(JSON.stringify(state)));
        return painting;
    };
    // Makes an edit as a hand does, bit by bit; the rectangles that had to be drawn again.
    const make = (painting, edit) => {
        const { points, amount = 1 } = edit;
        const boxes = [];
        if (edit.tool === "stroke") {
            boxes.push(painting.begin({ ...edit, points: points.slice(0, 1) }));
            for (const point of points.slice(1)) boxes.push(painting.extend([point]));
        } else {
            boxes.push(painting.begin({ ...edit, amount: amount / 3 }));
            boxes.push(painting.extend({ amount }));
        }
        boxes.push(painting.commit());
        return boxes;
    };
    Object.assign(window, { Painting, Sizes, workOf, stateModule });
    Object.assign(window, { read, encoded, bits, loaded, make });
}"""


class Paintings:
    """A page with the editor's modules loaded."""

    def __init__(self, page) -> None:
        self.page = page
        masks = {text: np.asarray(letters_mask(text), np.uint8) for text in TEXTS}
        letters = [
            [text, {"width": mask.shape[1], "height": mask.shape[0], "data": _encoded(mask)}]
            for text, mask in masks.items()
        ]
        page.evaluate(SET_UP, [MODULES, letters])

    def run(self, script: str, one: Scene, **values: Any) -> Any:
        """What a script gives, the body of a function of `map`, `state` and some values."""
        names = ", ".join(["given", "state", *values])
        function = f"([{names}]) => {{ const map = read(given); {script} }}"
        return self.page.evaluate(function, [map_of(one), one.state, *values.values()])

    def planes(self, script: str, one: Scene, **values: Any) -> list[np.ndarray]:
        """Depths and what was touched, of the painting that a script returns."""
        returned = f"const painting = (() => {{ {script} }})();"
        encoded = f"{returned} return [painting.result, painting.touched].map(encoded);"
        return [
            np.frombuffer(base64.b64decode(text), np.float32).reshape(one.steps.shape)
            for text in self.run(encoded, one, **values)
        ]


def map_of(one: Scene) -> dict[str, Any]:
    """A map and its guide as a script can `read` them."""
    height, width = one.steps.shape
    planes = {"base": _encoded(one.steps), "guide": _encoded(one.guide)}
    return {"width": width, "height": height, **planes}


def _encoded(values: np.ndarray | None) -> str | None:
    return None if values is None else base64.b64encode(values.tobytes()).decode()
