"""Depth maps in files: which reader a file's content asks for, which range it is in, writing."""

import io
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from ..disk.writing import write_whole
from ..images.counts import how_many
from ..images.files import png_info
from .colormaps import TOLERANCE, ColourMap, read_back
from .convention import OutOfRange, from_image
from .files.exr_files import read_exr, write_exr
from .files.float_files import read_npy, read_npz, read_pfm, write_npy, write_npz, write_pfm
from .files.image_files import read_image
from .files.values import UnclearLayer, Values

log = logging.getLogger(__name__)

# How files that are no images begin. A Pf or PF that is no PFM would be no image either.
EXR, NPZ = b"\x76\x2f\x31\x01", (b"PK\x03\x04", b"PK\x05\x06")  # the second has nothing in it
READERS: Mapping[bytes, Callable[[Path], Values]] = {
    b"\x93NUMPY": read_npy,
    b"Pf": read_pfm,
    b"PF": read_pfm,
}

MOST_16 = 65535
SENSORS_REACH = 10_000  # millimetres; Kinect and RealSense see up to 10 m

# Names that such files have, and images that other lists of images leave out.
SUFFIXES = (".npy", ".npz", ".exr", ".pfm", ".tif", ".tiff")

# The Z pass of an example workflow. It is there beside the user's files, as the miniature is beside
# their checkpoints, so that nothing has to be copied into their folders.
BUNDLED = Path(__file__).parents[1] / "example_workflows" / "rendered_depth.exr"


class Beyond(str, Enum):
    """What happens to depths beyond the stated range."""

    REFUSE = "refuse"
    CLIP = "clip"  # they become the end of the range; a warning says how many
    KEEP = "keep"  # they stay beyond 0..1, infinite ones too: distances, for `convert`


class BeyondStatedRange(ValueError):  # noqa: N818 - names what the values are
    """Values beyond the range that a file is read with, such as distances."""


@dataclass(frozen=True)
class Reading:
    """How a file's values are to be understood.

    Integers are 0..1 over their type's range. NaN stays NaN, and infinity stays but for `CLIP`; a
    warning says how many. With `KEEP`, far 0 and near 1 every value is the file's own.
    """

    far: float = 0.0  # becomes 0; may be larger than near
    near: float = 1.0  # becomes 1
    beyond: Beyond = Beyond.REFUSE
    colours: ColourMap = ColourMap.GREY  # what a coloured image was painted with
    tolerance: float = TOLERANCE  # see `colormaps.read_back`
    invert: bool = False  # 0..1 becomes 1..0
    layer: str = ""  # of an EXR, or array of an NPZ; "": the one that is the depth

    def __post_init__(self) -> None:
        if (
            np.float32(self.far) == np.float32(self.near)
            or not np.isfinite([self.far, self.near]).all()
        ):
            raise ValueError(
                f"the range goes from {self.far:g} (far) to {self.near:g} (near); expected two "
                "different numbers, the file's values for far and near"
            )
        if self.invert and self.beyond is Beyond.KEEP:
            raise BeyondStatedRange(
                "invert is on and values beyond the range are kept (beyond: keep), and 1 minus a "
                "distance means nothing; turn invert off"
            )


def find_file(name: str, input_path: Callable[[str], Path]) -> Path:
    """The user's file, where `input_path` finds it, else the bundled one. FileNotFoundError."""
    try:
        return input_path(name)
    except FileNotFoundError:
        if name.removesuffix(" [input]") != BUNDLED.name or not BUNDLED.is_file():
            raise
        return BUNDLED


def read_depth(path: str | os.PathLike[str], reading: Reading = Reading()) -> Tensor:
    """Read depth maps from a file: float32 `[N, H, W]`, 0..1; N is 1 but for stacks in NPY, NPZ.

    PNG, TIFF, JPEG and other images, EXR, NPY, NPZ and PFM, recognised by their content. All bits
    of 8 and 16 are kept, and all of a float. Images are grey, RGB or palette, with or without
    alpha. Raises FileNotFoundError, and ValueError with a message that begins with the path.
    """
    path = Path(path)
    if not path.is_file():
        what = "that is no file" if path.exists() else "the file is missing"
        raise FileNotFoundError(f"there is no depth map {path}: {what}")
    values = _values(path, reading)
    if (reading.far, reading.near) == (0.0, 1.0) and reading.beyond is not Beyond.KEEP:
        _warn_of_distances(values, path)
    depth = _in_range(_depth_of(values.pixels, reading, path), values.most, reading, path)
    return 1 - depth if reading.invert else depth


def _values(path: Path, reading: Reading) -> Values:
    with path.open("rb") as file:
        beginning = file.read(16)
    if beginning.startswith(EXR):
        return read_exr(path, reading.layer, painted=reading.colours is not ColourMap.GREY)
    if beginning.startswith(NPZ):
        return read_npz(path, reading.layer)
    if reading.layer:
        raise UnclearLayer(
            f"{path} has no layers, and the layer {reading.layer[:100]!r} is asked for; expected "
            "an EXR or NPZ"
        )
    found = (read for start, read in READERS.items() if beginning.startswith(start))
    return next(found, read_image)(path)


def _warn_of_distances(values: Values, path: Path) -> None:
    """Integers that use little of 16 bits, as those of sensors do, which are millimetres."""
    high = float(values.pixels.amax()) * values.most
    if values.most == MOST_16 and 255 < high <= SENSORS_REACH:
        log.warning(
            "%s: its values run from %.0f to %.0f of %d, like distances in millimetres, of which "
            "the largest are far; if that is what they are, keep them (beyond: keep) and convert "
            "them to depth",
            *(path, float(values.pixels.amin()) * values.most, high, values.most),
        )


def _depth_of(image: Tensor, reading: Reading, path: Path) -> Tensor:
    if reading.beyond is Beyond.KEEP and image.shape[-1] == 4 and (image[..., 3] < 1).any():
        raise ValueError(
            f"{path} has transparent pixels, and black behind them is no distance (beyond: keep); "
            "save it without transparency, with what is far away as infinity"
        )
    if reading.colours is ColourMap.GREY:
        return from_image(image)
    if image.shape[-1] == 4 and (image[..., 3] == 1).all():
        image = image[..., :3]
    try:
        return read_back(image, reading.colours, reading.tolerance)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _in_range(values: Tensor, most: int, reading: Reading, path: Path) -> Tensor:
    """Far..near to 0..1; with far 0 and near 1 every value stays bit for bit."""
    depth = values
    if (reading.far, reading.near) != (0.0, 1.0):
        # As float32, like the values, and then in float64: so the ends become 0 and 1 exactly.
        far, near = (float(np.float32(end)) for end in (reading.far, reading.near))
        depth = ((values.double() - far) / (near - far)).float()
    beyond = (depth < 0) | (depth > 1)
    if reading.beyond is Beyond.REFUSE:
        beyond &= values.isfinite()
        _check_none(beyond, values, most, reading, path)
    elif reading.beyond is Beyond.CLIP:
        if beyond.any():
            clipped = how_many(int(beyond.sum()), depth.numel(), "value")
            log.warning("%s: %s beyond the range, and clipped to it", path, clipped)
        depth = depth.clamp(0, 1)
    unknown = ~depth.isfinite()
    if reading.beyond is Beyond.KEEP:
        unknown &= depth != np.inf  # the distance of a sky
    if without := int(unknown.sum()):
        log.warning("%s: %s NaN or infinite", path, how_many(without, depth.numel(), "pixel"))
    return depth


def _check_none(beyond: Tensor, values: Tensor, most: int, reading: Reading, path: Path) -> None:
    """Raise BeyondStatedRange, in the file's own numbers, where a value is beyond the range."""
    if not beyond.any():
        return
    low, high = (value.item() * most for value in values[values.isfinite()].aminmax())
    integers, state = "", "state the range that the file is in"
    if most > 1:
        integers = f" (as integers they count as 0 to 1, {most} as 1)"
        ends = (f"{end:g} as {end / most:.6g}" for end in (reading.far, reading.near))
        state = f"if it is in the file's integers, state {' and '.join(ends)}"
    raise BeyondStatedRange(
        f"{path}: its values run from {low:.6g} to {high:.6g}{integers}, and "
        f"{how_many(int(beyond.sum()), beyond.numel(), 'value')} beyond the stated range of "
        f"{reading.far:g} (far) to {reading.near:g} (near); {state}, clip its values (beyond: clip)"
        " or keep its distances (beyond: keep, with far 0 and near 1)"
    )


# --- writing -------------------------------------------------------------------------------------


class FileFormat(str, Enum):
    """The files that depth maps are written to."""

    PNG = "png"
    TIFF_16 = "tiff 16-bit"
    TIFF_FLOAT = "tiff float"
    EXR = "exr"
    NPY = "npy"
    NPZ = "npz"
    PFM = "pfm"

    @property
    def suffix(self) -> str:
        """What the file's name ends in, with the dot."""
        return ".tiff" if self in (FileFormat.TIFF_16, FileFormat.TIFF_FLOAT) else f".{self.value}"


def write_depth(
    path: str | os.PathLike[str] | Iterator[Path],
    depth: Tensor,
    kind: FileFormat = FileFormat.PNG,
    bits: int = 16,
    text: Mapping[str, str] | None = None,
) -> Path:
    """Write depth `[H, W]` to a file with `disk.write_whole`; returns its path.

    Formats of 8 and 16 bits hold 0..1, to half a step (1/131070 at 16 bits); a map that came from
    such a file is the same bit for bit. Those of floats (float32) hold every finite value exactly;
    values outside 0..1 are warned about, because reading them takes a stated range. `bits` (8 or
    16) and `text` are a PNG's; the other formats have no place for text.
    """
    if kind in (FileFormat.PNG, FileFormat.TIFF_16):
        values = _steps(depth, bits if kind is FileFormat.PNG else 16)
    else:
        values = _floats(depth)

    def write(unfinished: Path) -> None:
        if kind in WRITERS:
            WRITERS[kind](unfinished, values)
        else:
            # Into memory first: Pillow writes a TIFF in a way that does not notice a full disk.
            content = io.BytesIO()
            info = png_info(text)
            Image.fromarray(values).save(content, format=kind.suffix[1:], pnginfo=info)
            unfinished.write_bytes(content.getbuffer())

    file = write_whole(Path(path) if isinstance(path, (str, os.PathLike)) else path, write)
    if values.dtype.kind == "f":
        _warn_of_a_range(values, file)
    return file


# How float32 values [H, W] are written to a file of that name. Pillow writes the other formats.
WRITERS: Mapping[FileFormat, Callable[[Path, np.ndarray], None]] = {
    FileFormat.EXR: write_exr,
    FileFormat.NPY: write_npy,
    FileFormat.NPZ: write_npz,
    FileFormat.PFM: write_pfm,
}


def _steps(depth: Tensor, bits: int) -> np.ndarray:
    """0..1 to unsigned integers."""
    if bits not in (8, 16):
        raise ValueError(f"a depth map cannot be saved with {bits} bits; choose 8 or 16")
    low, high = _ends(depth)
    if low < 0 or high > 1:
        raise OutOfRange(
            f"the depth map's values run from {low:g} to {high:g}; a file of {bits} bits holds 0 "
            "to 1, one of floats any"
        )
    # In float64, so that multiplying does not move a value across the middle between two steps.
    steps = np.rint(depth.detach().cpu().double().numpy() * (2**bits - 1))
    return steps.astype(np.uint8 if bits == 8 else np.uint16)


def _floats(depth: Tensor) -> np.ndarray:
    _ends(depth)
    return np.ascontiguousarray(depth.detach().cpu().float().numpy())


def _warn_of_a_range(values: np.ndarray, path: Path) -> None:
    low, high = values.min(), values.max()
    if low < 0 or high > 1:
        log.warning(
            "%s: values run from %g to %g; to read them, state that range, or keep what is beyond",
            path,
            low,
            high,
        )


def _ends(depth: Tensor) -> tuple[float, float]:
    if depth.ndim != 2 or depth.numel() == 0:
        raise ValueError(f"the depth map has shape {tuple(depth.shape)}; expected [height, width]")
    low, high = (value.item() for value in depth.detach().aminmax())
    if not np.isfinite([low, high]).all():
        raise ValueError(
            f"the depth map's values run from {low:g} to {high:g}; expected finite ones, repair it "
            "first"
        )
    return low, high
