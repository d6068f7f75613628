"""The averaged copy of the UNet (EMA, exponential moving average) that training leaves in a file.

It paints better than the weights of the last step, and is what the original code samples with.
Names: Stability-AI/stablediffusion, `ldm/modules/ema.py` (LitEma), which takes the dots out of the
parameters' names.
"""

import logging
from collections.abc import Mapping

from .architecture import UNetArchitecture, UnknownArchitecture
from .files.views import Origin, View
from .files.weights import TensorInfo, WeightFile
from .identify.diagnosis import EMA, Part, part_of

log = logging.getLogger(__name__)


def ema_name(name: str) -> str:
    """What the averaged copy of one of the UNet's tensors is called."""
    return EMA + name.removeprefix("model.").replace(".", "")


def ema_names(tensors: Mapping[str, TensorInfo]) -> dict[str, str]:
    """The averaged copies that are there, by the UNet's names."""
    return {
        name: copy
        for name in unet_names(tensors)
        if (copy := ema_name(name)) in tensors and tensors[copy].shape == tensors[name].shape
    }


def unet_names(tensors: Mapping[str, TensorInfo]) -> list[str]:
    """The UNet's tensors, without what has its prefix but is not part of it."""
    unet = part_of(tensors, Part.UNET.value)
    try:
        known = UNetArchitecture.from_tensors(unet).tensors()
    except UnknownArchitecture:  # of another model: all of it
        known = dict.fromkeys(unet, ())
    return [Part.UNET.value + name for name in unet if name in known]


def with_ema(file: WeightFile) -> WeightFile:
    """The file with the averaged copy as its UNet; as it is without a complete one.

    Averages of some layers and the last step's weights of others would be neither, so then the
    last step's are used. A warning says which are.
    """
    copies = ema_names(file.tensors)
    if not copies:
        return file
    unet = len(unet_names(file.tensors))
    if len(copies) < unet:
        log.warning(
            "%s has EMA copies of %d of the UNet's %d tensors only; none of them is used",
            file.path.name,
            len(copies),
            unet,
        )
        return file
    log.warning("%s: the EMA copy of the UNet is used (%d tensors)", file.path.name, unet)
    origins = {
        name: Origin(file, (copies.get(name, name),))
        for name in file.tensors
        if not name.startswith(EMA)
    }
    return View(file.path, origins, file.metadata)
