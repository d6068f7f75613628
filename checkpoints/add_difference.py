"""Depth for a fine-tune of Stable Diffusion 2: depth + strength · (fine-tune − base).

512-depth-ema was itself trained on from SD2-base, so what a fine-tune learnt beyond that base can
be added to it, tensor by tensor. The recipe is "add difference" of model merging, long used to
make an inpainting model of any fine-tune. The first convolution of the depth model reads a fifth
channel, about which the difference says nothing: there it stays as it is.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from .architecture import ENDS_OF_BRANCHES, TextArchitecture, UNetArchitecture
from .files.holes import check_holes
from .files.rounding import rounded
from .files.weights import Shape, TensorInfo, WeightFile
from .identify.diagnosis import EMA, Part, part_of
from .identify.recognition import identify, predicts_velocity
from .source import DiffusersFolder

log = logging.getLogger(__name__)

_DEPTH_CHANNELS = 5  # four of the latent, then one of depth


class CannotAddDifference(ValueError):  # noqa: N818 - names what is not possible
    """The three models do not belong together; the message says which tensor shows it."""


def with_difference(
    depth: Tensor, fine_tune: Tensor, base: Tensor, strength: float = 1.0
) -> Tensor:
    """depth + strength · (fine_tune − base), float32; depth itself, in its dtype, where it is 0.

    Where fine_tune and base have fewer channels ([C, 4, 3, 3] against [C, 5, 3, 3]), only the
    first ones of depth change.

    Raises CannotAddDifference when the difference is infinite or not a number.
    """
    difference = strength * (fine_tune.float() - base.float())
    if not difference.any():
        return depth
    if not difference.isfinite().all():
        raise CannotAddDifference(
            f"the difference between fine-tune and base has {(~difference.isfinite()).sum()} of "
            f"{difference.numel()} values that are infinite or not a number (NaN); one of the two "
            "is damaged, or was saved in a type too small for it. Use another copy."
        )
    result = depth.to(torch.float32, copy=True)
    result[tuple(slice(size) for size in difference.shape)] += difference
    return result


class AddedDifference(WeightFile):
    """A depth file with the difference added to its UNet and text encoder as they are read.

    VAE and MiDaS are the depth file's. So is a text encoder when the fine-tune has none, and of
    the text encoder what SD2 never uses. An EMA copy in the depth file is left out, because it
    would be the UNet before the change.
    """

    def __init__(
        self,
        depth: WeightFile,
        fine_tune: WeightFile,
        base: WeightFile,
        strength: float = 1.0,
        parts: Iterable[Part] = (Part.UNET, Part.TEXT),
        dtype: torch.dtype | None = None,
    ) -> None:
        """Make sure that the three belong together; their tensors are read later.

        Args:
            depth: in the original layout, as the others.
            fine_tune, base: a fine-tune of SD2 and the model that it was made of.
            parts: what may be changed, of UNet and text encoder.
            dtype: of what is changed; None for the depth file's own.

        Raises CannotAddDifference, FileWithHoles, and UnknownArchitecture when depth's UNet is
        incomplete.
        """
        self.path = depth.path
        self.metadata = dict(depth.metadata)
        self.tensors = {n: i for n, i in depth.tensors.items() if not n.startswith(EMA)}
        self._depth, self._fine_tune, self._base = depth, fine_tune, base
        self._strength = strength
        self._changed: set[str] = set()
        for part in parts:
            self._changed.update(part.value + name for name in self._shapes(part))
        if dtype is not None:
            self.tensors |= {n: self.tensors[n]._replace(dtype=dtype) for n in self._changed}
        for file, role in ((fine_tune, "the fine-tune"), (base, "the base")):
            check_holes(file, self._changed, ENDS_OF_BRANCHES)
            check_prediction(predicts_v(file), _label(file, role))
        warn_if_equal((fine_tune.read(name), base.read(name)) for name in sorted(self._changed))

    def read(self, name: str) -> Tensor:
        """One tensor on the CPU, rounded once. Raises CannotAddDifference, DtypeOverflow."""
        if name not in self.tensors:
            raise KeyError(name)
        tensor = self._depth.read(name)
        if name not in self._changed:
            return tensor
        fine_tune, base = self._fine_tune.read(name), self._base.read(name)
        try:
            result = with_difference(tensor, fine_tune, base, self._strength)
        except CannotAddDifference as error:
            raise CannotAddDifference(f"{name}: {error}") from error
        return rounded(result, self.tensors[name].dtype, name)

    def _shapes(self, part: Part) -> dict[str, Shape]:
        """The tensors of a part that are changed; makes sure that both others have them."""
        depth, fine_tune, base = (
            part_of(file.tensors, part) for file in (self._depth, self._fine_tune, self._base)
        )
        if part is Part.TEXT and not (depth and fine_tune):
            return {}
        expected = _text_shapes(depth) if part is Part.TEXT else unet_shapes(depth, self.path.name)
        check_fit(expected, fine_tune, _label(self._fine_tune, "the fine-tune"), part)
        check_fit(expected, base, _label(self._base, "the base"), part)
        return expected


def _label(file: WeightFile, role: str) -> str:
    return f"{file.path.name} ({role})"


def unet_shapes(depth: Mapping[str, TensorInfo], name: str) -> dict[str, Shape]:
    """What the UNet of a fine-tune or base must consist of, names without the prefix.

    `name` is the depth model's, for the message.

    Raises CannotAddDifference when it is no depth model, UnknownArchitecture when it is incomplete.
    """
    unet = UNetArchitecture.from_tensors(depth)
    if unet.in_channels != _DEPTH_CHANNELS:
        raise CannotAddDifference(
            f"{name} is not a depth model: {_sentence(depth)} The model that the difference is "
            f"added to must be a Stable Diffusion 2 depth model, with {_DEPTH_CHANNELS} channels."
        )
    return replace(unet, in_channels=_DEPTH_CHANNELS - 1).tensors()


def _text_shapes(depth: Mapping[str, TensorInfo]) -> dict[str, Shape]:
    """What SD2 uses of the text encoder, names without the prefix."""
    text = TextArchitecture.from_tensors(depth)
    return {name: shape for name, shape in text.tensors().items() if name not in text.unused()}


def check_fit(
    expected: Mapping[str, Shape],
    found: Mapping[str, TensorInfo],
    name: str,
    part: Part = Part.UNET,
) -> None:
    """Make sure that a part of the fine-tune or base `name` has every tensor in its shape.

    Raises CannotAddDifference with the first tensors that do not fit.
    """
    wrong = [
        f"{tensor} is {list(found[tensor].shape) if tensor in found else 'missing'} instead of "
        f"{list(shape)}"
        for tensor, shape in expected.items()
        if tensor not in found or found[tensor].shape != shape
    ]
    if part is Part.UNET:  # a UNet with more than this is another model
        wrong += [f"{tensor} is unexpected" for tensor in found if tensor not in expected]
    if not wrong:
        return
    some = "; ".join(wrong[:3]) + "; ..." * (len(wrong) > 3)
    if part is Part.UNET:
        raise CannotAddDifference(
            f"{name} does not fit the depth model. {_sentence(found)} In {len(wrong)} tensors it "
            f"differs from Stable Diffusion 2 with 4 input channels: {some}. Give a fine-tune of "
            "SD2-base (512-base-ema or 2.1-base) and the base that it was made of."
        )
    if not found:
        raise CannotAddDifference(
            f"{name} has no text encoder, and the fine-tune has one. Give a complete base, or a "
            "fine-tune that is a UNet alone."
        )
    raise CannotAddDifference(
        f"{name} has another text encoder than the fine-tune or the depth model ({some}). Give a "
        "complete fine-tune with a complete base, or a fine-tune that is a UNet alone."
    )


def _sentence(unet: Mapping[str, TensorInfo]) -> str:
    return identify({Part.UNET.value + name: info for name, info in unet.items()}).sentence()


def check_prediction(is_v: bool, name: str) -> None:
    """Refuse a model that predicts v. Raises CannotAddDifference."""
    if is_v:
        raise CannotAddDifference(
            f"{name} predicts v, as 768-v-ema and its fine-tunes do; the depth model predicts the "
            "noise (eps), and what was learnt for the one means nothing for the other. Give a "
            "fine-tune of SD2-base (512-base-ema or 2.1-base) and that base."
        )


_V_MARK = Part.UNET.value + "output_blocks.11.1.transformer_blocks.0.norm1.bias"


def predicts_v(file: WeightFile) -> bool:
    """Whether a file of SD2 predicts v instead of the noise, which no shape tells.

    A diffusers folder says it; of a file this is ComfyUI's own guess (`supported_models.SD20`):
    the mark that it saves with such a model, otherwise the spread of one bias, which training for
    v widens.
    """
    if isinstance(file, DiffusersFolder):
        return file.predicts_v
    if predicts_velocity(file.tensors, file.metadata):
        return True
    return _V_MARK in file.tensors and file.read(_V_MARK).float().std(correction=0).item() > 0.09


def warn_if_equal(pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Warn when fine-tune and base are the same in every pair; reads up to the first difference."""
    if all(fine.dtype == base.dtype and torch.equal(fine, base) for fine, base in pairs):
        log.warning(
            "the fine-tune and its base are the same model: there is nothing to add, and the depth "
            "model stays as it is. Is the right file chosen for each?"
        )
