"""`DepthToImage`: a checkpoint, and the calls that paint with it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..depth.convention import from_image
from ..host import host
from ..nodes.load import BUNDLED_CHECKPOINT, checkpoint_path, load_checkpoint
from ..nodes.settings import SD2DepthSettings, Suited
from ..sampling.steps import watched
from ..workflows.core_nodes.save import to_pil
from . import pictures
from .arguments import Settings, checked, tasks
from .painting import Parts, core, core_outputs, estimated, paint
from .pictures import Picture, Pictures
from .speech import ABSENT_PARTS, Cancelled, obeyed, spoken

ModelFile = str | os.PathLike[str]


class DepthToImage:
    """A Stable Diffusion 2 depth model that paints: `painter = DepthToImage(); painter("…")`.

    Args:
        model: a weight file, a folder that diffusers wrote, or a name as Depth Checkpoint Loader
            lists it; the bundled miniature by default.
        lora: a LoRA, or several with their strengths, `{"style.safetensors": 0.8}`; names as Load
            LoRA lists them, outside of ComfyUI also paths.
        device: "cpu", "cuda", …; CUDA where there is one by default.
        precision: of UNet and VAE: fp32, bf16, fp16, or auto for half precision where it is faster.
            By default the UNet runs in fp16 on a GPU, all else in fp32. In ComfyUI device and
            precision are its own.

    Warnings reach the caller through Python's `warnings`. See docs/python.md.
    """

    Cancelled = Cancelled

    def __init__(
        self,
        model: ModelFile = BUNDLED_CHECKPOINT.name,
        *,
        lora: ModelFile | Mapping[ModelFile, float] | None = None,
        device: str | torch.device | None = None,
        precision: str | None = None,
    ) -> None:
        self._device = device
        with spoken(), self._ready(precision):
            model, clip, vae, depth_model = _loaded(model)
            for file, one in _loras(lora).items():
                model, clip = core_outputs(
                    "LoraLoader",
                    model=model,
                    clip=clip,
                    lora_name=os.fspath(file),
                    strength_model=one,
                    strength_clip=one,
                )
            suited = Suited(*SD2DepthSettings().execute(model))
            self._parts = Parts(model, clip, vae, depth_model, suited)

    @property
    def size(self) -> int:
        """The short side in pixels that suits the model."""
        return self._parts.suited.size

    @property
    def steps(self) -> int:
        """The number of steps that suits it."""
        return self._parts.suited.steps

    @property
    def cfg(self) -> float:
        """The guidance scale that suits it."""
        return self._parts.suited.cfg

    def __call__(
        self,
        prompt: str | Sequence[str],
        *,
        image: Pictures | None = None,
        depth: Pictures | None = None,
        mask: Pictures | None = None,
        negative: str | Sequence[str] = "",
        strength: float = 1.0,
        steps: int | None = None,
        cfg: float | None = None,
        seed: int | Sequence[int] = 0,
        sampler: str = "dpmpp_2m",
        scheduler: str = "karras",
        size: int | None = None,
        count: int = 1,
        crop: bool = False,
        padding: int = 48,
        content: str = "original",
        grow: int = 8,
        feather: int = 8,
        depth_strength: float = 1.0,
        depth_guidance: float = 1.0,
        callback: Callable[[int, int, Tensor], object] | None = None,
    ) -> list[PIL.Image.Image]:
        """Paint. Each result has the size of `image`, or of `depth` where there is no image.

        Lists of prompts, negatives, images, depth maps, masks and seeds have one length, or one
        entry for all; they give what as many calls would give, in one list. A batch counts as a
        list.

        Args:
            prompt: what to paint.
            image: what is repainted. Without one, a depth map alone is painted from.
            depth: white is near; estimated from the image when absent.
            mask: white is repainted, grey that much; every other pixel stays bit for bit.
            negative: what not to paint.
            strength: 1 keeps the depth alone, less keeps more of the image's colours.
            steps, cfg: by default what suits the model (`painter.steps`, `painter.cfg`).
            seed: decides all noise.
            sampler, scheduler: ComfyUI's names.
            size: short side in pixels, a multiple of 64, at which the model paints. By default the
                picture's own, or `painter.size` where that is far from what the model was trained
                at, and with `crop`.
            count: how many to paint, each from noise of its own.
            crop: paint the part under the mask alone, at `size`.
            padding: with `crop`, pixels of surroundings that the model sees.
            content: what it finds under the mask below strength 1: original, fill, noise or empty.
            grow: pixels by which it repaints beyond the mask, so that the new part joins in.
            feather: pixels inside the mask's border over which the new part fades in.
            depth_strength: factor on the depth the model sees.
            depth_guidance: how strictly it is followed beside `cfg`; 1 is off.
            callback: called after every step with its number from 1, the number of steps, and what
                the model takes the result to be, a latent for `painter.decode`. When it returns
                False, or raises, the run ends: DepthToImage.Cancelled, or what it has raised.

        Raises ValueError, TypeError and OSError that say what to do.
        """
        with spoken(), self._ready():
            settings = Settings.checked(
                strength=strength,
                steps=self.steps if steps is None else steps,
                cfg=self.cfg if cfg is None else cfg,
                sampler=sampler,
                scheduler=scheduler,
                size=size,
                count=count,
                crop=crop,
                padding=padding,
                content=content,
                grow=grow,
                feather=feather,
                depth_strength=depth_strength,
                depth_guidance=depth_guidance,
            )
            todo = tasks(
                prompt=[checked("prompt", one) for one in pictures.as_list(prompt)],
                negative=[checked("negative", one) for one in pictures.as_list(negative)],
                seed=[checked("seed", one) for one in pictures.as_list(seed)],
                image=[None] if image is None else pictures.images(image),
                depth=[None] if depth is None else pictures.depth_maps(depth),
                mask=[None] if mask is None else pictures.masks(mask),
            )
            for task in todo:
                task.check(settings)
            with watched(None if callback is None else obeyed(callback)):
                painted = [paint(self._parts, task, settings) for task in todo]
            return [to_pil(image) for batch in painted for image in batch]

    def estimate(self, image: Picture) -> np.ndarray:
        """The depth map of an image by the model's own network: float32 [H, W], 0 far to 1 near."""
        with spoken(), self._ready():
            images = pictures.images(image)
            if len(images) != 1:
                raise ValueError(f"image holds {len(images)} pictures; give one at a time")
            return from_image(estimated(self._parts, images[0]))[0].cpu().numpy()

    def decode(self, latent: Tensor) -> list[PIL.Image.Image]:
        """The pictures that a callback's latent [B, 4, h, w] stands for."""
        with spoken(), self._ready():
            if not isinstance(latent, Tensor):
                raise TypeError(
                    f"latent is of type {type(latent).__name__}; expected the tensor that a "
                    "callback gets"
                )
            decoded = core("VAEDecode", samples={"samples": latent}, vae=self._parts.vae)
            return [to_pil(image) for image in decoded]

    @contextmanager
    def _ready(self, precision: str | None = None) -> Iterator[None]:
        with torch.inference_mode(), host.running_on(self._device, precision):
            yield


def _loaded(model: ModelFile) -> tuple:
    """MODEL, CLIP, VAE and DEPTH_MODEL of a checkpoint by its name, or else by its path."""
    name = os.fspath(model)
    try:
        path = checkpoint_path(name)
    except (FileNotFoundError, ValueError):  # in ComfyUI no name leads out of its folders
        if not os.path.exists(name):
            raise
        path = Path(name)
    return load_checkpoint(path, name, ABSENT_PARTS)


def _loras(lora: ModelFile | Mapping[ModelFile, float] | None) -> dict[ModelFile, float]:
    """LoRAs and their strengths."""
    if lora is None:
        return {}
    if not isinstance(lora, Mapping):
        return {lora: 1.0}
    return {file: checked("lora strength", strength) for file, strength in lora.items()}
