"""Which layer of an EXR is its depth, by the names that renderers give to layers and channels.

A name like `ViewLayer.Depth.Z` is that of a layer (`ViewLayer.Depth`) and of a channel in it (`Z`);
of several parts, each name begins with its part's.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .values import UnclearLayer, listed

log = logging.getLogger(__name__)

COLOURS = ("R", "G", "B")
VECTORS = (("X", "Y", "Z"), ("X", "Y"))  # positions, normals, motion: their Z is no depth

# VRayZDepth, FinalImageMovieRenderQueue_WorldDepth, CGeometry_ZDepth, ViewLayer.Depth, depth.Z; and
# Z, Pz, z_buffer where they stand alone, as in RenderMan, Arnold, Redshift, Houdini.
DEPTH = re.compile(r"depth|(?<![a-z])(hit)?(z|pz|z[ _-]?(buffer|pass))(?![a-z])", re.IGNORECASE)

# Depth of field is colour, mist a fade of the artist's choice; one serves a denoiser, and ZBack is
# where things end.
OTHER = re.compile(r"depth[ _-]?of[ _-]?field|mist|fog|denois|zback", re.IGNORECASE)


@dataclass(frozen=True)
class Layer:
    """Channels of one part that belong together: R, G and B; X, Y and Z; or one alone."""

    name: str  # as people call it; RGB, XYZ or the channel's where it has none
    part: int
    channels: tuple[str, ...]  # their whole names in the part

    @property
    def calls_itself_depth(self) -> bool:
        """Whether its name says so; a vector never is."""
        is_vector = len(self.channels) > 1 and self.channels[0].upper().endswith("X")
        said = f"{self.name}.{self.channels[0].rpartition('.')[2]}"
        return not is_vector and bool(DEPTH.search(said)) and not OTHER.search(said)


def depth_layer(parts: Sequence[tuple[str, Iterable[str]]], wanted: str, path: Path) -> Layer:
    """The layer that is the depth, of parts with their names and those of their channels.

    It is the one that calls itself depth, or the only one, or Y, luminance, beside colours alone;
    with `wanted`, of those that have it as (a part at the dots of) their name, in any case.
    Raises UnclearLayer when there are none or several.
    """
    layers = [layer for index, part in enumerate(parts) for layer in _layers(index, *part)]
    meant = _called(layers, wanted) if wanted else layers
    deep = [layer for layer in meant if layer.calls_itself_depth]
    for found in (meant, deep, _luminance(meant)):
        if len(found) == 1:
            _tell_choice(found[0], layers, wanted, path)
            return found[0]
    expected = (
        f"one called {wanted[:100]!r}"
        if wanted and not meant
        else "one that calls itself depth" + ", and not several" * bool(deep)
    )
    raise UnclearLayer(
        f"{path} has the layers {listed(layer.name for layer in layers)}; expected {expected}"
    )


def _tell_choice(layer: Layer, layers: Sequence[Layer], wanted: str, path: Path) -> None:
    name = listed([layer.name])
    if wanted:
        return
    if len(layers) > 1:
        names = listed(other.name for other in layers)
        log.warning("%s: takes the layer %s as the depth, of %s", path, name, names)
    elif OTHER.search(layer.name):
        log.warning("%s: its only layer %s is taken, though it is called no depth", path, name)


def _layers(index: int, part: str, channels: Iterable[str]) -> list[Layer]:
    """The layers of one part; alpha is none, but where there is nothing else."""
    groups: dict[str, dict[str, str]] = {}
    for channel in channels:
        group, _, last = channel.rpartition(".")
        groups.setdefault(group, {})[last] = channel
    return [layer for group, names in groups.items() for layer in _group(index, part, group, names)]


def _group(index: int, part: str, group: str, names: Mapping[str, str]) -> list[Layer]:
    """The layers in what is called alike up to the last dot; `names` are by what follows it."""
    by_upper = {last.upper(): name for last, name in names.items()}
    # Channels of one name but for their case cannot be told apart as R, G, B.
    rest = dict(by_upper if len(by_upper) == len(names) else names)
    found = []
    for together in (COLOURS, *VECTORS):
        if rest.keys() >= set(together):
            taken = tuple(rest.pop(last) for last in together)
            found.append((group or "".join(together), taken))
    if len(rest) > 1 or found:
        rest.pop("A", None)
    is_alone = len(rest) == 1 and not found
    found += [(group if group and is_alone else name, (name,)) for name in rest.values()]
    return [Layer(_with_part(part, name), index, taken) for name, taken in found]


def _with_part(part: str, name: str) -> str:
    """Nuke repeats the part's name in those of its channels."""
    return name if not part or name == part or name.startswith(f"{part}.") else f"{part}.{name}"


def _called(layers: Iterable[Layer], wanted: str) -> list[Layer]:
    """The layer or the channel of this name, else those that have it at the dots of theirs."""
    wanted = wanted.strip().strip(".").lower()
    layers = list(layers)
    for layer in layers:
        if layer.name.lower() == wanted:
            return [layer]
    for layer in layers:
        for channel in layer.channels:
            if wanted == channel.lower():
                return [Layer(channel, layer.part, (channel,))]
    return [layer for layer in layers if f".{wanted}." in f".{layer.name.lower()}."]


def _luminance(layers: Sequence[Layer]) -> list[Layer]:
    luminance = [layer for layer in layers if layer.channels == ("Y",)]
    is_plain = all(layer.channels in (("Y",), COLOURS) for layer in layers)
    return luminance if is_plain else []
