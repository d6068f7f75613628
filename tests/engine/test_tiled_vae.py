"""The VAE in tiles: what tiles put together is what the whole would have been.

`tests/comfyui/test_in_comfyui_parts.py` compares it with ComfyUI's.
"""

import pytest
import torch
import torch.nn.functional as F

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine.networks import load
from sd2_depth2img.engine.tiled_vae import decode_tiled, encode_tiled

pytestmark = pytest.mark.usefixtures("one_thread")


class Pixelwise:
    """A VAE that looks at no neighbours, so that tiles make no difference."""

    factor = 8

    def __init__(self):
        self.sides = []

    def check_latent(self, latent):
        pass

    def prepared(self, pixels):
        return pixels.movedim(-1, 1) * 2 - 1

    def decode_one(self, latent):
        self.sides.append(tuple(latent.shape[2:]))
        return F.interpolate(latent[:, :3], scale_factor=8, mode="nearest")

    def encode_one(self, image):
        self.sides.append(tuple(image.shape[2:]))
        return F.avg_pool2d(image, 8)


def random(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("tile", "overlap"), [(64, 16), (64, 0), (128, 32), (4096, 64)])
def test_no_seam_where_no_pixel_sees_another(tile, overlap):
    vae, latent = Pixelwise(), random(2, 4, 21, 34) * 2 - 1
    images = decode_tiled(vae, latent, tile, overlap)
    whole = ((vae.decode_one(latent) + 1) / 2).movedim(1, -1)
    assert torch.allclose(images, whole, atol=1e-6)
    pixels = random(2, 168, 272, 3)
    latents = encode_tiled(vae, pixels, tile, overlap)
    assert torch.allclose(latents, vae.encode_one(vae.prepared(pixels)), atol=1e-6)


def test_three_passes_of_different_proportions():
    vae = Pixelwise()
    decode_tiled(vae, random(1, 4, 32, 32), 128, 0)
    assert [vae.sides.count(side) for side in ((16, 16), (8, 32), (32, 8))] == [4, 4, 4]


def test_one_tile_is_the_whole(mini_checkpoint):
    vae = load(Checkpoint.open(mini_checkpoint), "cpu")[2]
    latent, pixels = random(1, 4, 6, 8), random(1, 50, 64, 3)  # 48 rows are encoded
    # The average of three equal passes differs in the last digit.
    assert torch.allclose(decode_tiled(vae, latent, 512, 64), vae.decode(latent), atol=1e-6)
    assert torch.allclose(encode_tiled(vae, pixels, 512, 64), vae.encode(pixels), atol=1e-5)
    assert decode_tiled(vae, latent, 64, 16).shape == (1, 48, 64, 3)


def test_an_overlap_that_fills_the_narrow_tiles_is_refused():
    with pytest.raises(ValueError, match="tiles of 64 that overlap by 64"):
        encode_tiled(Pixelwise(), random(1, 128, 128, 3), 64, 64)
    encode_tiled(Pixelwise(), random(1, 32, 32, 3), 64, 64)  # fits into one


def test_what_the_vae_refuses_is_refused(mini_checkpoint):
    vae = load(Checkpoint.open(mini_checkpoint), "cpu")[2]
    with pytest.raises(ValueError, match=r"latent of shape \[1, 16, 8, 8\]"):
        decode_tiled(vae, random(1, 16, 8, 8), 64, 16)
    with pytest.raises(ValueError, match="at least 8×8"):
        encode_tiled(vae, random(1, 4, 4, 3), 64, 16)
