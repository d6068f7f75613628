"""What a host offers the nodes: the contract of `host/comfyui.py` and `engine/host.py`.

IMAGE is float32 [B, H, W, 3] in 0..1. MODEL, CLIP and VAE are the host's own objects.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import torch

from ..checkpoints.checkpoint import Checkpoint
from ..sampling.depth_channel import Conditioning
from ..sampling.latents import Latent, MaskRule
from ..sampling.shortcuts import Shortcuts

T = TypeVar("T")
Model = TypeVar("Model")


class Host(Protocol[Model]):
    """A module with these functions."""

    # --- files ---

    def checkpoint_names(self) -> list[str]:
        """Names for a dropdown: weight files, then diffusers folders as `NAME/`."""
        ...

    def checkpoint_path(self, name: str) -> Path:
        """Where a checkpoint lies; FileNotFoundError says where it was looked for."""
        ...

    def depth_model_names(self) -> list[str]:
        """Names of depth networks: weight files, and folders that transformers wrote."""
        ...

    def depth_model_path(self, name: str) -> Path:
        """Where a depth network lies; FileNotFoundError says where it was looked for."""
        ...

    def input_names(self, suffixes: tuple[str, ...] = ()) -> list[str]:
        """Names of the images in the input folder, and of the files with one of the suffixes."""
        ...

    def input_path(self, name: str) -> Path:
        """Where an input file lies; `name [output]` and `name [temp]` mean other folders.

        Raises FileNotFoundError.
        """
        ...

    def output_paths(
        self,
        prefix: str,
        count: int,
        width: int,
        height: int,
        suffix: str = ".png",
        place: Literal["output", "temp"] = "output",
    ) -> tuple[list[Iterator[Path]], str]:
        """Paths in ComfyUI's numbering, and the subfolder they lie in.

        For each of the files there are many, of which `disk.write_whole` takes the first free one.
        `temp` is the folder of previews, which the host empties when it likes. The prefix may name
        a subfolder, which is created, and hold %width%, %height% (pixels), %batch_num%, %year% etc.
        Raises when it leads out of the folder.
        """
        ...

    def preview_folder(self) -> Path | None:
        """Where small images of results lie that the canvas shows; None where there is none."""
        ...

    def png_text(self, prompt: Any, extra_pnginfo: Mapping[str, Any] | None) -> dict[str, str]:
        """PNG text entries that carry the workflow; {} when the host writes no metadata."""
        ...

    # --- models ---

    def core_nodes(self) -> Mapping[str, type]:
        """The host's own nodes by class name; none where `workflows/core_nodes` has to do."""
        ...

    def running_on(
        self, device: torch.device | str | None, precision: str | None = None
    ) -> AbstractContextManager[None]:
        """Within the block networks are loaded to this device, diffusion models in this precision.

        None leaves either to the host. Raises ValueError for what it cannot use.
        """
        ...

    def load_checkpoint(self, checkpoint: Checkpoint) -> tuple[Model, object, object]:
        """MODEL, CLIP and VAE; an `Absent` stands in for a CLIP or VAE that the file lacks."""
        ...

    def add_difference(self, model: Model, fine_tune: Model, base: Model, strength: float) -> Model:
        """model + strength · (fine_tune − base), for a depth MODEL and two without depth.

        Raises CannotAddDifference when they do not belong together.
        """
        ...

    def unet_width(self, model: Model) -> int:
        """Channels of its first layer: 320 in every full-size SD2, fewer in a miniature.

        Raises ValueError for a MODEL that takes no depth map.
        """
        ...

    def on_device(self, network: torch.nn.Module) -> torch.device:
        """Make a depth network ready to run; returns where its input belongs."""
        ...

    def with_shortcuts(self, model: Model, shortcuts: Shortcuts) -> Model:
        """A copy of the MODEL that samples with these in place of any that it has.

        Raises ValueError for a MODEL that takes no depth map.
        """
        ...

    # --- sampling ---

    def sampler_names(self) -> list[str]:
        """Samplers, under ComfyUI's names."""
        ...

    def scheduler_names(self) -> list[str]:
        """Schedulers, under ComfyUI's names."""
        ...

    def sample(
        self,
        model: Model,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: Conditioning,
        negative: Conditioning,
        latent: Latent,
        denoise: float,
        mask_rule: MaskRule = MaskRule.KSAMPLER,
        depth_guidance: float = 1.0,
    ) -> Latent:
        """KSampler. `depth_guidance` scales the depth map's influence beside cfg; 1 is off.

        Calls who watches the steps (`sampling.steps`). Raises ValueError for a MODEL that takes no
        depth map.
        """
        ...

    def progress(self, items: Sequence[T], description: str) -> Iterator[T]:
        """The items under a progress bar; raises the host's interrupt between two of them."""
        ...
