"""What the tests of the Parallax Viewer do on ComfyUI's page."""

import base64

import numpy as np

MODULES = "/extensions/sd2-depth2img/viewer"
OUTPUT = "sd2_depth_viewer"

DRAW = f"""async ([photo, after, depth, width, height, options, camera]) => {{
    const {{ Surface, viewsOf }} = await import("{MODULES}/surface.js");
    const {{ DEFAULTS }} = await import("{MODULES}/options.js");
    const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const canvasOf = (text) => {{
        const canvas = Object.assign(document.createElement("canvas"), {{ width, height }});
        const image = new ImageData(new Uint8ClampedArray(bytes(text)), width, height);
        canvas.getContext("2d").putImageData(image, 0, 0);
        return canvas;
    }};
    const settings = {{ ...DEFAULTS, grow: 0, ...options }};
    const canvas = document.createElement("canvas");
    canvas.width = width * viewsOf(settings.show);
    canvas.height = height;
    const surface = new Surface(canvas, () => {{}});
    surface.setPhoto(canvasOf(photo));
    if (after) surface.setAfter(canvasOf(after));
    surface.setDepth(new Float32Array(bytes(depth).buffer), width, height);
    surface.draw({{ right: 0, up: 0, forward: 0, zoom: 0, ...camera }}, settings);
    const {{ data }} = canvas.getContext("2d").getImageData(0, 0, canvas.width, height);
    surface.dispose();
    let text = "";
    for (let i = 0; i < data.length; i += 8192)
        text += String.fromCharCode(...data.subarray(i, i + 8192));
    return btoa(text);
}}"""


def drawn(canvas, photo, depth, camera, after=None, **options):
    """What the viewer draws of uint8 `[H, W, 3]` over float32 `[H, W]`: uint8 `[H, W, 4]`."""
    height, width = depth.shape
    given = canvas.js(
        DRAW,
        [
            _rgba(photo),
            None if after is None else _rgba(after),
            _text(depth.astype("<f4")),
            *(width, height, options, camera),
        ],
    )
    return np.frombuffer(base64.b64decode(given), np.uint8).reshape(height, -1, 4)


def _rgba(image):
    return _text(np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]))


def _text(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


# From now on `contexts` holds every context that the page asks WebGL for, and `draws` counts what
# is drawn on a viewer's canvas.
WATCH = """() => {
    if (window.contexts) return;
    window.contexts = [];
    window.draws = 0;
    const { getContext } = HTMLCanvasElement.prototype;
    HTMLCanvasElement.prototype.getContext = function (kind, ...options) {
        const isWebGL = kind === "webgl2";
        const made = window.noWebGL && isWebGL ? null : getContext.call(this, kind, ...options);
        if (made && isWebGL && !contexts.includes(made)) contexts.push(made);
        return made;
    };
    const { drawImage } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.drawImage = function (...given) {
        if (this.canvas.closest(".sd2-viewer")) window.draws++;
        return drawImage.apply(this, given);
    };
}"""

# Of the viewers that can be seen, the first: whether it shows an image, and which pixels.
SHOWN = """() => {
    const canvas = document.querySelector(".sd2-viewer canvas");
    if (!canvas?.checkVisibility()) return null;
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    if (!data.some((value) => value > 0)) return null;
    return [width, height, data.reduce((sum, value) => (sum * 31 + value) % 2147483647)];
}"""


def add_viewer(canvas, photo, **connected):
    """A viewer of a photo, over itself as its depth; its id."""
    source = canvas.add("LoadImage", (0, 0), image=photo)
    viewer = canvas.add("SD2DepthViewer", (330, 0))
    canvas.connect(source, 0, viewer, "image")
    canvas.connect(source, 0, viewer, "depth")
    return viewer


def wait_until_shown(canvas):
    canvas.page.wait_for_function(SHOWN, timeout=20_000)


def press(canvas, name):
    """A button of the viewer."""
    canvas.page.locator(".sd2-viewer").first.get_by_role("button", name=name).click()


def line(canvas):
    return canvas.page.locator(".sd2-viewer-line").first.inner_text()


def wait_for_line(canvas, part):
    canvas.page.wait_for_function(
        """(part) => {
            const shown = document.querySelector(".sd2-viewer-line")?.textContent;
            return part ? shown?.includes(part) : shown === "";
        }""",
        arg=part,
        timeout=20_000,
    )


def settings(canvas, node):
    return canvas.js(
        "(id) => app.canvas.graph.getNodeById(id).properties['sd2_depth2img.viewer'] ?? {}", node
    )
