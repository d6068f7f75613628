"""The demo: a photo, its depth map, and what four prompts make of it, on one sheet.

It runs the example workflow as it lies on the disk, once a prompt; nothing is computed that a
person at the canvas would not compute with the same nodes.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ..disk.writing import written_whole
from ..engine import folders
from ..workflows.edits import Editor
from ..workflows.graph import Results, Runner

if TYPE_CHECKING:
    from PIL.Image import Image

WORKFLOW = Path(__file__).parents[1] / "example_workflows" / "Depth to Image.json"
PHOTO = WORKFLOW.with_name("astronaut.jpg")
# What the bundled checkpoint was trained to know: objects, colours, materials, light.
PROMPTS = (
    "a red clay statue on a blue background, light from the left",
    "a white marble statue on a black background, light from the right",
    "a green neon statue on a purple background",
    "a yellow metal statue on a grey background, light from the left",
)
SHEET = "sheet.png"
COLUMNS = 3


def paint_sheet(editor: Editor, runner: Runner) -> list[Path]:
    """Run the editor's workflow once a prompt, with seeds 0, 1, 2, ... in turn; write the sheet.

    The runner keeps what does not depend on the prompt: checkpoint and depth map are computed
    once. A depth map of another size than the photo is shown at the photo's, as the model sees it.

    Returns: the files in the output folder, the sheet last. A former sheet is replaced, single
    images are numbered on.

    Raises what Runner.run and Editor raise.
    """
    from ..images.sheet import contact_sheet

    files: list[Path] = []
    images, captions = [], []
    for seed, prompt in enumerate(PROMPTS):
        editor.text("positive", prompt)
        editor.everywhere(["seed"], seed)
        results = runner.run(editor.workflow)
        files += results.files
        images.append(_received(editor, results, "SaveImage", "images"))
        captions.append(f"{prompt}\nseed {seed}, denoise {_denoise(editor)}")
    photo = _received(editor, results, "VAEEncode", "pixels")
    depth = _received(editor, results, "SD2DepthEncode", "depth").resize(photo.size)
    sheet = contact_sheet(
        [photo, depth, *images], ["photo", "depth map: white is near", *captions], COLUMNS
    )
    path = folders.current().output / SHEET
    with written_whole(path) as unfinished:
        sheet.save(unfinished, format="PNG")
    return [*dict.fromkeys(files), path]


def _received(editor: Editor, results: Results, node: str, name: str) -> "Image":
    """The image that came into an input of a node."""
    from ..workflows.core_nodes.save import to_pil

    source, output = editor.prompt[editor.find(node)]["inputs"][name]
    return to_pil(results.outputs[source][output][0][0])


def _denoise(editor: Editor) -> float:
    return editor.prompt[editor.find("SD2DepthSampler")]["inputs"]["denoise"]
