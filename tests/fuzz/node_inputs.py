"""What nodes may be given: tensors of odd shapes and values, widgets at their limits."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.workflows.widgets import declared_inputs

from .runner import Attempt, Maker

# Those that run a network take a hundred times as long as the others. Loaders get files instead.
SLOW = (
    *("SD2DepthEstimate", "SD2DepthFidelity", "SD2DepthSampler", "SD2DepthInpaintEncode"),
    "SD2DepthTransplant",
)
LOADERS = ("SD2DepthCheckpointLoader", "SD2DepthModelLoader", "SD2DepthLoad")

WHOLE = ((1, 16, 24), (1, 64, 64), (2, 16, 24), (3, 40, 30), (1, 70, 9))  # batch, height, width


def maker() -> Maker:
    """Each input is a node of the pack with something odd in one or two of its inputs."""
    parts = _parts()
    quick = sorted(NODE_CLASS_MAPPINGS.keys() - {*SLOW, *LOADERS})

    def make(rng: random.Random, place: Path) -> Attempt:
        name = rng.choice(SLOW if rng.random() < 0.02 else quick)
        kind = NODE_CLASS_MAPPINGS[name]
        odd = rng.choice((0, 1, 1, 2))  # how many inputs
        inputs = _Inputs(rng, parts, odd).of(kind)
        words = {word.rstrip("s") for n in declared_inputs(kind) for word in n.split("_")}
        words = {word for word in words if len(word) > 2}
        names = [kind.DISPLAY_NAME, *_NOUNS, *sorted(words), *declared_inputs(kind)]
        names.append(str(place / "output"))  # an error about a file names that
        told = ", ".join(f"{name} {_shown(value)}" for name, value in inputs.items())
        return Attempt(lambda: _run(kind, inputs), names, f"{name}: {told}")

    return make


# How messages call what comes in by sockets.
_NOUNS = ("image", "mask", "depth map", "latent", "conditioning", "label")


def _run(kind: type, inputs: Mapping[str, Any]) -> None:
    """A node turns finite numbers into finite numbers."""
    finite = all(_is_finite(value) for value in inputs.values())
    with torch.inference_mode():
        result = getattr(kind(), kind.FUNCTION)(**inputs)
    outputs = result.get("result", ()) if isinstance(result, dict) else result
    if finite and not all(_is_finite(output) for output in outputs):
        raise AssertionError("NaN or infinity out of finite inputs")


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_finite, value))
    # Sums of numbers near the largest float are no concern of anybody's.
    return not isinstance(value, Tensor) or bool((value.double().abs() < 1e30).all())


def _parts() -> dict[str, Any]:
    """What the sockets carry that no number makes: networks, a prompt, a stitch."""
    loaded = NODE_CLASS_MAPPINGS["SD2DepthCheckpointLoader"]().execute(str(BUNDLED_CHECKPOINT))
    model, clip, vae, depth_model = loaded
    with torch.inference_mode():
        prompt = [[clip.encode(clip.tokenize("a red clay statue")), {}]]
        photo, mask = torch.rand(1, 64, 64, 3), torch.zeros(1, 64, 64)
        mask[:, 20:40, 20:40] = 1
        cropped = NODE_CLASS_MAPPINGS["SD2DepthCrop"]().execute(photo, mask, photo, 64)
    return {
        "MODEL": model,
        "CLIP": clip,
        "VAE": vae,
        "DEPTH_MODEL": depth_model,
        "CONDITIONING": prompt,
        "SD2DEPTH_STITCH": cropped[-1],
    }


class _Inputs:
    """The inputs of one node."""

    def __init__(self, rng: random.Random, parts: Mapping[str, Any], odd: int) -> None:
        self.rng, self.parts, self.left = rng, parts, odd
        self.batch, self.height, self.width = rng.choice(WHOLE)
        self.generator = torch.Generator().manual_seed(rng.getrandbits(32))

    def of(self, kind: Any) -> dict[str, Any]:
        """All required ones and some of the others."""
        required = kind.INPUT_TYPES().get("required", {})
        declared = declared_inputs(kind)
        given = [name for name in declared if name in required or self.rng.random() < 0.6]
        odd = set(self.rng.sample(given, min(self.left, len(given))))
        is_list = getattr(kind, "INPUT_IS_LIST", False)
        values = {name: self._value(name, *declared[name], name in odd) for name in given}
        return {name: [value] for name, value in values.items()} if is_list else values

    def _value(self, name: str, kind: Any, options: Mapping[str, Any], odd: bool) -> Any:
        if isinstance(kind, (list, tuple)):
            return self.rng.choice(list(kind) or [""])
        makers: Mapping[str, Callable[[], Any]] = {
            "IMAGE": lambda: self._tensor((self.batch, self.height, self.width, 3), odd),
            "MASK": lambda: self._mask(odd),
            "LATENT": lambda: self._latent(odd),
            "CONDITIONING": lambda: self._conditioning(odd),
            "INT": lambda: self._whole(name, options, odd),
            "FLOAT": lambda: self._number(options, odd),
            "BOOLEAN": lambda: self.rng.random() < 0.5,
            "STRING": lambda: self._text(options, odd),
        }
        return makers[kind]() if kind in makers else self.parts[kind]

    # --- tensors

    def _tensor(self, shape: tuple[int, ...], odd: bool) -> Tensor:
        if odd and self.rng.random() < 0.5:
            shape = self._shape(shape)
        values = torch.rand(shape, generator=self.generator)
        return self.rng.choice(_VALUES)(values) if odd else values

    def _shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One side another, or more or fewer of them."""
        rng, at = self.rng, self.rng.randrange(len(shape))
        match rng.randrange(6):
            case 0:
                return shape[1:]
            case 1:
                return (1, *shape)
            case 2:
                return shape[:-1]
            case 3:
                return (*shape[:at], rng.choice((0, 0, 1, 2, 5)), *shape[at + 1 :])
            case 4:
                return (*shape[:-1], rng.choice((0, 1, 2, 4, 5)))
        return (*shape[:at], shape[at] * rng.choice((2, 3)) + rng.choice((0, 1)), *shape[at + 1 :])

    def _mask(self, odd: bool) -> Tensor:
        mask = self._tensor((self.batch, self.height, self.width), odd)
        return mask if self.rng.random() < 0.3 else (mask > 0.7).float()

    def _latent(self, odd: bool) -> dict[str, Any]:
        shape = (self.batch, 4, max(1, self.height // 8), max(1, self.width // 8))
        latent: dict[str, Any] = {"samples": self._tensor(shape, odd)}
        if self.rng.random() < 0.3:
            latent["noise_mask"] = self._tensor((self.batch, 1, self.height, self.width), odd)
        if odd and self.rng.random() < 0.2:
            latent["samples"] = latent["samples"][:0]
        return latent

    def _conditioning(self, odd: bool) -> Any:
        whole = self.parts["CONDITIONING"]
        return (
            self.rng.choice(([], whole * 3, [[whole[0][0] * float("nan"), {}]])) if odd else whole
        )

    # --- widgets

    def _whole(self, name: str, options: Mapping[str, Any], odd: bool) -> int:
        """Within the limits, but for sizes and counts, of which the most would be a day's work."""
        low, high = options.get("min", 0), options.get("max", 1 << 31)
        small = [low, options.get("default", low), min(high, low + 1), min(high, low + 7)]
        if name == "resolution":
            return self.rng.choice((32, 64, 96))  # or the network would get 384 pixels
        if not odd:
            return min(self.rng.choice(small), 2 if name in ("steps", "tiles", "frames") else high)
        ends = [high] if high <= 512 or high > 1 << 32 else []
        return self.rng.choice((*small, *ends, low - 1))

    def _number(self, options: Mapping[str, Any], odd: bool) -> float:
        low, high = float(options.get("min", 0)), float(options.get("max", 1))
        default = options.get("default", low)
        if not odd:
            return self.rng.choice((default, default, low, high, self.rng.uniform(low, high)))
        return self.rng.choice((low, high, low - 1, high * 2 + 1, float("nan"), float("inf"), 0.0))

    def _text(self, options: Mapping[str, Any], odd: bool) -> str:
        default = str(options.get("default", ""))
        if not odd:
            return default
        texts = (
            "",
            " ",
            "../x",
            "/x",
            "a\0b",
            "x" * 300,
            "0.5, x",
            "nan, 1",
            "1," * 3_000,
            "\ud800",
        )
        return self.rng.choice(
            (default, *texts, "%width%/a", "con", "é/ü", "\n\n", "9" * 400, "0.1:0.9:0")
        )


_VALUES: tuple[Callable[[Tensor], Tensor], ...] = (
    *(lambda x: x, lambda x: x, torch.zeros_like, torch.ones_like),
    lambda x: torch.full_like(x, 0.3),
    lambda x: torch.full_like(x, float("nan")),
    lambda x: torch.full_like(x, float("inf")),
    lambda x: x.masked_fill(x > 0.9, float("nan")),
    lambda x: x.masked_fill(x > 0.9, float("inf")).masked_fill(x < 0.1, -float("inf")),
    lambda x: x * 3 - 1,
    lambda x: x * 255,
    lambda x: x * 3e38,
    lambda x: x * 1e-40,
    lambda x: -x,
    lambda x: x.half(),
    lambda x: x.double(),
    lambda x: x.round(),
    lambda x: x.transpose(0, -1).contiguous().transpose(0, -1),
)


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        ends = [f"{v.item():g}" for v in value.aminmax()] if value.numel() else []
        return f"{str(value.dtype)[6:]}{list(value.shape)} {'..'.join(ends)}"
    if isinstance(value, dict):
        return str({name: _shown(one) for name, one in value.items()})
    return repr(value)[:40] if isinstance(value, (str, int, float)) else type(value).__name__
