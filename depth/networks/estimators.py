"""From the tensors of a weight file, or a folder of transformers, to a depth network."""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path

from torch import Tensor

from ...disk.packages import needed
from .kinds import COMFYUI, DEPTH_ANYTHING, NETWORK_KINDS, TRANSFORMERS, NetworkKind, kind_of
from .network import DepthNetwork

SETTINGS = "with config.json and preprocessor_config.json"
CHECKPOINT = "model.diffusion_model.input_blocks.0.0.weight"  # in Stable Diffusion's checkpoints


class UnknownDepthModel(ValueError):  # noqa: N818 - names what the file is
    """Tensors that make no depth network that can be loaded; the message says what they are."""


class CheckpointInstead(UnknownDepthModel):
    """Tensors of a whole Stable Diffusion checkpoint."""


class ComfyUIsModel(UnknownDepthModel):
    """Tensors of a depth network that ComfyUI has a loader of its own for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"this is {name}, which is not built here")
        self.name = name


class DepthModel:
    """A depth network that is loaded when first used; the network is on the CPU.

    `name` says to people where it comes from. `source` gives the tensors under the names of the
    original file, or a folder of transformers; it is called once, and its errors name the file.
    """

    def __init__(self, name: str, source: Callable[[], Mapping[str, Tensor] | Path]) -> None:
        self.name = name
        self._source = source

    def __repr__(self) -> str:
        return f"DepthModel({self.name!r})"

    @cached_property
    def network(self) -> DepthNetwork:
        """Raises ValueError, with the model's name, for weights that do not fit."""
        source = self._source()
        try:
            if not isinstance(source, Path):
                return build_network(source, self.name)
            # Here, because it takes seconds to import and few need it.
            with needed("transformers", "Depth models in folders"):
                from .transformers_models import load_folder
            return load_folder(source)
        except ValueError as error:
            error.args = (f"{self.name}: {error}",)
            raise


def build_network(weights: Mapping[str, Tensor], name: str = "") -> DepthNetwork:
    """The network that the tensors make, in float32, ready for inference; see `recognise`.

    `name` is what the file is called, which only Depth Anything needs.
    """
    kind = recognise(weights.keys())
    if kind is DEPTH_ANYTHING:
        with needed("transformers", "Depth Anything's networks"):
            from .depth_anything import build
        return build(weights, name)
    # Here, because it takes seconds to import and a name is recognised without it.
    with needed("timm", "MiDaS's networks"):
        from .midas_hybrid import DPTHybrid
        from .midas_large import DPTLarge
        from .midas_small import MidasSmall
        from .midas_swin2 import MidasSwin2
    networks = {network.KIND: network for network in (DPTHybrid, DPTLarge, MidasSmall, MidasSwin2)}
    return networks[kind].from_state_dict(weights)


def recognise(names: Collection[str]) -> NetworkKind:
    """The kind of depth network that tensors of these names make.

    Raises UnknownDepthModel: none that can be loaded; the message says what they are instead.
    """
    kind = kind_of(names)
    if kind is None:
        if CHECKPOINT in names:
            raise CheckpointInstead("this is a Stable Diffusion checkpoint, not a depth network")
        loadable = ", ".join(kind.name for kind in NETWORK_KINDS if kind.loadable)
        raise UnknownDepthModel(
            f"its {len(names)} tensors ({', '.join(sorted(names)[:3])}, …) form no known depth "
            f"network; expected {loadable}, or another model as a folder of transformers with "
            "config.json"
        )
    if kind.layout == COMFYUI:
        raise ComfyUIsModel(kind.name)
    if not kind.loadable:
        if kind.is_midas:
            use = "which cannot be loaded; use another of the MiDaS networks"
        elif kind.layout == TRANSFORMERS:
            use = f"of transformers without its folder; put it into one, {SETTINGS}"
        else:
            use = f"use the same model as a folder in transformers' layout, {SETTINGS}"
        raise UnknownDepthModel(f"this is a {kind.name}, {use}")
    return kind
