"""What to do about an error, in the words of the canvas.

The algorithms below the nodes raise errors in their own terms; here each type gets the sentence
that names nodes, inputs and folders.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import BoundArguments, signature
from typing import Any

from ..checkpoints.errors import IncompleteMidas, OtherModel
from ..checkpoints.files.errors import DamagedFile, HostileFile, UnreadableFile
from ..depth.convention import NoDepthMap, OutOfRange
from ..depth.convert import GreyMask
from ..depth.depth_files import BeyondStatedRange
from ..depth.fidelity import AnotherSection
from ..depth.files.values import UnclearLayer
from ..depth.masks import MissingMap, OtherSize
from ..depth.networks.estimators import CheckpointInstead, ComfyUIsModel
from ..disk.sentences import in_words
from ..disk.settings import DamagedSettings
from ..images.crop import HasAlpha, OtherImage
from ..images.fill import OneHole
from ..images.masks import OtherShape
from ..images.opencv import BrokenOpenCV
from .advice import COMFYUIS_NETWORKS, advice
from .inputs import check_limits


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
    UnclearLayer: "Write the name of the one that you mean into the input `layer` of Depth Map "
    "Loader; for a file without any, leave it empty.",
    GreyMask: "Make the mask black and white with Threshold Mask; or convert everywhere, and put "
    "the results together with Merge Depth.",
    AnotherSection: "Prepare Image and Crop for Inpainting crop both alike.",
    MissingMap: "Connect one to the input `other`, or choose keep.",
    OtherSize: "Upscale Image makes them so.",
    CheckpointInstead: "Use Depth Checkpoint Loader, which also gives the depth network inside it.",
    ComfyUIsModel: lambda error: COMFYUIS_NETWORKS[error.name],
    OneHole: "Use a smaller mask, or choose something else than a fill (inputs `content`, "
    "`under_mask` and `shape`).",
    OtherImage: "Connect what VAE Decode gives for the image of Crop for Inpainting or Prepare "
    "Image.",
    BrokenOpenCV: "",  # says it itself
    ImportError: _install,
    OtherShape: "Paint the mask on this very image, or take the mask output of the node that this "
    "image comes from.",
}


def with_remedies(node: type) -> type:
    """Let a node check its numbers, and its errors end with what to do; changes the class."""
    name = node.FUNCTION  # type: ignore[attr-defined]  # every V1 node has one
    setattr(node, name, _explained(getattr(node, name)))
    return node


def _explained(execute: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(execute)
    def explained(node: Any, *arguments: Any, **inputs: Any) -> Any:
        given = signature(execute).bind(node, *arguments, **inputs)
        check_limits(node, given.arguments)
        try:
            return execute(node, *arguments, **inputs)
        except HasAlpha as error:
            error.args = (_without_alpha(error, given),)
            raise
        except tuple(REMEDIES) as error:
            error.args = (explanation(error),)
            if isinstance(error, ImportError):
                error.msg = error.args[0]
            raise
        except OSError as error:
            if (said := in_words(error)) is error:
                raise
            raise said from error

    return explained


def _without_alpha(error: HasAlpha, given: BoundArguments) -> str:
    """Which input has an alpha channel, and how to take it off, or as a mask."""
    names = [name for name, value in given.arguments.items() if _has_alpha(name, value)]
    sentence = (
        f"input {', '.join(names)}: {error}. The fourth channel is alpha: put Split Image with "
        "Alpha before this node and connect its output image here."
    )
    if "mask" not in given.signature.parameters:
        return sentence
    return (
        f"{sentence} Its output mask is white where the image is transparent: connect it to the "
        "input mask to work there; put Invert Mask between them to work on what is visible."
    )


def _has_alpha(name: str, value: Any) -> bool:
    """Whether an input is an image with an alpha channel; depth maps may have one."""
    images = value if isinstance(value, list) else [value]
    return name.startswith("image") and any(
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
    """What VALIDATE_INPUTS returns: True, or the sentence of what a check found wrong.

    ComfyUI gives None for what comes by a wire; the node itself sees that when it runs.
    """
    if None in values:
        return True
    try:
        check(*values)
    except (OSError, ValueError) as error:
        return explanation(error)
    return True
