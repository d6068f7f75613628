"""What to do about an error, in the words of the canvas.

The algorithms below the nodes raise errors in their own terms; here each type gets the sentence
that names nodes, inputs and folders.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ..checkpoints.errors import IncompleteMidas, OtherModel
from ..checkpoints.files.errors import DamagedFile, HostileFile, UnreadableFile
from ..depth.convention import NoDepthMap, OutOfRange
from ..depth.convert import GreyMask
from ..depth.depth_files import BeyondStatedRange
from ..depth.editing.state import NewerEdits, UnusableEdits
from ..depth.editing.work import TooMuchWork
from ..depth.fidelity import AnotherSection
from ..depth.files.values import UnclearLayer
from ..depth.masks import MissingMap, OtherSize
from ..depth.mesh import NoSurface
from ..depth.networks.estimators import CheckpointInstead, ComfyUIsModel
from ..disk.packages import UnusablePackage
from ..disk.sentences import in_words, plain
from ..disk.settings import DamagedSettings
from ..images.crop import HasAlpha, OtherImage
from ..images.fill import OneHole
from ..images.masks import OtherShape
from .advice import COMFYUIS_NETWORKS, advice
from .inputs import declared, no_text


def _install(error: ImportError) -> str:
    """Where the message does not say it itself."""
    if "pip install" in str(error):
        return ""
    package = (error.name or "it").split(".")[0]
    anew = "" if isinstance(error, ModuleNotFoundError) else "--force-reinstall "
    return f"With the Python that runs this: pip install {anew}{package}"


# The sentence, or what makes it of the error.
Remedies = Mapping[type[Exception], str | Callable[[Any], str]]
REMEDIES: Remedies = {
    OtherModel: lambda error: advice(error.diagnosis),
    DamagedSettings: "Copy or download it again.",
    DamagedFile: "",  # says it itself
    HostileFile: "Do not give it to any other program.",
    UnreadableFile: "If it should be a model, get another copy, best as safetensors.",
    IncompleteMidas: "`depth2img convert --without-midas` writes it without MiDaS.",
    NoDepthMap: "Prepare Image passes one on only when its input `depth` is connected. Use "
    "Depth Estimation on its image instead.",
    OutOfRange: "Convert Depth makes such a map: of distances, or of disparity with its unit "
    "'disparity, any range'.",
    BeyondStatedRange: "Convert Depth makes a depth map of distances that were kept.",
    NewerEdits: "Update this pack. The edits are kept as they are.",
    UnusableEdits: "Put back those that a saved workflow has, or add a new Edit Depth and draw "
    "them again.",
    TooMuchWork: "Hide or delete layers in the editor, or share the edits out to several Edit "
    "Depth in a row.",
    UnclearLayer: "Write the name of the one that you mean into the input `layer` of Depth Map "
    "Loader; for a file without any, leave it empty.",
    GreyMask: "Make the mask black and white with Threshold Mask; or convert everywhere, and put "
    "the results together with Merge Depth.",
    AnotherSection: "Prepare Image and Crop for Inpainting crop both alike.",
    MissingMap: "Connect one to the input `other`, or choose keep.",
    OtherSize: "Upscale Image makes them so.",
    NoSurface: "Raise the input `cut`, or use a larger image.",
    CheckpointInstead: "Use Depth Checkpoint Loader, which also gives the depth network inside it.",
    ComfyUIsModel: lambda error: COMFYUIS_NETWORKS[error.name],
    OneHole: "Use a smaller mask, or choose something else than a fill (inputs `content`, "
    "`under_mask` and `shape`).",
    OtherImage: "Connect what VAE Decode gives for the image of Crop for Inpainting or Prepare "
    "Image.",
    UnusablePackage: "",  # says it itself
    ImportError: _install,
    OtherShape: "Paint the mask on this very image, or take the mask output of the node that this "
    "image comes from.",
}


def for_people(error: Exception, node: Any, given: Mapping[str, Any]) -> Exception:
    """What leaves a node that was `given` these inputs: with what to do, under a short name.

    ComfyUI shows the kind of an error before its sentence, with the module's whole path unless it
    is one of Python's own. Other packages' errors stay as they are: ComfyUI knows some of them.
    """
    if isinstance(error, HasAlpha):
        said = _without_alpha(error, node, given)
    elif isinstance(error, (OSError, *REMEDIES)):
        said = explanation(error)
    else:
        said = str(error)
    is_ours = type(error).__module__.startswith(_PACK)
    if not is_ours and said == str(error):
        return error
    return plain(error)(said).with_traceback(error.__traceback__)


_PACK = f"{__name__.rsplit('.', 2)[0]}."


def _without_alpha(error: HasAlpha, node: Any, given: Mapping[str, Any]) -> str:
    """Which input has an alpha channel, and how to take it off, or as a mask."""
    names = [name for name, value in given.items() if _has_alpha(name, value)]
    sentence = (
        f"input {', '.join(names)}: {error}. The fourth channel is alpha: put Split Image with "
        "Alpha before this node and connect its output image here."
    )
    if "mask" not in declared(node):
        return sentence
    return (
        f"{sentence} Its output mask is white where the image is transparent: connect it to the "
        "input mask to work there; put Invert Mask between them to work on what is visible."
    )


def _has_alpha(name: str, value: Any) -> bool:
    """Whether an input is an image with an alpha channel; depth maps may have one."""
    images = value if isinstance(value, list) else [value]
    return name.startswith(("image", "after")) and any(
        getattr(one, "shape", ())[-1:] == (4,) for one in images
    )


def explanation(error: Exception, remedies: Remedies = REMEDIES) -> str:
    """What an error found, and what to do about it where that is known."""
    if isinstance(error, OSError):
        error = in_words(error)
    remedy = next((remedies[kind] for kind in type(error).__mro__ if kind in remedies), "")
    sentence = remedy if isinstance(remedy, str) else remedy(error)
    return f"{str(error).removesuffix('.')}. {sentence}" if sentence else str(error)


def answer(check: Callable[..., object], *values: Any) -> bool | str:
    """What VALIDATE_INPUTS returns for texts: True, or the sentence of what a check found wrong.

    ComfyUI gives None for what comes by a wire; the node itself sees that when it runs.
    """
    if None in values:
        return True
    if reasons := [reason for value in values if (reason := no_text(value))]:
        return reasons[0]
    try:
        check(*values)
    except (OSError, ValueError) as error:
        return explanation(error)
    return True
