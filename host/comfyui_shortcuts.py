"""Sampling with shortcuts in ComfyUI: wrappers around a MODEL's calls."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import apply_control, forward_timestep_embed
from comfy.ldm.modules.diffusionmodules.util import timestep_embedding
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ..sampling.shortcuts import SHALLOW, DeepSteps, Shortcuts

_KEY = "sd2_depth_shortcuts"


def shorten(model: ModelPatcher, shortcuts: Shortcuts) -> ModelPatcher:
    """A copy of the MODEL; shortcuts that it had are replaced."""
    model = model.clone()
    deep = _Deep(shortcuts.deep_every)
    levels = model.get_model_object("model_sampling")
    guided = _Guided(
        levels.percent_to_sigma(shortcuts.guidance_start),
        levels.percent_to_sigma(shortcuts.guidance_end),
    )
    wrappers: list[tuple[str, Callable]] = [
        (WrappersMP.CALC_COND_BATCH, guided.predict),
        (WrappersMP.CALC_COND_BATCH, deep.evaluate),
        (WrappersMP.OUTER_SAMPLE, deep.sample),
        (WrappersMP.DIFFUSION_MODEL, deep.predict),
    ]
    for kind, _ in wrappers:
        model.remove_wrappers_with_key(kind, _KEY)
    for kind, wrapper in wrappers if shortcuts.deep_every > 1 else wrappers[:1]:
        model.add_wrapper_with_key(kind, _KEY, wrapper)
    return model


@dataclass(frozen=True)
class _Guided:
    """Guidance between two noise levels."""

    start: float
    end: float

    def predict(
        self, executor: Callable, model: Any, conds: list, x: Tensor, sigma: Tensor, options: Any
    ) -> list[Tensor]:
        """Around an evaluation: outside, all predictions are the positive one, which cancels."""
        if self.start >= float(sigma[0]) >= self.end:
            return executor(model, conds, x, sigma, options)
        (positive,) = executor(model, conds[:1], x, sigma, options)
        return [positive, *(positive.clone() for _ in conds[1:])]


class _Deep:
    """Keeps what the deep layers gave for each conditioning, during one run of a sampler."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._forget()

    def _forget(self) -> None:
        self._steps = DeepSteps(self._every)
        self._features: dict[tuple, Tensor] = {}
        self._seen: Counter[tuple] = Counter()
        self._transformers = 0  # how many stand before the shallow layers

    def sample(self, executor: Callable, *args: Any, **kwargs: Any) -> Any:
        """Around a run of a sampler."""
        self._forget()
        try:
            return executor(*args, **kwargs)
        finally:
            self._forget()

    def evaluate(self, executor: Callable, *args: Any) -> Any:
        """Around an evaluation, which may call the UNet several times."""
        self._seen.clear()
        return executor(*args)

    def predict(
        self,
        executor: Any,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        y: Tensor | None = None,
        control: Mapping[str, list] | None = None,
        transformer_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Around a call of the UNet."""
        options = dict(transformer_options or {})
        if not options.keys() >= {"uuids", "sigmas"}:  # not called by ComfyUI's sampling
            return executor(x, timesteps, context, y, control, options, **kwargs)
        names = [self._name(each, x) for each in options["uuids"]]
        fresh = self._steps.is_deep(float(options["sigmas"][0]))
        if fresh or not all(name in self._features for name in names):
            patches = options.get("patches", {})
            options["patches"] = self._recording(patches, executor.class_obj, names)
            return executor(x, timesteps, context, y, control, options, **kwargs)
        options["transformer_index"] = self._transformers
        features = torch.cat([self._features[name] for name in names])
        return _shallow(executor.class_obj, x, timesteps, context, control, options, features)

    def _name(self, conditioning: Any, x: Tensor) -> tuple:
        """Of a conditioning in an area: areas may share an id, but come in the same order."""
        name = (conditioning, *x.shape[-2:])
        self._seen[name] += 1
        return (*name, self._seen[name])

    def _recording(
        self, patches: Mapping[str, Any], unet: Any, names: Sequence[tuple]
    ) -> dict[str, Any]:
        """The patches, and before them one that keeps what comes into the shallow layers."""
        first = len(unet.output_blocks) - SHALLOW

        def keep(x: Tensor, skip: Tensor, options: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
            if options["block"] == ("output", first):
                # A copy: other patches change it in place.
                self._features.update(zip(names, x.clone().chunk(len(names)), strict=True))
                self._transformers = options["transformer_index"]
            return x, skip

        return {**patches, "output_block_patch": [keep, *patches.get("output_block_patch", ())]}


def _shallow(
    unet: Any,
    x: Tensor,
    timesteps: Tensor,
    context: Tensor,
    control: Mapping[str, list] | None,
    options: dict[str, Any],
    features: Tensor,
) -> Tensor:
    """What the UNet predicts with these features of its deep layers, patches applied as in it."""
    patches = options.get("patches", {})
    options["original_shape"] = list(x.shape)
    emb = unet.time_embed(timestep_embedding(timesteps, unet.model_channels).to(x.dtype))
    for patch in patches.get("emb_patch", ()):
        emb = patch(emb, unet.model_channels, options)
    if control is not None and "output" in control:
        control = {
            **control,
            "output": control["output"][:SHALLOW],
        }  # the last block's stands first
    skips = []
    h = x
    for index in range(SHALLOW):
        options["block"] = ("input", index)
        h = forward_timestep_embed(unet.input_blocks[index], h, emb, context, options)
        h = apply_control(h, control, "input")
        for patch in patches.get("input_block_patch", ()):
            h = patch(h, options)
        skips.append(h)
        for patch in patches.get("input_block_patch_after_skip", ()):
            h = patch(h, options)
    h = features
    for index in range(len(unet.output_blocks) - SHALLOW, len(unet.output_blocks)):
        options["block"] = ("output", index)
        skip = apply_control(skips.pop(), control, "output")
        for patch in patches.get("output_block_patch", ()):
            h, skip = patch(h, skip, options)
        both = torch.cat([h, skip], dim=1)
        h = forward_timestep_embed(unet.output_blocks[index], both, emb, context, options)
    return unet.out(h.type(x.dtype))
