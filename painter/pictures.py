"""Pictures as Python programs hold them: Pillow's images, NumPy's arrays, PyTorch's tensors.

In here each becomes a list of single ones in the layouts of the canvas (see `host/interface.py`).
Nothing is clipped or guessed: what could mean two things is refused, and the message has the line
that says which.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
import torch
from PIL import ExifTags, ImageOps
from torch import Tensor

from ..images.counts import counted

log = logging.getLogger(__name__)

Picture = PIL.Image.Image | np.ndarray | Tensor
Pictures = Picture | Sequence[Picture]

_ORIENTATION = ExifTags.Base.Orientation
_UPRIGHT = 1


def images(given: Pictures) -> list[Tensor]:
    """Photos as IMAGE, each float32 [1, H, W, 3] in 0..1."""
    return [_rgb(_in_range(_scaled(one, "image"), "image")) for one in _singles(given, "image")]


def masks(given: Pictures) -> list[Tensor]:
    """Masks as MASK, each float32 [1, H, W] in 0..1; 1 is repainted."""
    return [_grey(_in_range(_scaled(one, "mask"), "mask")) for one in _singles(given, "mask")]


def depth_maps(given: Pictures) -> list[Tensor]:
    """Depth maps as IMAGE, each float32 [1, H, W, 1 or 3]; their values are not looked at."""
    return [_scaled(one, "depth") for one in _singles(given, "depth")]


def as_list(given: Any) -> list[Any]:
    """What is given once or as a list or tuple, as a list."""
    return list(given) if isinstance(given, (list, tuple)) else [given]


# --- layouts -------------------------------------------------------------------------------------


def _singles(given: Pictures, name: str) -> list[np.ndarray]:
    """Every picture of a list or batch by itself, [1, H, W, C], of the type it has."""
    if isinstance(given, (list, tuple)) and not given:
        raise ValueError(f"{name} is an empty list; expected at least one picture")
    batches = [_batch(_array(one, name), name) for one in as_list(given)]
    return [batch[index : index + 1] for batch in batches for index in range(len(batch))]


def _batch(array: np.ndarray, name: str) -> np.ndarray:
    """An array of one of the accepted layouts as [B, H, W, C]."""
    shape, channels = list(array.shape), array.shape[-1:]
    if 0 in shape:
        raise ValueError(f"{name} has shape {shape}, so there are no pixels in it")
    if array.ndim in (3, 4) and channels == (4,):
        raise ValueError(
            f"{name} has shape {shape}, and a fourth channel may be transparency or anything else; "
            f"leave it out with {name}[..., :3]"
        )
    if array.ndim == 2:
        return array[None, :, :, None]
    if array.ndim == 3 and channels in ((1,), (3,)):
        return array[None]
    if array.ndim == 3 and name != "image":
        return array[..., None]
    if array.ndim == 4 and channels in ((1,), (3,)):
        return array
    batch = "" if name == "image" else "[B, H, W], "
    raise ValueError(
        f"{name} has shape {shape}; expected [H, W], [H, W, 3], {batch}[B, H, W, 3]"
        + _channels_last(array, name)
    )


def _channels_last(array: np.ndarray, name: str) -> str:
    if array.ndim < 3 or array.shape[-3] not in (1, 3):
        return ""
    axes = (0, 2, 3, 1) if array.ndim == 4 else (1, 2, 0)
    return (
        f". The channels seem to come first: give {name}.transpose{axes} of an array, "
        f"{name}.movedim(-3, -1) of a tensor"
    )


def _rgb(image: Tensor) -> Tensor:
    return image if image.shape[-1] == 3 else image.repeat(1, 1, 1, 3)


def _grey(mask: Tensor) -> Tensor:
    first = mask[..., 0]
    if not (mask == mask[..., :1]).all():
        raise ValueError(
            "the mask is coloured; expected grey, white where it is repainted: mask.convert('L') "
            "of Pillow takes the brightness, mask[..., 0] the red of an array"
        )
    return first


# --- numbers -------------------------------------------------------------------------------------


def _scaled(array: np.ndarray, name: str) -> Tensor:
    """The numbers as float32, whole ones brought to 0..1. Raises ValueError for other types."""
    kind = (array.dtype.kind, array.dtype.itemsize)
    is_accepted = kind == ("u", 1) or array.dtype.kind == "f"
    if name == "depth":
        is_accepted = is_accepted or kind == ("u", 2)
    if name == "mask":
        is_accepted = is_accepted or array.dtype.kind == "b"
    if not is_accepted:
        also = {"depth": ", uint16 from 0 to 65535", "mask": ", bool"}.get(name, "")
        raise ValueError(
            f"{name} has type {array.dtype}; expected uint8 from 0 to 255{also}, or floats from 0 "
            f"to 1: for example ({name} / {name}.max()).astype('float32')"
        )
    # Divided as Load Image does it, so that both give the same numbers.
    whites = {"u": float(2 ** (8 * array.dtype.itemsize) - 1)}
    white = np.float32(whites.get(array.dtype.kind, 1))
    with np.errstate(over="ignore"):  # beyond float32 is beyond 0..1
        scaled = np.divide(array, white, dtype=np.float32)
    return torch.from_numpy(np.ascontiguousarray(scaled))


def _in_range(picture: Tensor, name: str) -> Tensor:
    bad = int((~picture.isfinite()).sum())
    if bad:
        raise ValueError(
            f"{name} holds {counted(bad, 'NaN or infinite value')}; see what made it, or replace "
            f"them with numpy.nan_to_num({name})"
        )
    low, high = (float(end) for end in picture.aminmax())
    if low >= 0 and high <= 1:
        return picture
    if low < -0.5:
        remedy = f"{name} / 2 + 0.5 brings -1..1 there"
    elif high > 2:
        remedy = f"{name} / 255 brings 0..255 there"
    else:
        remedy = f"numpy.clip({name}, 0, 1) cuts off what is beyond"
    raise ValueError(f"{name} goes from {low:.6g} to {high:.6g}; expected 0 to 1: {remedy}")


# --- Pillow, NumPy, PyTorch ----------------------------------------------------------------------


def _array(picture: Any, name: str) -> np.ndarray:
    """Any of the three as an array; raises TypeError for anything else."""
    if isinstance(picture, PIL.Image.Image):
        return _of_pillow(picture, name)
    if isinstance(picture, Tensor):
        return _of_torch(picture, name)
    if isinstance(picture, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array; fill in what is masked, with {name}.filled(0) or another "
            "value"
        )
    if isinstance(picture, np.ndarray):
        return picture
    hint = ": PIL.Image.open opens a file" if isinstance(picture, (str, bytes)) else ""
    raise TypeError(
        f"{name} is of type {type(picture).__name__}; expected an image of Pillow, a NumPy array "
        f"or a tensor{hint}"
    )


def _of_torch(tensor: Tensor, name: str) -> np.ndarray:
    try:
        tensor = tensor.detach().cpu()
        # NumPy has no bfloat16.
        return (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise ValueError(
            f"{name} is a tensor that NumPy cannot hold ({str(error).splitlines()[0]}); give a "
            f"plain one, such as {name}.float() or {name}.to_dense()"
        ) from error


def _of_pillow(image: PIL.Image.Image, name: str) -> np.ndarray:
    if image.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT:
        turned = ImageOps.exif_transpose(image)
        log.warning(
            "%s: turned upright as its EXIF data say, from %d x %d to %d x %d pixels",
            *(name, *image.size, *turned.size),
        )
        image = turned
    if "A" in image.getbands() or "transparency" in image.info:
        image = _opaque(image, name)
    if image.mode in ("1", "P"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    array = np.asarray(image)
    if image.mode in ("RGB", "L") or (name != "image" and image.mode in ("F", "I;16")):
        return array
    # How older versions of Pillow open 16 bits of grey.
    if name == "depth" and image.mode == "I" and array.min() >= 0 and array.max() <= 65535:
        return array.astype(np.uint16)
    mode = "L" if name == "mask" else "RGB"
    raise ValueError(
        f"{name} has Pillow's mode {image.mode}; expected RGB or grey with 8 bits: "
        f"{name}.convert('{mode}')"
    )


def _opaque(image: PIL.Image.Image, name: str) -> PIL.Image.Image:
    """Without an alpha channel that is white everywhere; ValueError for any other."""
    with_alpha = image.convert("RGBA")
    if with_alpha.getchannel("A").getextrema() != (255, 255):
        instead = "L" if name == "mask" else "RGB"
        raise ValueError(
            f"{name} is partly transparent; {name}.convert('{instead}') leaves the transparency "
            f"out, and {name}.convert('RGBA').getchannel('A') is a mask of what is opaque"
        )
    return with_alpha.convert("RGB")
