"""Stage 2: the depth network, from images that are roughened until only their shapes can help."""

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from ...depth.networks.midas_hybrid import DPTHybrid
from .dataset import PAINTINGS, Dataset
from .frames import Frames
from .structure import MIDAS
from .trainer import numbers

SIZES = (128, 160, 192, 256)  # of the network's input, in pixels; MiDaS takes multiples of 32

RANKS = 32  # quantiles of a map
NARROWEST = 0.004  # range of depth between two of them, below which they count as one


class MiDaSStage:
    """Depth from roughened paintings and rendered frames; the network is trained in place.

    Batches have as many pixels as `batch` images of 128×128. Of the images, `frames_share` are
    rendered frames, if there are any.
    """

    def __init__(
        self,
        network: DPTHybrid,
        data: Dataset,
        seed: int,
        batch: int,
        device: torch.device,
        frames: Frames | None = None,
        frames_share: float = 0.5,
    ) -> None:
        self.network = network.to(device).train().requires_grad_(True)
        self._data, self._seed, self._batch, self._device = data, seed, batch, device
        self._frames, self._frames_share = frames, frames_share

    def loss(self, step: int) -> Tensor:
        """Absolute error of the depth, of its rank in the map, and of its slopes at four scales."""
        random = np.random.default_rng(next(numbers(self._seed, step)))
        size = int(random.choice(SIZES))
        count = max(2, round(self._batch * (128 / size) ** 2))
        images, depth = zip(*(self._pair(random, size) for _ in range(count)), strict=True)
        images = torch.from_numpy(np.stack(images)).to(self._device)
        truth = torch.from_numpy(np.stack(depth)).to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16):
            found = self.network(images.movedim(-1, 1) * 2 - 1)
        found = found.float()
        error, rank_error = found - truth, ranks(found, truth) - ranks(truth, truth)
        slopes = sum(_slopes(error, 2**level) for level in range(4))
        return error.abs().mean() + rank_error.abs().mean() + 0.5 * slopes

    def _pair(self, random: Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        if self._frames and random.random() < self._frames_share:
            return self._frames.pair(random, size)
        scene, painting = random.integers(len(self._data)), random.integers(PAINTINGS)
        source = 256 if size > 128 else 128
        image = self._data.images[source][scene, painting].astype(np.float32) / 255
        depth = self._data.depth[source][scene].astype(np.float32)
        if random.random() < 0.5:
            image, depth = image[:, ::-1], depth[:, ::-1]
        if size != source:
            shape = (size, size)
            image = cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
            depth = cv2.resize(depth, shape, interpolation=cv2.INTER_AREA)
        return roughen(random, image, depth), np.ascontiguousarray(depth)


def roughen(random: Generator, image: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Give every other painting `[side, side, 3]` in 0..1 the accidents of a photograph.

    Its depth `[side, side]` stays true; textures differ between near and far, as things do.
    """
    if random.random() < 0.5:
        return image
    if random.random() < 0.6:
        image = image * _texture(random, depth)
    if random.random() < 0.5:  # another mixture of the colours
        mixture = random.dirichlet((0.7, 0.7, 0.7), 3).astype(np.float32)
        image = image @ mixture.T
    image = np.clip(image, 0, None) ** np.exp(random.uniform(-0.5, 0.5))
    image = image * random.uniform(0.6, 1.2) + random.uniform(-0.1, 0.1)
    if random.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 1.5))
    image = image + random.normal(0, random.uniform(0, 0.05), image.shape)
    return np.clip(image, 0, 1).astype(np.float32)


def ranks(values: Tensor, truth: Tensor) -> Tensor:
    """Which share of its map `truth` is farther than each of the values, all `[B, H, W]`.

    Differentiable: the map's distribution is taken as linear between 32 quantiles. Where many
    pixels share a small range of depth, as backgrounds do, small errors count more.
    """
    ordered = truth.flatten(1).sort(dim=1).values
    places = torch.linspace(0, ordered.shape[1] - 1, RANKS + 1, device=truth.device).long()
    levels = ordered[:, places].contiguous()
    flat = values.flatten(1)
    above = torch.searchsorted(levels, flat.detach().contiguous()).clamp(1, RANKS)
    low, high = levels.gather(1, above - 1), levels.gather(1, above)
    within = (flat - low) / (high - low + NARROWEST)
    return ((above - 1 + within.clamp(-1, 2)) / RANKS).view_as(values)


def new_midas(seed: int) -> DPTHybrid:
    """A network with random weights."""
    torch.manual_seed(seed)
    network = DPTHybrid(MIDAS)
    for name in ("cls_token", "pos_embed"):
        nn.init.normal_(network.get_parameter(f"pretrained.model.{name}"), std=0.02)
    # The last ReLU must not begin in the dark.
    nn.init.constant_(network.get_parameter("scratch.output_conv.4.bias"), 0.5)
    return network


def _texture(random: Generator, depth: np.ndarray) -> np.ndarray:
    """Factors around 1, `[H, W, 3]`, of patterns that change where the depth does."""
    side = depth.shape[0]
    factors = np.ones((*depth.shape, 3), np.float32)
    edges = np.sort(random.uniform(0, 1, random.integers(0, 3)))
    for low, high in zip((-0.01, *edges), (*edges, 1.01), strict=True):
        cells = int(random.integers(2, side // 4))
        coarse = random.normal(0, 1, (cells, cells, 3)).astype(np.float32)
        if random.random() < 0.6:
            coarse[:] = coarse[..., :1]
        pattern = cv2.resize(coarse, (side, side), interpolation=int(random.integers(0, 3)))
        strength = random.uniform(0, 0.5)
        inside = ((depth > low) & (depth <= high))[..., None]
        factors = np.where(inside, np.exp(strength * pattern), factors)
    return factors


def _slopes(error: Tensor, stride: int) -> Tensor:
    error = error[:, ::stride, ::stride]
    return error.diff(dim=1).abs().mean() + error.diff(dim=2).abs().mean()
