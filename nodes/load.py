"""Nodes that load models, or make one of others."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from ..checkpoints.checkpoint import Checkpoint
from ..checkpoints.files.holes import check_holes
from ..checkpoints.files.shards import weight_files
from ..checkpoints.files.weights import WeightFile, open_weights
from ..checkpoints.identify.diagnosis import Kind, Part
from ..checkpoints.identify.inspection import diagnose
from ..depth.networks.estimators import DepthModel, UnknownDepthModel, recognise
from ..depth.networks.kinds import UNUSED
from ..disk.file_state import FileState
from ..host import host
from . import inputs
from .advice import ABSENT_PARTS
from .node import Node
from .remedies import answer

# Ours alone to list: ComfyUI's stock loader cannot read its reduced VAE and text encoder.
BUNDLED_CHECKPOINT = Path(__file__).parents[1] / "models" / "sd2-depth-mini.safetensors"


class SD2DepthCheckpointLoader(Node):
    DISPLAY_NAME = "Depth Checkpoint Loader"
    CATEGORY = "SD2 Depth/loaders"
    DESCRIPTION = (
        "Loads a Stable Diffusion 2 depth checkpoint. MODEL, CLIP and VAE are ComfyUI's own and "
        "fit every other node; MODEL needs a depth map in its conditioning (Depth Encode). "
        "sd2-depth-mini comes with the pack: a small trained model to try the nodes with, which "
        "paints simple shapes, colours and materials at 256 x 256, no photographs. The real "
        "checkpoint (512-depth-ema) goes into models/checkpoints and wants 512 pixels. Every copy "
        "of it loads: full or half precision or fp8, .safetensors or .ckpt (nothing in it is "
        "run), with an EMA copy (which is then used), pruned, saved by ComfyUI after a merge, the "
        "UNet alone, and folders of diffusers in models/diffusers. What another file is, the "
        "error says, and so does `depth2img inspect FILE` on the command line."
    )
    SEARCH_ALIASES = ["512-depth-ema", "depth2img", "depth to image", "stable diffusion 2 depth"]
    RETURN_TYPES = ("MODEL", "CLIP", "VAE", "DEPTH_MODEL")
    RETURN_NAMES = ("model", "clip", "vae", "depth_model")
    OUTPUT_TOOLTIPS = (
        "The 5-channel UNet. Works with KSampler, LoRA loaders and everything else for SD2.",
        "The OpenCLIP ViT-H text encoder, for CLIP Text Encode. A file without one still loads; "
        "then connect the CLIP of Load CLIP (type stable_diffusion) instead.",
        "The autoencoder between images and latents (8x smaller). A file without one still "
        "loads; then connect the VAE of Load VAE instead.",
        "The MiDaS depth network inside the file, for Depth Estimation. Read when first used; "
        "a checkpoint without it still loads.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        names = _checkpoint_names()
        return {
            "required": {
                "ckpt_name": inputs.one_of(names, **_default(names)).tooltip(
                    "A file in models/checkpoints (512-depth-ema, 512 pixels), a folder of "
                    "diffusers in models/diffusers (its name ends in /), or the bundled "
                    "sd2-depth-mini: 256 pixels, simple shapes, colours and materials, no "
                    "photographs. Any other kind of checkpoint is refused with a message that "
                    "says what it is."
                )
            }
        }

    def execute(self, ckpt_name: str) -> tuple[Any, Any, Any, DepthModel]:
        return load_checkpoint(checkpoint_path(ckpt_name), ckpt_name)

    @classmethod
    def VALIDATE_INPUTS(cls, ckpt_name: str) -> bool | str:
        return answer(checkpoint_path, ckpt_name)


class SD2DepthModelLoader(Node):
    DISPLAY_NAME = "Load Depth Model"
    CATEGORY = "SD2 Depth/loaders"
    DESCRIPTION = (
        "Loads a depth network for Depth Estimation and Score Depth Fidelity, other than the one "
        "inside the checkpoint: a MiDaS file, Depth Anything V1 or V2 in one file, or a folder "
        "with config.json as transformers saves it (Depth Anything, ZoeDepth, Depth Pro, GLPN, "
        "DPT). They go into models/depth. What a file is shows in its tensors; only for Depth "
        "Anything the name tells V1 from V2 and metric ones (`v2`, `metric`). Nothing is "
        "downloaded."
    )
    SEARCH_ALIASES = ["midas", "depth anything", "zoedepth", "depth pro", "glpn", "dpt"]
    RETURN_TYPES = ("DEPTH_MODEL",)
    RETURN_NAMES = ("depth_model",)
    OUTPUT_TOOLTIPS = ("The depth network. Read when first used.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "model_name": inputs.one_of(host.depth_model_names()).tooltip(
                    "A file (.safetensors, .pt, .pth, .ckpt) or a folder in models/depth, "
                    "models/geometry_estimation or models/depthanything. SD2's depth checkpoint "
                    "learnt with MiDaS DPT-Hybrid; other networks show finer detail, but give "
                    "depths that it has not seen in training."
                )
            }
        }

    def execute(self, model_name: str) -> tuple[DepthModel]:
        """Only make sure that it is a depth network; it is read later."""
        path = host.depth_model_path(model_name)
        if path.is_dir():
            return (DepthModel(model_name, lambda: _whole_folder(path)),)
        return (_depth_model(model_name, open_weights(path)),)

    @classmethod
    def VALIDATE_INPUTS(cls, model_name: str) -> bool | str:
        return answer(host.depth_model_path, model_name)


class SD2DepthTransplant(Node):
    """The depth model + strength · (fine-tune − base)."""

    DISPLAY_NAME = "Give Depth to SD2 Model"
    CATEGORY = "SD2 Depth/loaders"
    DESCRIPTION = (
        "Makes a depth model of any fine-tune of Stable Diffusion 2: what the fine-tune learnt "
        "beyond its base is added to the depth model, and the depth channel stays. Load the "
        "fine-tune and its base with Load Checkpoint and connect the fine-tune's CLIP to the "
        "prompts. The weights are not copied; LoRAs and Save Checkpoint work behind it. Models of "
        "another family (SD 1.5, SDXL) and those that predict v (768-v) are refused."
    )
    SEARCH_ALIASES = [
        *("transplant", "add difference", "merge", "fine-tune", "model add", "dreambooth")
    ]
    RETURN_TYPES = ("MODEL",)
    RETURN_NAMES = ("model",)
    OUTPUT_TOOLTIPS = ("A depth model in the fine-tune's style. Needs a depth map as any other.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "model": inputs.MODEL.tooltip(
                    "The depth model (5 channels), from Depth Checkpoint Loader."
                ),
                "fine_tune": inputs.MODEL.tooltip(
                    "A fine-tune of SD2-base (512-base-ema or 2.1-base), from Load Checkpoint. "
                    "LoRAs on it count as part of it."
                ),
                "base": inputs.MODEL.tooltip(
                    "The model that the fine-tune was made of. With another base the difference "
                    "between the two bases is added too."
                ),
                "strength": inputs.number(1.0, 0.0, 2.0, step=0.05).tooltip(
                    "How much of the difference is added. 1 is all that the fine-tune learnt, 0 "
                    "leaves the depth model as it is, above 1 exaggerates."
                ),
            }
        }

    def execute(self, model: Any, fine_tune: Any, base: Any, strength: float = 1.0) -> tuple[Any]:
        return (host.add_difference(model, fine_tune, base, strength),)


def load_checkpoint(
    path: Path, name: str, remedies: Mapping[Part, str] = ABSENT_PARTS
) -> tuple[Any, Any, Any, DepthModel]:
    """MODEL, CLIP, VAE and DEPTH_MODEL; `remedies` say what to do where the file lacks one."""
    checkpoint = Checkpoint.open(path, remedies=remedies)
    depth_model = DepthModel(name, lambda: checkpoint.read(Part.MIDAS))
    return (*host.load_checkpoint(checkpoint), depth_model)


def _depth_model(name: str, file: WeightFile) -> DepthModel:
    """The network of a weight file. Raises UnknownDepthModel, with the file's name."""
    try:
        recognise(file.tensors.keys())
    except UnknownDepthModel as error:
        error.args = (f"{file.path.name}: {error}",)
        raise
    return DepthModel(name, lambda: _whole(file))


def _whole(file: WeightFile) -> dict[str, Tensor]:
    """All tensors of a depth network. Raises FileWithHoles."""
    tensors = {name: file.read(name) for name in file.tensors}
    used = [name for name in tensors if not name.startswith(UNUSED)]
    check_holes(file, used, read=tensors.__getitem__)
    return tensors


def _whole_folder(path: Path) -> Path:
    """A folder of transformers. Raises FileWithHoles."""
    for weights in weight_files(path)[:1]:
        file = weights.open()
        check_holes(file, file.tensors)
    return path


def _checkpoint_names() -> list[str]:
    """The user's checkpoints, then the bundled one, unless one of theirs has its name."""
    names = host.checkpoint_names()
    is_extra = BUNDLED_CHECKPOINT.is_file() and BUNDLED_CHECKPOINT.name not in names
    return [*names, BUNDLED_CHECKPOINT.name] if is_extra else names


# How many of the user's files may be opened for the choice; a folder may lie on a network disk.
LOOKED_INTO = 8


def _default(names: list[str]) -> dict[str, str]:
    """What a new node has chosen: the first depth checkpoint of the user's, else the bundled one.

    Only files that are called depth are opened, and only their headers are read: the name alone
    may be a depth network's or a ControlNet's.
    """
    called = [name for name in names if "depth" in name.lower() and name != BUNDLED_CHECKPOINT.name]
    called.sort(key=lambda name: "512-depth" not in name.lower())
    own = (name for name in called[:LOOKED_INTO] if _is_depth_checkpoint(name))
    chosen = next(own, BUNDLED_CHECKPOINT.name)
    return {"default": chosen} if chosen in names else {}


def _is_depth_checkpoint(name: str) -> bool:
    try:
        return _kind(FileState.of(host.checkpoint_path(name))) is Kind.SD2_DEPTH
    except OSError:  # gone meanwhile, or not ours to read
        return False


@lru_cache(maxsize=64)
def _kind(file: FileState) -> Kind:
    """Looked up once for each state of a file: ComfyUI asks for the inputs again and again."""
    return diagnose(file.path).kind


def checkpoint_path(name: str) -> Path:
    """The path of the user's checkpoint, otherwise of the bundled one. FileNotFoundError."""
    try:
        return host.checkpoint_path(name)
    except FileNotFoundError as error:
        if name != BUNDLED_CHECKPOINT.name:
            raise
        if not BUNDLED_CHECKPOINT.is_file():
            raise FileNotFoundError(
                f"{error}; {BUNDLED_CHECKPOINT}, which comes with the pack, is missing too: "
                "install the pack again"
            ) from error
        return BUNDLED_CHECKPOINT
