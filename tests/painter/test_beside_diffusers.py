"""The same weights, noise, depth map and noise levels: diffusers' pipeline paints the same."""

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionDepth2ImgPipeline

from sd2_depth2img import DepthToImage

SEED, CFG = 5, 6.0
PROMPT, NEGATIVE = "a clay statue", "blurry"


@pytest.fixture(scope="module")
def pipeline(folder):
    loaded = StableDiffusionDepth2ImgPipeline.from_pretrained(folder)
    loaded.set_progress_bar_config(disable=True)
    loaded.scheduler = EulerDiscreteScheduler.from_config(
        loaded.scheduler.config, timestep_spacing="linspace"
    )
    return loaded


def test_the_image_is_the_same(pipeline, folder, pixels, monkeypatch):
    """Half of ten steps, which are five for us; at even strengths both visit whole timesteps."""
    depth = pixels[..., 1] / np.float32(255)
    (ours,) = DepthToImage(folder, device="cpu")(
        PROMPT,
        image=pixels,
        depth=depth,
        negative=NEGATIVE,
        strength=0.5,
        steps=5,
        cfg=CFG,
        seed=SEED,
        sampler="euler",
        scheduler="normal",
    )
    photo = torch.from_numpy(pixels / np.float32(255)).movedim(-1, 0)[None]

    def mean_latent(image, time, *_):
        """In place of one drawn from the VAE's distribution."""
        latent = pipeline.vae.encode(image).latent_dist.mean * pipeline.vae.config.scaling_factor
        noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(SEED))
        return pipeline.scheduler.add_noise(latent, noise, time)

    monkeypatch.setattr(pipeline, "prepare_latents", mean_latent)
    theirs = pipeline(
        PROMPT,
        photo,
        torch.from_numpy(depth)[None],
        strength=0.5,
        num_inference_steps=10,
        guidance_scale=CFG,
        negative_prompt=NEGATIVE,
    ).images[0]
    ours, theirs = (np.asarray(image).astype(int) for image in (ours, theirs))
    assert ours.std() > 5
    assert np.abs(ours - theirs).max() <= 1  # one cuts off, the other rounds
