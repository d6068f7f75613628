"""The arguments of a call: numbers within the limits of the nodes, lists shared out to tasks."""

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ..nodes.conditioning import SD2DepthEncode
from ..nodes.crop import SD2DepthCrop, SD2DepthPrepare, SD2DepthStitch
from ..nodes.inpaint import SD2DepthInpaintEncode
from ..nodes.inputs import declared, out_of_range
from ..nodes.sample import SD2DepthSampler
from ..sampling.latents import FULL_STRENGTH
from ..workflows.core_nodes import CORE_NODES


@dataclass(frozen=True)
class Settings:
    """What all tasks of a call have in common: inputs of nodes, see `_INPUTS`, and `crop`."""

    strength: float
    steps: int
    cfg: float
    sampler: str
    scheduler: str
    size: int | None
    count: int
    crop: bool
    padding: int
    content: str
    grow: int
    feather: int
    depth_strength: float
    depth_guidance: float

    @classmethod
    def checked(cls, **given: Any) -> "Settings":
        """Raises TypeError for another type, ValueError for what the nodes do not take."""
        return cls(**{name: checked(name, value) for name, value in given.items()})


@dataclass(frozen=True, eq=False)
class Task:
    """One picture to paint, or `count` of it."""

    prompt: str
    negative: str
    seed: int
    image: Tensor | None  # IMAGE [1, H, W, 3]
    depth: Tensor | None  # the same, or [1, H, W, 1]
    mask: Tensor | None  # MASK [1, H, W]

    @property
    def source(self) -> Tensor:
        """What the result has the size of, [1, H, W, C]; raises ValueError when nothing is."""
        source = self.depth if self.image is None else self.image
        if source is None:
            raise ValueError(
                "there is neither image nor depth; give a photo, or a depth map to paint from"
            )
        return source

    def check(self, settings: Settings) -> None:
        """Raise ValueError where arguments are missing that others need."""
        if self.source is not self.image:
            if self.mask is not None:
                raise ValueError("mask says where an image is repainted; give that image, too")
            if settings.strength <= FULL_STRENGTH:
                raise ValueError(
                    f"strength {settings.strength} keeps something of an image, and there is none; "
                    "give an image, or strength 1"
                )
        if settings.crop and self.mask is None:
            raise ValueError("crop cuts out what is under the mask, and there is none; give a mask")


def tasks(**lists: Sequence[Any]) -> list[Task]:
    """The fields of tasks as lists of one length; one entry serves all. ValueError for others."""
    count = max(map(len, lists.values()), default=0)
    if odd := [name for name, entries in lists.items() if len(entries) not in (1, count)]:
        lengths = ", ".join(f"{name} {len(one)}" for name, one in lists.items() if len(one) != 1)
        raise ValueError(
            f"the lists have different lengths ({lengths}); give as many of each, or one "
            f"{odd[0]} for all"
        )
    return [
        Task(**{name: one[index % len(one)] for name, one in lists.items()})
        for index in range(count)
    ]


def checked(name: str, value: Any) -> Any:
    """An argument as its node takes it; raises TypeError and ValueError."""
    if name not in _INPUTS:
        return _switch(name, value)
    if name == "size" and value is None:
        return None
    node, node_input = _INPUTS[name]
    kind, options = declared(node)[node_input]
    if isinstance(kind, list):
        return _choice(name, value, kind)
    if kind == "STRING":
        return _text(name, value)
    number = _number(name, value, whole=kind == "INT")
    if reason := out_of_range(number, options):
        raise ValueError(f"{name}: {reason}")
    return number


_INPUTS: Mapping[str, tuple[Any, str]] = {
    "prompt": (CORE_NODES["CLIPTextEncode"], "text"),
    "negative": (CORE_NODES["CLIPTextEncode"], "text"),
    "seed": (SD2DepthSampler, "seed"),
    "strength": (SD2DepthSampler, "denoise"),
    "steps": (SD2DepthSampler, "steps"),
    "cfg": (SD2DepthSampler, "cfg"),
    "sampler": (SD2DepthSampler, "sampler_name"),
    "scheduler": (SD2DepthSampler, "scheduler"),
    "depth_guidance": (SD2DepthSampler, "depth_guidance"),
    "depth_strength": (SD2DepthEncode, "strength"),
    "size": (SD2DepthPrepare, "size"),
    "count": (CORE_NODES["RepeatLatentBatch"], "amount"),
    "padding": (SD2DepthCrop, "padding"),
    "content": (SD2DepthInpaintEncode, "content"),
    "grow": (SD2DepthInpaintEncode, "grow"),
    "feather": (SD2DepthStitch, "feather"),
    "lora strength": (CORE_NODES["LoraLoader"], "strength_model"),
}


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{name} is of type {type(value).__name__}; expected True or False")


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(f"{name} is of type {type(value).__name__}; expected text, or a list of texts")


def _choice(name: str, value: Any, known: list[str]) -> str:
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(f"{name} is {value!r}; expected one of {', '.join(known)}")


def _number(name: str, value: Any, whole: bool) -> int | float:
    kind: Any = numbers.Integral if whole else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind):
        what = "a whole number" if whole else "a number"
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); expected {what}")
    return int(value) if whole else float(value)
