"""Whatever holds a model, file or diffusers folder, UNet alone or all of it, as one file.

Its tensors have the names of the original layout.
"""

import logging
import reprlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..disk.settings import read_settings
from ..sampling.latents import SCALE_FACTOR
from .architecture import HEAD_CHANNELS, TextArchitecture, UNetArchitecture, UnknownArchitecture
from .diffusers_layout import midas_origins, text_origins, unet_origins, vae_origins
from .errors import IncompleteCheckpoint, NotADepthCheckpoint
from .files.folders import is_pipeline, model_folder, only_file
from .files.pickle_machine import shown
from .files.shards import INDEX, weight_files
from .files.views import Origin, View, with_prefix
from .files.weights import WeightFile, open_weights
from .identify.diagnosis import Part
from .identify.recognition import ORIGINAL, find_unet

log = logging.getLogger(__name__)

# Beside a pipeline's own files, where `convert` wrote the folder: the tensors of a checkpoint that
# have no place in the layout of diffusers, under their original names.
EXTRAS = "original_layout_extras.safetensors"


def open_source(path: Path | str) -> WeightFile:
    """Open a weight file or a diffusers folder under the names of the original layout.

    A UNet alone, with or without a prefix or in the layout of diffusers, is read as a
    checkpoint that has nothing else. A file of another kind keeps its names.

    Raises FileNotFoundError, UnreadableFile, DamagedSettings, NotADepthCheckpoint,
    IncompleteCheckpoint.
    """
    path = Path(path)
    if path.is_dir():
        alone = only_file(path)
        return open_source(alone) if alone else DiffusersFolder(path)
    file = open_weights(path)
    if file.foreign:
        asked = shown(", ".join(file.foreign))
        log.warning("%s asks for %s; it is given none of it", path.name, asked)
    prefix, layout = find_unet(file.tensors) or (Part.UNET.value, ORIGINAL)
    if layout == ORIGINAL:
        is_named = prefix == Part.UNET.value
        return file if is_named else with_prefix(file, prefix, Part.UNET.value)
    try:
        return View(path, unet_origins(file, prefix), file.metadata)
    except UnknownArchitecture as error:
        log.info("%s keeps the names of diffusers: %s", path.name, error)
        return file


class DiffusersFolder(View):
    """A pipeline's folder as one file in the original layout. Opening it reads headers only.

    The folder of Hugging Face's cache is taken as well, and one around a single pipeline's.

    Raises FileNotFoundError without `model_index.json`, IncompleteCheckpoint when a part that it
    lists is missing, UnreadableFile and DamagedSettings.
    """

    def __init__(self, path: Path) -> None:
        path = path.absolute()  # "." has no name that a message could give
        folder = model_folder(path)
        if not is_pipeline(folder):
            raise FileNotFoundError(
                f"there is no {INDEX} in the folder {folder}; expected a folder that diffusers "
                "wrote, with unet, vae and the other parts below it. A UNet alone loads by the "
                "name of its weight file"
            )
        self.path = path
        self._index = read_settings(folder / INDEX)
        self._folder = folder
        origins: dict[str, Origin] = {}
        for part, name_them in _PARTS.items():
            if self._has(part):
                origins |= _origins(folder / part, name_them)
        if (folder / EXTRAS).is_file():
            extras = open_weights(folder / EXTRAS)
            origins = {**{name: Origin(extras, (name,)) for name in extras.tensors}, **origins}
        super().__init__(path, origins)

    def _has(self, part: str) -> bool:
        """Whether the part is there; one that is listed has to be."""
        listed = self._index.get(part, [None])
        if (self._folder / part).is_dir() and weight_files(self._folder / part):
            return True
        if isinstance(listed, list) and any(listed):
            if part == _DEPTH:
                log.warning("%s lists a %s that is not there", self.path.name, part)
                return False
            raise IncompleteCheckpoint(
                f"{self.path.name} is incomplete: {INDEX} lists {part}, and there is no weight "
                f"file or index of shards in {self._folder / part}. Copy or download the folder "
                "again."
            )
        if part == "unet":
            raise NotADepthCheckpoint(
                f"{self.path.name} is a {self.pipeline} without a UNet. Depth-to-image needs "
                "a StableDiffusionDepth2ImgPipeline."
            )
        return False

    @property
    def pipeline(self) -> str:
        """The pipeline's class as the folder names it."""
        name = self._index.get("_class_name")
        return shown(name) if isinstance(name, str) else "pipeline of an unknown class"

    @property
    def predicts_v(self) -> bool:
        """Whether the folder's scheduler says that the UNet predicts v instead of the noise."""
        prediction = self._setting("scheduler", "scheduler_config.json", "prediction_type")
        return prediction == "v_prediction"

    def check_settings(self, unet: UNetArchitecture, text: TextArchitecture | None) -> None:
        """Make sure that the folder's settings are those of SD2-depth, which no tensor shows.

        Raises NotADepthCheckpoint that names what is different.
        """
        if not (self._folder / "scheduler" / "scheduler_config.json").is_file():
            log.warning(
                "%s has no scheduler/scheduler_config.json, which tells what the model predicts; "
                "it is taken to be the noise, as in Stable Diffusion 2's depth model",
                self.path.name,
            )
        heads = {"unet": _unet_heads(unet)}
        if text is not None:
            heads["text_encoder"] = {"num_attention_heads": [text.heads]}
        different = [
            f"{key} in {part} is {reprlib.repr(found)}, expected {' or '.join(map(repr, allowed))}"
            for part, file, settings in _SETTINGS
            for key, allowed in {**settings, **heads.get(part, {})}.items()
            for found in [self._setting(part, file, key)]
            if found is not None and found not in allowed
        ]
        if different:
            raise NotADepthCheckpoint(
                f"{self.path.name} works in another way than Stable Diffusion 2's depth model, "
                f"and would give wrong images: {'; '.join(different)}."
            )

    def _setting(self, part: str, file: str, key: str) -> Any:
        path = self._folder / part / file
        return read_settings(path).get(key) if path.is_file() else None


# --- settings ------------------------------------------------------------------------------------

# How SD2 was trained, in the terms of diffusers' schedulers.
SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
}
_SCHEDULER: dict[str, Sequence] = {
    **{key: [value] for key, value in SCHEDULE.items()},
    "rescale_betas_zero_snr": [False],
}
# What SD2-depth's files say, where another value would change the images. A setting that a file
# lacks is not checked: old versions of diffusers wrote less.
_SETTINGS: tuple[tuple[str, str, Mapping[str, Sequence]], ...] = (
    ("scheduler", "scheduler_config.json", _SCHEDULER),
    ("unet", "config.json", {}),
    ("vae", "config.json", {"scaling_factor": [SCALE_FACTOR]}),
    ("text_encoder", "config.json", {"hidden_act": ["gelu"]}),
)


def _unet_heads(unet: UNetArchitecture) -> dict[str, Sequence]:
    """In a UNet's config `attention_head_dim` is, against its name, the number of heads."""
    heads = [width // HEAD_CHANNELS for width in unet.levels]
    return {"attention_head_dim": [heads, heads[0] if len(set(heads)) == 1 else heads]}


# --- weights -------------------------------------------------------------------------------------

_DEPTH = "depth_estimator"
_PARTS: dict[str, Callable[[WeightFile], dict[str, Origin]]] = {
    "unet": unet_origins,
    "vae": vae_origins,
    "text_encoder": text_origins,
    _DEPTH: midas_origins,
}


def _origins(
    folder: Path, name_them: Callable[[WeightFile], dict[str, Origin]]
) -> dict[str, Origin]:
    """One part's tensors under their original names."""
    taken, *others = weight_files(folder)
    rest = f" (not {', '.join(other.path.name for other in others)})" if others else ""
    log.info("%s/%s: reading %s%s", folder.parent.name, folder.name, taken.path.name, rest)
    try:
        return name_them(taken.open())
    except UnknownArchitecture as error:
        raise IncompleteCheckpoint(
            f"{folder.parent.name}/{folder.name}/{taken.path.name} does not hold this part of "
            f"Stable Diffusion: {error}."
        ) from error
