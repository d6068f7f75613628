"""Stage 3: text tower and UNet together, from depth and caption to latents.

The UNet starts by calling its whole input noise, which is nearly right where there is most of it.
What is learned is what to take away from that.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from numpy.random import Generator
from torch import Tensor, nn

from ...engine import prompt
from ...engine.networks import text_network, text_tower, unet_network
from ...engine.samplers import sigma_at
from ...sampling.depth_channel import DepthCondition
from .captions import random_caption, vocabulary
from .dataset import PAINTINGS, SIZES, Dataset
from .structure import STRUCTURE
from .trainer import numbers
from .vae import LATENTS, layers

NO_PROMPT = 0.1  # share of samples without a prompt, for classifier-free guidance
NO_DEPTH = 0.08  # share of samples without depth, so that "without" means something


class PromptToNoise(nn.Module):
    """The text tower and the UNet as one network."""

    def __init__(self, unet: UNet2DConditionModel, text: nn.Module) -> None:
        super().__init__()
        self.unet = unet
        self.text = text

    def forward(self, x: Tensor, timesteps: Tensor, tokens: Tensor) -> Tensor:
        """The noise `[B, 4, h, w]` in `x` `[B, 5, h, w]`, given token numbers `[B, 77]`."""
        context = self.text(tokens).last_hidden_state
        return self.unet(x, timesteps, context, return_dict=False)[0]


class UNetStage:
    """Noise prediction; the network is trained in place.

    `latents` gives those of an image size, `[scenes, PAINTINGS, 4, size / 8, size / 8]`, of unit
    size. The first `small_steps` steps see small images only, later ones either size. A step at
    128×128 has `batch` samples, one at 256×256 half as many.
    """

    def __init__(
        self,
        network: PromptToNoise,
        data: Dataset,
        latents: Callable[[int], np.ndarray],
        small_steps: int,
        seed: int,
        batch: int,
        device: torch.device,
    ) -> None:
        self.network = network.to(device).train().requires_grad_(True)
        self._data, self._latents, self._small_steps = data, latents, small_steps
        self._seed, self._batch, self._device = seed, batch, device
        _freeze_unknown_words(network.text)

    def loss(self, step: int) -> Tensor:
        """Squared error of the noise, weighted by 1/ᾱ.

        That is the error of the noise plus that of the clean latent, so that the few steps in
        which an image's composition is decided count as much as the many that polish it.
        """
        seeds = numbers(self._seed, step)
        random = np.random.default_rng(next(seeds))
        generator = torch.Generator().manual_seed(next(seeds))
        size = SIZES[0] if step < self._small_steps else int(random.choice(SIZES))
        count = self._batch * SIZES[0] // size
        clean, depth, tokens = (
            part.to(self._device) for part in self._samples(random, size, count)
        )
        noise = torch.randn(clean.shape, generator=generator).to(self._device)
        # Stratified: every batch sees the whole range of noise levels.
        places = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        timesteps = (places * 1000).long().clamp(max=999)  # rounding may give 1000
        sigma = sigma_at(timesteps.float()).to(self._device)[:, None, None, None]
        x = (clean + sigma * noise) / (1 + sigma**2).sqrt()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type != "cpu"):
            found = self.network(torch.cat((x, depth), 1), timesteps.to(self._device), tokens)
        weight = 1 + sigma**2
        return (weight * (found.float() - noise).square()).mean()

    def _samples(self, random: Generator, size: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Latents, depth channels and token numbers of a batch."""
        latents, channels, tokens = [], [], []
        for _ in range(count):
            scene, painting = random.integers(len(self._data)), random.integers(PAINTINGS)
            latents.append(self._latents(size)[scene, painting].astype(np.float32))
            channels.append(depth_channel(random, self._data.depth[size][scene], size // 8))
            look = self._data.appearances[scene][painting]
            words = random_caption(random, self._data.nouns[scene], look)
            tokens.append(token_numbers("" if random.random() < NO_PROMPT else words))
        return torch.from_numpy(np.stack(latents)), torch.cat(channels), torch.stack(tokens)


def depth_channel(random: Generator, depth: np.ndarray, side: int) -> Tensor:
    """The fifth channel `[1, 1, side, side]` of a depth map, a little damaged, or without depth."""
    if random.random() < NO_DEPTH:
        return torch.full((1, 1, side, side), float(random.choice((0.0, -1.0))))
    depth = depth.astype(np.float32)
    if random.random() < 0.5:  # a map of lower resolution
        coarse = max(side, round(len(depth) * random.uniform(0.15, 0.6)))
        depth = cv2.resize(depth, (coarse, coarse), interpolation=cv2.INTER_AREA)
    if random.random() < 0.3:
        depth = cv2.GaussianBlur(depth, (0, 0), len(depth) * random.uniform(0.002, 0.012))
    if random.random() < 0.3:
        depth = np.clip(depth, 0, None) ** np.float32(np.exp(random.uniform(-0.15, 0.15)))
    if random.random() < 0.3:
        depth = depth + random.normal(0, random.uniform(0, 0.02), depth.shape).astype(np.float32)
    return DepthCondition(torch.from_numpy(depth)[None]).channel(1, side, side)


def token_numbers(text: str) -> Tensor:
    """The 77 token numbers of a caption, int64."""
    (chunk,) = prompt.tokenize(text)
    return torch.tensor([token for token, _ in chunk])


def new_network(seed: int) -> PromptToNoise:
    """A text tower and a UNet with random weights; at first it takes all its input for noise."""
    torch.manual_seed(seed)
    network = PromptToNoise(unet_network(STRUCTURE.unet), text_network(STRUCTURE.text))
    with torch.no_grad():
        _begin_unet(network.unet)
        embedding = _embedding(network.text)
        known = _known(embedding)
        embedding.copy_(torch.where(known, 0.3 * torch.randn_like(embedding), 0.0))
    return network


# --- Words ----------------------------------------------------------------------------------------


def _embedding(text: nn.Module) -> Tensor:
    return text_tower(text).get_parameter("embeddings.token_embedding.weight")


def _known(embedding: Tensor) -> Tensor:
    """Which rows of the embedding are trained, `[vocabulary, 1]`."""
    rows = torch.zeros(len(embedding), 1, dtype=torch.bool)
    rows[[prompt.START, prompt.END, prompt.PAD]] = True
    rows[[token for word in vocabulary() for token, _ in prompt.tokenize(word)[0]]] = True
    return rows


def _freeze_unknown_words(text: nn.Module) -> None:
    """The rows of words that mean nothing stay zero, as they will be for any word but these."""
    embedding = _embedding(text)
    known = _known(embedding).to(embedding)
    embedding.register_hook(lambda gradient: gradient * known)


# --- The UNet's beginning -------------------------------------------------------------------------

# The last GroupNorm has two channels to a group. A channel that shares its group with its own
# negative keeps its mean but not its size; one that shares it with a constant, the other way round.
_CONSTANT = 8.0
_MIRRORED = tuple(range(0, 2 * LATENTS, 2))
_ANCHORED = tuple(range(2 * LATENTS, 6 * LATENTS, 4))


def _begin_unet(unet: UNet2DConditionModel) -> None:
    """Residual branches start at zero, as in the original; the noisy latent reaches the end."""
    for weight, bias in layers(unet, ".conv2", ".proj_out", "conv_out"):
        weight.zero_()
        bias.zero_()
    ((first, first_bias),) = layers(unet, "conv_in")
    *_, (last, last_bias) = layers(unet, ".conv_shortcut")
    for channel in range(6 * LATENTS):
        first[channel], first_bias[channel] = 0, 0
        last[channel], last_bias[channel] = 0, 0
        # The resnet's input is the path so far, then the output of conv_in.
        last[channel, len(first) + channel] = 1
    ((end, end_bias),) = layers(unet, "conv_out")
    for latent in range(LATENTS):
        mirrored, anchored = _MIRRORED[latent], _ANCHORED[latent]
        for channel, sign in ((mirrored, 1), (mirrored + 1, -1), (anchored, 1), (anchored + 2, -1)):
            first[channel, latent, 1, 1] = sign
        first_bias[anchored + 1], first_bias[anchored + 3] = _CONSTANT, -_CONSTANT
        # silu(x) − silu(−x) = x
        end[latent, mirrored, 1, 1] = 0.5
        end[latent, mirrored + 1, 1, 1] = -0.5
        end[latent, anchored, 1, 1] = 0.25 * _CONSTANT
        end[latent, anchored + 2, 1, 1] = -0.25 * _CONSTANT
        end_bias[latent] = 0.25 * _CONSTANT
