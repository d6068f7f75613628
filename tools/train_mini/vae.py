"""Stage 1: the autoencoder.

It starts as a mosaic: colours pass through every layer untouched, averaged over 8×8 pixels, and
what is learned is added to that. A network with random layers spends its first hours on finding
this, because GroupNorm hides an image's mean colour from it.
"""

from collections.abc import Iterator

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from ...engine.networks import vae_network
from ...sampling.latents import SCALE_FACTOR
from .dataset import PAINTINGS, Dataset
from .structure import STRUCTURE
from .trainer import numbers

LATENTS = 4

# A constant that shares a group with a colour c and −c: their mean and variance hardly depend on
# the image then, and GroupNorm leaves the colour alone. Its size weighs that against rounding.
ANCHOR = 4.0
# The standard deviation of such a group for the colours' usual spread.
SPREAD = (2 * ANCHOR**2 / 9 + 2 * 0.3 / 3) ** 0.5

# Standard deviation of what is added to the latents in training, in units of their own: the UNet's
# latents will not be perfect either.
NOISE = 0.03

NO_VARIANCE = -30.0  # log variance of the latents: none


class VAEStage:
    """Images through the autoencoder, which is trained in place.

    Batches have `batch` images of 128×128 pixels, or as many pixels in crops.
    """

    def __init__(
        self, network: AutoencoderKL, data: Dataset, seed: int, batch: int, device: torch.device
    ) -> None:
        self.network = network
        nn.Module.to(network, device)  # diffusers' own `to` is declared without arguments
        self._data, self._seed, self._batch, self._device = data, seed, batch, device
        network.requires_grad_(True)
        for parameters in layers(network, "quant_conv"):
            for parameter in parameters:
                parameter.requires_grad_(False)

    def loss(self, step: int) -> Tensor:
        """How far images are from themselves: squared, absolute and gradient error."""
        seeds = numbers(self._seed, step)
        images = torch.from_numpy(self._images(next(seeds))).to(self._device)
        noise = torch.Generator().manual_seed(next(seeds))
        with torch.autocast(self._device.type, torch.bfloat16):
            latent = moments(self.network, images)[:, :LATENTS].float()
            spread = latent.detach().std(dim=(0, 2, 3), keepdim=True)
            shake = torch.randn(latent.shape, generator=noise).to(self._device)
            latent = latent + NOISE * spread * shake
            result = self.network.decode(latent, return_dict=False)[0].float()
        error = result - images
        slopes = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
        return error.square().mean() + 0.1 * error.abs().mean() + 0.2 * slopes

    def _images(self, seed: int) -> np.ndarray:
        """A batch `[N, 3, side, side]` in −1..1: small whole images, or crops of large ones."""
        random = np.random.default_rng(seed)
        crop = int(random.choice((64, 128)))
        size = int(random.choice((128, 256), p=(0.3, 0.7)))
        stack = []
        for _ in range(self._batch * (128 // crop) ** 2):
            scene, painting = random.integers(len(self._data)), random.integers(PAINTINGS)
            top, left = random.integers(0, size - crop + 1, 2)
            image = self._data.images[size][scene, painting]
            image = image[top : top + crop, left : left + crop]
            stack.append(image[:, ::-1] if random.random() < 0.5 else image)
        return np.stack(stack).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1


def skip_finest(network: AutoencoderKL) -> None:
    """Take the residual blocks of full resolution out, which begin as identities.

    Two thirds of all time would go into them.
    """
    network.encoder.down_blocks[0].resnets = nn.ModuleList()
    network.decoder.up_blocks[-1].resnets = nn.ModuleList()


def restore_finest(network: AutoencoderKL, seed: int) -> None:
    """Put the blocks of full resolution back, as the identities they were."""
    whole = new_vae(seed)
    nn.Module.to(whole, next(network.parameters()).device)
    network.encoder.down_blocks[0].resnets = whole.encoder.down_blocks[0].resnets
    network.decoder.up_blocks[-1].resnets = whole.decoder.up_blocks[-1].resnets


def moments(network: AutoencoderKL, images: Tensor) -> Tensor:
    """Mean and log variance of the latents, `[B, 8, h, w]`, of images `[B, 3, H, W]`."""
    return network.get_submodule("quant_conv")(network.encoder(images))


def new_vae(seed: int) -> AutoencoderKL:
    """An autoencoder that is a mosaic of 8×8 pixels: latents 0 to 2 are red, green and blue."""
    torch.manual_seed(seed)
    network = vae_network(STRUCTURE.vae)
    with torch.no_grad():
        for weight, bias in layers(network, ".conv2", ".to_out.0", "quant_conv"):
            weight.zero_()
            bias.zero_()
        _pass_colours(network)
        for weight, _ in layers(network, "quant_conv"):
            channels = range(len(weight))
            weight[channels, channels] = 1  # identity
    return network


@torch.no_grad()
def whiten(network: AutoencoderKL, images: Iterator[Tensor]) -> None:
    """Make the latents uncorrelated and of unit size, after SD2's scale factor.

    The linear map goes into `quant_conv` and its inverse into `post_quant_conv`, so that images
    come out as before; both must be identities. Mean and covariance are measured on `images`,
    batches `[B, 3, H, W]` in −1..1.
    """
    latents = torch.cat(
        [moments(network, batch)[:, :LATENTS].movedim(1, -1).flatten(0, -2) for batch in images]
    ).double()
    mean, covariance = latents.mean(0), latents.T.cov()
    values, vectors = torch.linalg.eigh(covariance)
    forth = vectors @ torch.diag(values.rsqrt()) @ vectors.T  # ZCA: as close to before as can be
    back = torch.linalg.inv(forth)
    (weight, bias), (post, post_bias) = layers(network, "quant_conv")
    weight[:LATENTS, :LATENTS, 0, 0] = forth / SCALE_FACTOR
    bias[:LATENTS] = -(forth @ mean) / SCALE_FACTOR
    post[:, :, 0, 0] = back * SCALE_FACTOR
    post_bias[:] = mean


# --- The mosaic -----------------------------------------------------------------------------------


def layers(network: nn.Module, *endings: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Weight and bias of every layer whose name ends like one of these, in the network's order."""
    for name, _ in network.named_modules():
        if name.endswith(endings):
            yield network.get_parameter(f"{name}.weight"), network.get_parameter(f"{name}.bias")


def _pass_colours(network: AutoencoderKL) -> None:
    for weight, bias in layers(network, ".conv_in"):
        _begin(weight, bias)
    for weight, bias in layers(network, "downsamplers.0.conv"):
        _keep(weight, bias, corner=(0, 0), size=2)  # the mean of 2×2 pixels
    for weight, bias in layers(network, "upsamplers.0.conv"):
        _keep(weight, bias, corner=(1, 1), size=1)
    for weight, bias in layers(network, ".conv_out"):
        _end(weight, bias)
    ((weight, bias),) = layers(network, "encoder.conv_out")
    weight[LATENTS:] = 0
    bias[LATENTS:] = NO_VARIANCE


def _carried() -> Iterator[tuple[int, int, float]]:
    """(first channel of a group, colour, sign of the anchor) for the groups that carry colours."""
    for group in range(6):
        yield 3 * group, group % 3, 1.0 if group < 3 else -1.0


def _begin(weight: Tensor, bias: Tensor) -> None:
    for first, colour, sign in _carried():
        weight[first : first + 3] = 0
        bias[first : first + 3] = 0
        weight[first, colour, 1, 1] = 1
        weight[first + 1, colour, 1, 1] = -1
        bias[first + 2] = sign * ANCHOR


def _keep(weight: Tensor, bias: Tensor, corner: tuple[int, int], size: int) -> None:
    """Channels that carry colours stay themselves, averaged over a square of the kernel."""
    top, left = corner
    for first, _, _ in _carried():
        for channel in range(first, first + 3):
            weight[channel] = 0
            bias[channel] = 0
            weight[channel, channel, top : top + size, left : left + size] = 1 / size**2


def _end(weight: Tensor, bias: Tensor) -> None:
    """Read the colours after GroupNorm and SiLU, where silu(x) − silu(−x) = x."""
    weight[:3] = 0
    for first, colour, sign in _carried():
        # +: (c − A/3) / SPREAD stands in the first channel; −: its negative in the second.
        channel = first if sign > 0 else first + 1
        weight[colour, channel, 1, 1] = sign * SPREAD
    bias[:3] = ANCHOR / 3
