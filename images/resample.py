"""Resizing images and latents by the methods that upscale nodes offer, to their bits."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

IMAGE_METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
LATENT_METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "bislerp"]
CROPS = ["disabled", "center"]


def resample(samples: Tensor, width: int, height: int, method: str, crop: str) -> Tensor:
    """Resize [B, C, h, w] to [B, C, height, width].

    Args:
        method: one of IMAGE_METHODS or LATENT_METHODS. lanczos works on 8-bit values, bislerp
            turns the channel vectors instead of mixing them.
        crop: "center" first cuts the image to the new aspect ratio, "disabled" stretches it.
    """
    if crop == "center":
        samples = _crop_to_aspect(samples, width / height)
    if method == "lanczos":
        return _lanczos(samples, width, height)
    if method == "bislerp":
        return _bislerp(samples, width, height)
    return F.interpolate(samples, size=(height, width), mode=method)


def _crop_to_aspect(samples: Tensor, aspect: float) -> Tensor:
    height, width = samples.shape[-2:]
    old_aspect = width / height
    left = round((width - width * (aspect / old_aspect)) / 2) if old_aspect > aspect else 0
    top = round((height - height * (old_aspect / aspect)) / 2) if old_aspect < aspect else 0
    return samples[..., top : height - top, left : width - left]


def _lanczos(samples: Tensor, width: int, height: int) -> Tensor:
    images = (255.0 * samples.cpu().movedim(1, -1)).clamp(0, 255).to(torch.uint8).numpy()
    if images.shape[-1] == 1:
        images = images[..., 0]  # Pillow wants grey images without a channel axis
    resized = [
        np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
        for image in images
    ]
    result = torch.from_numpy(np.stack(resized)).float() / 255.0  # BHWC or BHW
    result = result.reshape(len(resized), height, width, -1).movedim(-1, 1)
    return result.to(samples.device, samples.dtype)


def _bislerp(samples: Tensor, width: int, height: int) -> Tensor:
    """Spherical interpolation of the channel vectors along the width, then along the height."""
    result = _slerp_rows(samples.float().movedim(1, -1), width)  # BHWC
    result = _slerp_rows(result.transpose(1, 2), height).transpose(1, 2)
    return result.movedim(-1, 1).to(samples.dtype)


def _slerp_rows(vectors: Tensor, length: int) -> Tensor:
    """[B, rows, n, C] -> [B, rows, length, C]."""
    left, right, ratio = _neighbours(vectors.shape[2], length, vectors.device)
    return _slerp(vectors[:, :, left], vectors[:, :, right], ratio[:, None])


def _neighbours(old: int, new: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `new` positions: the two of `old` it lies between, and how far along."""
    index = torch.arange(old, dtype=torch.float32, device=device)
    following = (index + 1).clamp(max=old - 1)
    index, following = (
        F.interpolate(places[None, None, None], size=(1, new), mode="bilinear").flatten()
        for places in (index, following)
    )
    return index.long(), following.long(), index - index.floor()


def _slerp(start: Tensor, end: Tensor, ratio: Tensor) -> Tensor:
    """Turn the last axis' vectors from start towards end, lengths mixed linearly."""
    start_length, end_length = (v.norm(dim=-1, keepdim=True) for v in (start, end))
    start_unit = torch.where(start_length == 0, 0.0, start / start_length)
    end_unit = torch.where(end_length == 0, 0.0, end / end_length)
    cosine = (start_unit * end_unit).sum(-1, keepdim=True)
    angle = torch.acos(cosine)
    turned = torch.sin((1 - ratio) * angle) / torch.sin(angle) * start_unit
    turned = turned + torch.sin(ratio * angle) / torch.sin(angle) * end_unit
    turned = turned * (start_length * (1 - ratio) + end_length * ratio)
    # The formula divides by zero for vectors of the same or of the opposite direction.
    turned = torch.where(cosine > 1 - 1e-5, start, turned)
    return torch.where(cosine < 1e-5 - 1, start * (1 - ratio) + end * ratio, turned)
