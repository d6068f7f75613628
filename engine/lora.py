"""LoRAs for the embedded engine: what they learnt is added to the weights as these are read.

Hu et al. 2021, arXiv:2106.09685. A layer's weight W becomes
W + strength · alpha / rank · up @ down, in float32 and in ComfyUI's order, so that both hosts have
the same weights.

One tensor has many names: those of kohya's sd-scripts, of diffusers, of PEFT, of LyCORIS, and
ComfyUI's own, each in the original layout or in that of diffusers. They are made here of the tables
in `checkpoints/keymaps.py`.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..checkpoints.architecture import TextArchitecture, UNetArchitecture
from ..checkpoints.files.weights import Shape, TensorInfo, WeightFile
from ..checkpoints.identify.diagnosis import Part
from ..checkpoints.identify.recognition import identify
from ..checkpoints.keymaps import KeyMap, text_keys, unet_keys
from ..images.counts import counted
from .networks import EngineCLIP, EngineModel

log = logging.getLogger(__name__)


class LoraDoesNotFit(ValueError):  # noqa: N818 - names what is not possible
    """Nothing in the file belongs to a layer of the model; the message says what the file is."""


def with_lora(
    lora: WeightFile,
    model: EngineModel,
    clip: EngineCLIP | None,
    strength_model: float = 1.0,
    strength_clip: float = 1.0,
) -> tuple[EngineModel, EngineCLIP | None]:
    """Both with a LoRA, whose tensors are read when theirs are; without `clip` the UNet alone.

    What fits neither is named in a warning. Raises LoraDoesNotFit when nothing fits, and for the
    relatives of LoRA that are not known here.
    """
    unet_file = model.checkpoint.file
    files = {Part.UNET: unet_file} if clip is None else {Part.UNET: unet_file, Part.TEXT: clip.file}
    targets = dict(_unet_targets(model.checkpoint.unet))
    if clip is not None:
        targets |= _text_targets(clip.text)
    changes = _Changes(lora, targets, files)
    changes.report()
    if strength_model:
        model = model.with_file(AddedLora(unet_file, lora, changes.of[Part.UNET], strength_model))
    if clip is not None and strength_clip:
        clip = clip.with_file(AddedLora(clip.file, lora, changes.of[Part.TEXT], strength_clip))
    return model, clip


# --- what is added to a tensor -------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What a LoRA adds to a tensor, or to a third of one that holds query, key and value."""

    third: int | None
    up: str  # [out, rank], or the difference itself where there is no `down`
    down: str = ""  # [rank, in], or [rank, in, k, k] of a convolution
    middle: str = ""  # [rank, rank, k, k]: `down` is then a convolution of 1×1
    alpha: str = ""

    def add(self, weight: Tensor, lora: WeightFile, strength: float) -> None:
        """Add it in place to a float32 tensor. Raises ValueError for what is no number."""
        part = weight if self.third is None else weight.chunk(3)[self.third]
        difference = lora.read(self.up).float()
        if self.down:
            down = lora.read(self.down).float()
            if self.alpha:
                strength = strength * (lora.read(self.alpha).item() / len(down))
            if self.middle:
                down = _through(down, lora.read(self.middle).float())
            difference = difference.flatten(1) @ down.flatten(1)
        if not difference.isfinite().all():
            raise ValueError(
                f"{lora.path.name}: {self.up} holds values that are infinite or not a number "
                "(NaN); the file is damaged. Use another copy."
            )
        part += (strength * difference).reshape(part.shape)


def _through(down: Tensor, middle: Tensor) -> Tensor:
    """One convolution [rank, in, k, k] that does what 1×1 `down` and then `middle` do."""
    joined = down.transpose(0, 1).flatten(1) @ middle.transpose(0, 1).flatten(1)
    return joined.reshape(down.shape[1], down.shape[0], *middle.shape[2:]).transpose(0, 1)


class AddedLora(WeightFile):
    """A weight file with a LoRA added to its tensors as they are read; those are float32."""

    def __init__(
        self,
        file: WeightFile,
        lora: WeightFile,
        changes: Mapping[str, list[Change]],
        strength: float,
    ) -> None:
        self.path, self.metadata, self.foreign = file.path, dict(file.metadata), file.foreign
        changed = {name: file.tensors[name]._replace(dtype=torch.float32) for name in changes}
        self.tensors = {**file.tensors, **changed}
        self._file, self._lora, self._changes, self._strength = file, lora, changes, strength

    def read(self, name: str) -> Tensor:
        """One tensor on the CPU."""
        tensor = self._file.read(name)
        if name not in self._changes:
            return tensor
        tensor = tensor.to(torch.float32, copy=True)
        for change in self._changes[name]:
            change.add(tensor, self._lora, self._strength)
        return tensor


# --- which tensor is meant -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Target:
    """A tensor of a checkpoint, or a third of one."""

    part: Part
    name: str  # in the file
    third: int | None = None

    def shape(self, tensors: Mapping[str, TensorInfo]) -> Shape:
        first, *others = tensors[self.name].shape
        return (first if self.third is None else first // 3, *others)


def _unet_targets(unet: UNetArchitecture) -> Iterator[tuple[str, _Target]]:
    """What a LoRA may call each layer, without the ending that tells what it holds."""
    for name, other, target in _layers(unet_keys(unet), Part.UNET):
        yield f"diffusion_model.{name}", target
        yield f"lora_unet_{_flat(name)}", target
        yield f"lora_unet_{_flat(other)}", target
        yield f"lycoris_{_flat(other)}", target
        # As diffusers wrote attention before it took PEFT.
        old = other.replace(".to_", ".processor.to_").removesuffix(".0" * (".to_out.0" in other))
        for spelled in (other, old):
            for prefix in ("", "unet.", "base_model.model."):
                yield prefix + spelled, target


def _text_targets(text: TextArchitecture) -> Iterator[tuple[str, _Target]]:
    # The last layer as well, which Stable Diffusion 2 skips.
    for _, name, target in _layers(text_keys(replace(text, layers=text.layers + 1)), Part.TEXT):
        yield f"text_encoders.clip_h.transformer.{name}", target
        yield f"text_encoder.{name}", target
        yield f"lora_te_{_flat(name)}", target
        yield f"lora_te1_{_flat(name)}", target


def _layers(keys: KeyMap, part: Part) -> Iterator[tuple[str, str, _Target]]:
    """Each tensor's name in the original layout and in diffusers; a layer's without `.weight`."""
    for entry in keys.entries:
        for index, name in enumerate(entry.diffusers):
            third = index if len(entry.diffusers) == 3 else None
            target = _Target(part, part.value + entry.ldm, third)
            yield entry.ldm.removesuffix(".weight"), name.removesuffix(".weight"), target


def _flat(name: str) -> str:
    return name.replace(".", "_")


# --- what fits -----------------------------------------------------------------------------------

_MATRICES = (  # how up and down end
    (".lora_up.weight", ".lora_down.weight"),
    ("_lora.up.weight", "_lora.down.weight"),
    (".lora_B.weight", ".lora_A.weight"),
    (".lora.up.weight", ".lora.down.weight"),
    (".lora_B", ".lora_A"),
    (".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"),
    (".lora_B.default.weight", ".lora_A.default.weight"),
)
_DIFFERENCES = {".diff": "weight", ".w_norm": "weight", ".diff_b": "bias", ".b_norm": "bias"}
_RELATIVES = {
    **{".hada_w1_a": "LoHa", ".lokr_w1": "LoKr", ".lokr_w1_a": "LoKr", ".oft_blocks": "OFT"},
    **{".dora_scale": "DoRA", ".a1.weight": "GLoRA", ".set_weight": "replaced weights"},
}


class _Changes:
    """What of a LoRA's file changes which tensor; found from the headers alone."""

    def __init__(
        self,
        lora: WeightFile,
        targets: Mapping[str, _Target],
        files: Mapping[Part, WeightFile],
    ) -> None:
        self.lora = lora
        self.of: dict[Part, dict[str, list[Change]]] = {part: {} for part in files}
        self._files = files
        self._left = dict.fromkeys(lora.tensors)
        self._other_shapes: list[str] = []
        for stem, target in targets.items():
            self._take_matrices(stem, target)
            self._take_differences(stem, target)
            for ending, relative in _RELATIVES.items():
                if stem + ending in self._left:
                    raise LoraDoesNotFit(
                        f"{lora.path.name} holds {relative}, a relative of LoRA, which the "
                        f"embedded engine does not know ({stem}{ending}); run the workflow in "
                        "ComfyUI, or use a LoRA"
                    )

    def report(self) -> None:
        """Name what fits nothing. Raises LoraDoesNotFit when that is all."""
        said = self._other_shapes + list(self._left)
        some = ", ".join(said[:3]) + ", …" * (len(said) > 3)
        if not any(self.of.values()):
            found = identify(self.lora.tensors)
            raise LoraDoesNotFit(
                f"{self.lora.path.name} fits nothing in this model. {found.sentence()} Expected a "
                f"LoRA for Stable Diffusion 2; found {some or 'no tensors'}"
            )
        if self._other_shapes:
            some += "; it may be for another model"
        if said:
            log.warning(
                "%s: left out, because it fits nothing in this model: %s of %d (%s)",
                *(self.lora.path.name, counted(len(said), "tensor"), len(self.lora.tensors), some),
            )

    def _take_matrices(self, stem: str, target: _Target) -> None:
        for up, down in _MATRICES:
            if stem + up in self._left and stem + down in self._left:
                middle, alpha = (
                    name if name in self._left else ""
                    for name in (f"{stem}.lora_mid.weight", f"{stem}.alpha")
                )
                change = Change(target.third, stem + up, stem + down, middle, alpha)
                self._take(change, target, self._product(change))
                return

    def _take_differences(self, stem: str, target: _Target) -> None:
        for ending, kind in _DIFFERENCES.items():
            if stem + ending not in self._left:
                continue
            change = Change(target.third, stem + ending)
            name = target.name
            if kind == "bias":
                name = name.removesuffix("weight") + kind
                if name not in self._files[target.part].tensors:
                    continue
            self._take(change, replace(target, name=name), self.lora.tensors[stem + ending].shape)

    def _product(self, change: Change) -> Shape:
        """The shape of what is added, as far as it matters: how many outputs, and numbers each."""
        up, down = (self.lora.tensors[name].shape for name in (change.up, change.down))
        kernel = self.lora.tensors[change.middle].shape[2:] if change.middle else ()
        fits = len(up) > 1 and len(down) > 1 and up[1] == down[0]
        return (up[0], *down[1:], *kernel) if fits else ()

    def _take(self, change: Change, target: _Target, shape: Shape) -> None:
        used = [n for n in (change.up, change.down, change.middle, change.alpha) if n]
        for name in used:
            del self._left[name]
        tensors = self._files[target.part].tensors
        if target.name not in tensors:
            self._left |= dict.fromkeys(used)
        elif not _alike(shape, target.shape(tensors)):
            expected = list(target.shape(tensors))
            self._other_shapes.append(f"{change.up} for {list(shape)}, not for {expected}")
        else:
            self.of[target.part].setdefault(target.name, []).append(change)


def _alike(one: Shape, other: Shape) -> bool:
    """Whether one can become the other: a 1×1 convolution is a linear layer."""
    sizes = [(shape[0], torch.Size(shape).numel()) for shape in (one, other) if shape]
    return len(sizes) == 2 and sizes[0] == sizes[1]
