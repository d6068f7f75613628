"""MODEL, CLIP and VAE of the embedded engine, on diffusers' and transformers' networks.

The networks have the checkpoint's widths and are built on the meta device; the file's tensors,
memory-mapped where their type fits, become their weights. Each part is read when first used.
"""

import copy
import functools
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from ..checkpoints.add_difference import AddedDifference
from ..checkpoints.architecture import (
    FULL_UNET,
    TextArchitecture,
    UNetArchitecture,
    VAEArchitecture,
)
from ..checkpoints.checkpoint import Absent, Checkpoint
from ..checkpoints.files.weights import WeightFile
from ..checkpoints.identify.diagnosis import Part
from ..checkpoints.keymaps import KeyMap, text_keys, unet_keys, vae_keys
from ..disk.packages import needed
from ..sampling.latents import SCALE_FACTOR
from ..sampling.shortcuts import Shortcuts
from . import deep_features, devices, execution, prompt
from .compiling import compiled
from .controlnet import Residuals
from .deep_features import Deep
from .devices import Device
from .diffusers_configs import text_config, unet_config, vae_config
from .execution import Execution

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextModel

log = logging.getLogger(__name__)

Network = TypeVar("Network", bound=nn.Module)


def load(
    checkpoint: Checkpoint, device: Device | None = None, how: Execution | None = None
) -> tuple["EngineModel", "EngineCLIP | Absent", "EngineVAE | Absent"]:
    """MODEL, CLIP and VAE of a checkpoint; an `Absent` stands in for a part that it lacks.

    They run on the given device, otherwise on the default one, and as `execution.current` says
    unless it is given. Raises ModuleNotFoundError when the engine's packages are not installed,
    and ValueError for a structure that diffusers' networks cannot have.
    """
    how = how or execution.current()
    for package in ("diffusers", "open_clip"):
        prompt.engine_package(package)
    unet, text, vae = checkpoint.unet, checkpoint.text, checkpoint.vae
    check_first_width(checkpoint.path, "UNet", unet)
    if vae is not None:
        check_first_width(checkpoint.path, "VAE", vae)
    device = torch.device(device) if device else default_device()
    file = checkpoint.file
    return (
        EngineModel(checkpoint, device, how),
        EngineCLIP(file, text, device) if text else checkpoint.stand_in(Part.TEXT),
        EngineVAE(file, vae, device, how, unet.model_channels)
        if vae
        else checkpoint.stand_in(Part.VAE),
    )


def check_first_width(path: Path, name: str, part: UNetArchitecture | VAEArchitecture) -> None:
    """Raise ValueError for a structure that diffusers' networks cannot have."""
    if part.channel_mult[0] != 1:
        raise ValueError(
            f"{path.name}: the {name}'s widths are {part.channel_mult} times its first "
            "convolution's; the embedded engine needs the first of these to be 1, as in every "
            "Stable Diffusion model"
        )


def default_device() -> torch.device:
    """The device that was chosen, otherwise CUDA where there is one."""
    return devices.current()


def add_difference(
    model: "EngineModel", fine_tune: "EngineModel", base: "EngineModel", strength: float
) -> "EngineModel":
    """A depth model plus strength · (fine_tune − base), read at first use.

    Raises CannotAddDifference when the three do not belong together.
    """
    ours, theirs, before = (each.checkpoint.file for each in (model, fine_tune, base))
    return model.with_file(AddedDifference(ours, theirs, before, strength, parts=(Part.UNET,)))


class EngineModel:
    """The UNet, a `guidance.NoiseModel`; its type is that of `execution.unet_type`."""

    latent_scale = SCALE_FACTOR

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: torch.device,
        how: Execution = Execution(),  # noqa: B008 - frozen
        shortcuts: Shortcuts = Shortcuts(),  # noqa: B008
    ) -> None:
        self.device = device
        self.in_channels = checkpoint.unet.in_channels
        self.model_channels = checkpoint.unet.model_channels
        self.checkpoint = checkpoint
        self.how = how
        self.shortcuts = shortcuts
        self._runs = _Runs(checkpoint, device, how)

    def with_file(self, file: WeightFile) -> "EngineModel":
        """Other weights, read at first use and run in the same way."""
        checkpoint = replace(self.checkpoint, file=file)
        return EngineModel(checkpoint, self.device, self.how, self.shortcuts)

    def with_shortcuts(self, shortcuts: Shortcuts) -> "EngineModel":
        """The same network, in common with this model."""
        model = copy.copy(self)
        model.shortcuts = shortcuts
        return model

    @property
    def network(self) -> "UNet2DConditionModel":
        """The network with its weights, read at first use."""
        return self._runs.network

    @torch.no_grad()
    def predict_noise(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        deep: Deep | None = None,
        residuals: Residuals | None = None,
    ) -> Tensor:
        """As `guidance.NoiseModel` says; ValueError when a shape does not fit the model."""
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"the UNet got an input of shape {list(x.shape)}, it takes "
                f"[N, {self.in_channels}, h, w]: the latent's channels and one of depth"
            )
        width = self.checkpoint.unet.context_dim
        if context.ndim != 3 or context.shape[0] != len(x) or context.shape[2] != width:
            raise ValueError(
                f"the UNet got a context of shape {list(context.shape)}, it takes "
                f"[{len(x)}, tokens, {width}]; encode the prompt with the CLIP of the same "
                "checkpoint"
            )
        runs, dtype = self._runs, self._runs.dtype
        inputs = (
            x.to(self.device, dtype),
            timesteps.to(self.device),
            context.to(self.device, dtype),
        )
        if residuals is not None:
            noise = runs.plain(*inputs, **residuals.arguments(dtype))
        elif deep is None:
            noise = runs.plain(*inputs)
        elif deep.features is None:
            noise, deep.features = runs.whole(*inputs)
        else:
            noise = runs.shallow(*inputs, deep.features)
        return noise.float()


class _Runs:
    """A UNet's network and the ways to run it, each compiled if that is wanted."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, how: Execution) -> None:
        self._checkpoint, self._device, self._how = checkpoint, device, how

    @functools.cached_property
    def dtype(self) -> torch.dtype:
        width = self._checkpoint.unet.model_channels
        return execution.unet_type(self._how.precision, self._device, width)

    @functools.cached_property
    def network(self) -> "UNet2DConditionModel":
        unet = self._checkpoint.unet
        file = self._checkpoint.file
        weights = _weights(file, Part.UNET, unet_keys(unet), self._device, self.dtype)
        with torch.device("meta"):
            network = unet_network(unet)
        return _fill(network, weights)

    @functools.cached_property
    def plain(self) -> Callable[..., Tensor]:
        network = self.network
        return self._ready(lambda *inputs, **more: network(*inputs, return_dict=False, **more)[0])

    @functools.cached_property
    def whole(self) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
        return self._ready(functools.partial(deep_features.whole, self.network))

    @functools.cached_property
    def shallow(self) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
        return self._ready(functools.partial(deep_features.shallow, self.network))

    def _ready(self, run: Callable) -> Callable:
        return compiled(run, self._device) if self._how.compiles else run


class EngineCLIP:
    """The tokenizer and the text tower, in float32: a prompt -> the UNet's context.

    `skipped` is how many of the tower's last layers do not run; Stable Diffusion 2 skips one.
    """

    def __init__(
        self, file: WeightFile, text: TextArchitecture, device: torch.device, skipped: int = 1
    ) -> None:
        self.device = device
        self.file, self.text = file, text
        self._skipped = skipped

    def with_file(self, file: WeightFile) -> "EngineCLIP":
        """The same with other weights, read at first use."""
        return EngineCLIP(file, self.text, self.device, self._skipped)

    def stopped_at(self, layer: int) -> "EngineCLIP":
        """The same that ends with this layer; -1 is the last one.

        A number beyond the first layer means the last one, as in ComfyUI. So does -1 mean the last
        but one, with a warning, in a file that lacks the last one, which Stable Diffusion 2 skips.
        """
        skipped = -1 - layer if -layer <= self.text.layers else 0
        missing = [n for n in self.text.unused() if Part.TEXT.value + n not in self.file.tensors]
        if skipped == 0 and any("resblocks" in name for name in missing):
            log.warning(
                "%s has no last layer in its text encoder; the last but one is taken, as Stable "
                "Diffusion 2 does",
                self.file.path.name,
            )
            skipped = 1
        return EngineCLIP(self.file, self.text, self.device, skipped)

    @functools.cached_property
    def network(self) -> "CLIPTextModel":
        """The text tower with its weights, read at first use."""
        # An architecture is built, and its table made, without its last layer.
        text = replace(self.text, layers=self.text.layers - self._skipped + 1)
        with torch.device("meta"):
            model = text_network(text)
        tower = text_tower(model)
        weights = _weights(self.file, Part.TEXT, text_keys(text), self.device)
        _fill(tower, ((name.removeprefix("text_model."), tensor) for name, tensor in weights))
        numbers = torch.arange(text.length, device=self.device)[None]  # in no file
        tower.get_submodule("embeddings").position_ids = numbers
        return model.eval()

    def tokenize(self, text: str) -> list[prompt.Chunk]:
        """A prompt as chunks of 77 (token, weight) pairs; see `prompt.tokenize`."""
        return prompt.tokenize(text, self.text.width)

    @torch.no_grad()
    def encode(self, tokens: list[prompt.Chunk]) -> Tensor:
        """The context of tokenised text, float32 [1, 77 * chunks, width] on the CPU."""
        return prompt.encode(tokens, self._contexts).cpu()

    def _contexts(self, tokens: Tensor, vectors: Tensor | None) -> Tensor:
        """What the tower gives for token numbers; those that are none stand for vectors."""
        tokens = tokens.to(self.device)
        if vectors is None:
            return self.network(tokens).last_hidden_state
        rows = vectors.to(self.device)

        def insert(module: nn.Module, inputs: object, embedded: Tensor) -> Tensor:
            places = tokens >= prompt.FIRST_VECTOR
            embedded[places] = rows[tokens[places] - prompt.FIRST_VECTOR]
            return embedded

        table = text_tower(self.network).get_submodule("embeddings.token_embedding")
        hook = table.register_forward_hook(insert)
        try:
            known = tokens.clamp(max=prompt.FIRST_VECTOR - 1)
            return self.network(known).last_hidden_state
        finally:
            hook.remove()


class EngineVAE:
    """The autoencoder: images <-> latents, one image of a batch at a time.

    Its type is that of `execution.vae_type`, images and latents are float32 in any case.
    """

    def __init__(
        self,
        file: WeightFile,
        vae: VAEArchitecture,
        device: torch.device,
        how: Execution = Execution(),  # noqa: B008 - frozen
        unet_width: int = FULL_UNET.model_channels,
    ) -> None:
        """`unet_width` is that of the UNet whose latents it decodes."""
        self.device = device
        self._file, self._vae, self._how = file, vae, how
        self._unet_width = unet_width

    @functools.cached_property
    def _dtype(self) -> torch.dtype:
        return execution.vae_type(self._how.precision, self.device, self._unet_width)

    @functools.cached_property
    def network(self) -> "AutoencoderKL":
        """The network with its weights, read at first use."""
        weights = _weights(self._file, Part.VAE, vae_keys(self._vae), self.device, self._dtype)
        with torch.device("meta"):
            network = vae_network(self._vae)
        return _fill(network, weights)

    @property
    def factor(self) -> int:
        """Pixels per latent pixel, in each direction: 8."""
        return 2 ** (len(self._vae.levels) - 1)

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """The mean of the latent's distribution, unscaled, float32 [B, 4, h, w] on the CPU.

        `pixels` is [B, H, W, 3] in 0..1. Sides that are not multiples of 8 lose their outermost
        pixels, as in ComfyUI, and a fourth channel (transparency) is left out, each with a warning.
        Raises ValueError for another layout and for images of less than 8×8 pixels.
        """
        return torch.cat([self.encode_one(image[None]) for image in self.prepared(pixels)])

    def prepared(self, pixels: Tensor) -> Tensor:
        """What the network encodes: [B, 3, h, w] in −1..1, of sides that are multiples of 8."""
        images = self._cropped(_rgb(pixels)).movedim(-1, 1) * 2 - 1  # BHWC -> BCHW
        # PyTorch normalises groups less exactly when the channels lie together in memory.
        return images.contiguous()

    @torch.no_grad()
    def decode(self, latent: Tensor) -> Tensor:
        """The images of unscaled latents [B, 4, h, w], float32 [B, H, W, 3] in 0..1 on the CPU.

        Raises ValueError for another layout.
        """
        self.check_latent(latent)
        images = torch.cat([self.decode_one(item[None]) for item in latent])
        return ((images + 1) / 2).clamp(0, 1).movedim(1, -1)  # BCHW -> BHWC

    def check_latent(self, latent: Tensor) -> None:
        """Raise ValueError for a layout that the network does not decode."""
        channels = self._vae.latent_channels
        if latent.ndim != 4 or latent.shape[1] != channels or latent.numel() == 0:
            raise ValueError(
                f"the VAE got a latent of shape {list(latent.shape)}, it decodes "
                f"[B, {channels}, h, w]; this latent comes from another kind of model"
            )

    def encode_one(self, image: Tensor) -> Tensor:
        """The latent of one image [1, 3, h, w] in −1..1, or of a tile of it, on the CPU."""
        latent = self.network.encode(image.to(self.device, self._dtype)).latent_dist.mean
        return latent.float().cpu()

    def decode_one(self, latent: Tensor) -> Tensor:
        """The image of one latent, or of a tile of it, in −1..1 and beyond, on the CPU."""
        image = self.network.decode(latent.to(self.device, self._dtype), return_dict=False)[0]
        return image.float().cpu()

    def _cropped(self, pixels: Tensor) -> Tensor:
        """The middle of the images, with sides that are multiples of the factor."""
        height, width = pixels.shape[1:3]
        top, left = height % self.factor // 2, width % self.factor // 2
        rows, columns = (side // self.factor * self.factor for side in (height, width))
        if rows == 0 or columns == 0 or len(pixels) == 0:
            raise ValueError(
                f"the VAE got {len(pixels)} images of {width}×{height} pixels; it encodes one or "
                f"more of at least {self.factor}×{self.factor}"
            )
        if (rows, columns) != (height, width):
            log.warning(
                "VAE encode: %d×%d pixels are not multiples of %d; encoding the middle %d×%d",
                width,
                height,
                self.factor,
                columns,
                rows,
            )
        return pixels[:, top : top + rows, left : left + columns]


def _rgb(pixels: Tensor) -> Tensor:
    if pixels.ndim != 4 or pixels.shape[3] not in (3, 4):
        raise ValueError(
            f"the VAE got images of shape {list(pixels.shape)}, it encodes [B, H, W, 3]"
        )
    if pixels.shape[3] == 4:
        log.warning("VAE encode: the images' fourth channel (transparency) is left out")
    return pixels[..., :3]


# --- Weights -------------------------------------------------------------------------------------


def _weights(
    file: WeightFile,
    part: Part,
    keys: KeyMap,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Iterable[tuple[str, Tensor]]:
    """A part's tensors under diffusers' names; on the CPU those of this type stay memory-mapped."""
    for name, tensor in keys.to_diffusers(lambda name: file.read(part.value + name)):
        yield name, tensor.to(device, dtype)


def _fill(network: Network, weights: Iterable[tuple[str, Tensor]]) -> Network:
    """Make exactly these tensors the weights of a network built on the meta device."""
    network.load_state_dict(dict(weights), strict=True, assign=True)
    return network.eval().requires_grad_(False)


# --- Networks ------------------------------------------------------------------------------------


def unet_network(unet: UNetArchitecture) -> "UNet2DConditionModel":
    """As in Stable Diffusion 2's `unet/config.json`, with this checkpoint's widths."""
    with needed("diffusers", "The engine's networks"):
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    return UNet2DConditionModel(**unet_config(unet))


def vae_network(vae: VAEArchitecture) -> "AutoencoderKL":
    """As in Stable Diffusion 2's `vae/config.json`, with this checkpoint's widths."""
    with needed("diffusers", "The engine's networks"):
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    return AutoencoderKL(**vae_config(vae))


def text_tower(model: nn.Module) -> nn.Module:
    """The tower itself: transformers 4 wraps it in a module of its own, transformers 5 does not."""
    return getattr(model, "text_model", model)


def text_network(text: TextArchitecture) -> "CLIPTextModel":
    """As in Stable Diffusion 2's `text_encoder/config.json`, with this checkpoint's widths.

    It ends with the last but one stored layer and the final normalisation.
    """
    with needed("transformers", "Prompts"):
        from transformers import CLIPTextConfig, CLIPTextModel
    return CLIPTextModel(CLIPTextConfig(**text_config(text)))
