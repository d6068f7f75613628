"""Inpainting through the nodes, with the bundled miniature on a real photograph."""

import itertools
from functools import partial

import pytest
import torch

from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.nodes.conditioning import SD2DepthEncode
from sd2_depth2img.nodes.crop import SD2DepthCrop, SD2DepthPrepare, SD2DepthStitch
from sd2_depth2img.nodes.inpaint import (
    SD2DepthInpaintEncode,
    SD2DepthStrengthMap,
    SD2DepthUnderMask,
)
from sd2_depth2img.nodes.sample import SD2DepthSampler
from sd2_depth2img.sampling.depth_channel import MissingDepthError
from sd2_depth2img.sampling.latents import MaskedContent, StrengthRule
from sd2_depth2img.workflows.core_nodes.conditioning import conditioning_combine


def sample(miniature, prompts, depth, latent, encode=None, **options):
    positive, negative = SD2DepthEncode().execute(*prompts, depth, **(encode or {}))
    settings = {
        "seed": 3,
        "steps": 3,
        "cfg": 3.0,
        "sampler_name": "dpmpp_2m",
        "scheduler": "karras",
        "positive": positive,
        "negative": negative,
        "latent_image": latent,
        **options,
    }
    (latent,) = SD2DepthSampler().execute(miniature[0], **settings)
    return latent


def inpainted(miniature, prompts, image, mask, depth, *, crop=None, encode=None, **options):
    """Crop, encode, sample, decode, stitch."""
    part, part_mask, part_depth, stitch = SD2DepthCrop().execute(
        image, mask, depth, size=64, **(crop or {})
    )
    vae = miniature[2]
    (latent,) = SD2DepthInpaintEncode().execute(part, part_mask, vae, **(encode or {}))
    result = vae.decode(sample(miniature, prompts, part_depth, latent, **options)["samples"])
    return SD2DepthStitch().execute(stitch, result)[0]


# --- the whole way --------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [content.value for content in MaskedContent])
@pytest.mark.parametrize("denoise", [1.0, 0.6])
def test_outside_of_the_mask_the_photograph_stays_bit_for_bit(
    miniature, prompts, image, mask, depth, content, denoise
):
    result = inpainted(
        miniature, prompts, image, mask, depth, encode={"content": content}, denoise=denoise
    )
    outside = mask == 0
    assert result.shape == image.shape
    assert torch.equal(result[outside], image[outside])
    assert (result - image).abs()[~outside].mean() > 0.02


def test_a_soft_mask_changes_nothing_outside_of_its_feather(miniature, prompts, image, mask, depth):
    soft = mask * 0.5
    result = inpainted(miniature, prompts, image, soft, depth)
    assert torch.equal(result[soft == 0], image[soft == 0])


def test_an_empty_mask_gives_the_photograph_back(miniature, prompts, image, mask, depth, caplog):
    result = inpainted(miniature, prompts, image, mask * 0, depth)
    assert torch.equal(result, image)
    assert "the mask is empty" in caplog.text


def test_an_empty_mask_costs_no_sampling(miniature, prompts, image, mask, depth, caplog):
    latent = encoded(miniature, image, mask * 0)
    assert sample(miniature, prompts, depth, latent)["samples"] is latent["samples"]
    assert "the mask is empty: the latent" in caplog.text


def test_a_full_mask_is_no_mask(miniature, prompts, image, depth):
    (part, part_mask, part_depth, _) = SD2DepthPrepare().execute(image, None, depth, size=64)
    assert (part_mask == 1).all()
    (latent,) = SD2DepthInpaintEncode().execute(part, part_mask, miniature[2])
    plain = {"samples": miniature[2].encode(part)}
    for denoise in (1.0, 0.5):
        results = [
            sample(miniature, prompts, part_depth, one, denoise=denoise)["samples"]
            for one in (latent, plain)
        ]
        assert torch.equal(*results)


def test_batches_of_images_masks_and_depth_maps(miniature, prompts, image, mask, depth):
    images = torch.cat([image, image.flip(2)])
    masks = torch.cat([mask, mask.roll(20, 2)])
    result = inpainted(miniature, prompts, images, masks, torch.cat([depth, depth.flip(2)]))
    assert result.shape == images.shape
    assert torch.equal(result[masks == 0], images[masks == 0])


# --- strength -------------------------------------------------------------------------------------


def masked_latents(miniature, image, mask, depth):
    """Latents of two photographs that differ under the mask only in colour, and of one depth."""
    other = torch.where(mask.unsqueeze(-1) > 0, 1 - image, image)
    part = slice(16, 144)
    return [
        SD2DepthInpaintEncode().execute(
            one[:, part, part], mask[:, part, part], miniature[2], grow=24
        )[0]
        for one in (image, other)
    ], depth[:, part, part]


def test_at_full_strength_the_sources_colours_do_not_matter(miniature, prompts, image, depth):
    sources = [{"samples": miniature[2].encode(one)} for one in (image, image.flip(3) * 0.5)]
    ours = [sample(miniature, prompts, depth, one)["samples"] for one in sources]
    assert torch.equal(*ours)
    rule = {"strength_rule": StrengthRule.KSAMPLER.value}
    theirs = [sample(miniature, prompts, depth, one, **rule)["samples"] for one in sources]
    assert not torch.allclose(*theirs, atol=0.1)


def test_under_a_mask_too_ours_forgets_the_colours_and_ksamplers_rule_does_not(
    miniature, prompts, image, mask, depth
):
    latents, part = masked_latents(miniature, image, mask, depth)
    # What the encoder spreads beyond the mask is not the rule's doing.
    outside = latents[0]["noise_mask"][0, 0] == 0
    latents[1]["samples"][..., outside] = latents[0]["samples"][..., outside]
    well_inside = (slice(None), slice(None), slice(6, 9), slice(8, 12))
    ours, theirs = (
        [
            sample(miniature, prompts, part, latent, strength_rule=rule.value)["samples"]
            for latent in latents
        ]
        for rule in (StrengthRule.PURE_NOISE, StrengthRule.KSAMPLER)
    )
    apart = (ours[0] - ours[1])[well_inside].abs().max()
    assert apart < 0.1 * (theirs[0] - theirs[1])[well_inside].abs().max()


def test_the_deviation_from_the_source_rises_with_the_masks_value(miniature, prompts, image, depth):
    part = slice(16, 144)
    photo, map_ = image[:, part, part], depth[:, part, part]
    source = miniature[2].encode(photo)
    deviations = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        grey = torch.full((1, 128, 128), value)
        (latent,) = SD2DepthInpaintEncode().execute(photo, grey, miniature[2])
        samples = sample(miniature, prompts, map_, latent, steps=12)["samples"]
        deviations.append(float((samples - source).square().mean().sqrt()))
    assert deviations[0] < 1e-4
    assert all(low < high for low, high in itertools.pairwise(deviations)), deviations


def test_depth_guidance_and_the_depth_maps_times_reach_the_sampler(
    miniature, prompts, image, depth
):
    latent = {"samples": torch.zeros(1, 4, 20, 28)}
    plain = sample(miniature, prompts, depth, latent)["samples"]
    off = sample(miniature, prompts, depth, latent, depth_guidance=1.0)["samples"]
    assert torch.equal(off, plain)
    stricter = sample(miniature, prompts, depth, latent, depth_guidance=2.0)["samples"]
    assert not torch.allclose(stricter, plain, atol=0.1)
    early = sample(miniature, prompts, depth, latent, {"end_percent": 0.3}, steps=6)["samples"]
    whole = sample(miniature, prompts, depth, latent, steps=6)["samples"]
    never = sample(miniature, prompts, depth, latent, {"strength": 0.0}, steps=6)["samples"]
    assert not torch.allclose(early, whole, atol=0.1)
    assert not torch.allclose(early, never, atol=0.1)


def test_depth_missing_in_one_area_is_told(miniature, prompts, depth):
    positive, negative = SD2DepthEncode().execute(*prompts, depth)
    both = conditioning_combine(positive, prompts[0])
    with pytest.raises(MissingDepthError, match="Depth Encode"):
        sample(
            miniature, prompts, depth, {"samples": torch.zeros(1, 4, 8, 8)}, positive=both,
            negative=negative,
        )  # fmt: skip


# --- what the sampler finds under the mask --------------------------------------------------------


def encoded(miniature, image, mask, **options):
    (latent,) = SD2DepthInpaintEncode().execute(image, mask, miniature[2], **options)
    return latent


def test_filling_takes_the_borders_colours(miniature, mask):
    image = torch.full((1, 160, 224, 3), 0.2)
    image[mask > 0] = torch.tensor([1.0, 0.0, 0.0])
    filled = miniature[2].decode(encoded(miniature, image, mask, content="fill")["samples"])
    assert (filled[mask > 0] - 0.2).abs().mean() < 0.08


def test_the_mask_is_grown_and_feathered_in_pixels(miniature, image, mask):
    """And given at the latent's size; the mask begins at 70, a latent pixel at 64 or 72."""
    grown = encoded(miniature, image, mask, grow=5)["noise_mask"]
    assert grown.shape == (1, 1, 20, 28)
    assert grown[0, 0, 10].tolist() == [0.0] * 8 + [1.0] * 9 + [0.0] * 11
    soft = encoded(miniature, image, mask, grow=5, feather=15)["noise_mask"][0, 0, 10]
    assert torch.equal(soft > 0, torch.tensor([6 <= n < 19 for n in range(28)]))
    assert 0 < soft[6] < soft[7] < soft[8] == 1


def test_the_smallest_mask_still_repaints_its_latent_pixel(miniature, prompts, image, depth):
    dot = torch.zeros(1, 160, 224)
    dot[:, 87, 103] = 1
    latent = encoded(miniature, image, dot, grow=0)
    assert latent["noise_mask"].sum() == 1
    result = sample(miniature, prompts, depth, latent)["samples"]
    change = (result - latent["samples"]).abs().amax(dim=(0, 1))
    assert (change > 0.01).nonzero().tolist() == [[10, 12]]


def test_growing_works_behind_a_crop(miniature, image, mask, depth):
    """Resizing leaves a soft rim around the mask, which must not stop it."""
    part, part_mask, _, _ = SD2DepthCrop().execute(image, mask, depth, size=256, padding=60)
    assert ((part_mask > 0) & (part_mask < 1)).any()
    kept, grown = (encoded(miniature, part, part_mask, grow=n)["noise_mask"] for n in (0, 16))
    assert (grown == 1).sum() > (kept > 0).sum()


def test_half_precision_images_are_taken(miniature, image, mask, depth):
    """ComfyUI's --fp16-intermediates."""
    whole = [one.execute(image.half(), mask, depth.half(), 64) for one in
             (SD2DepthCrop(), SD2DepthPrepare())]  # fmt: skip
    assert all(part[0].dtype == torch.float32 for part in whole)
    latent = encoded(miniature, image.half(), mask, content="fill")
    assert torch.isfinite(latent["samples"]).all()


def test_images_with_transparency_are_refused_before_anything_runs(miniature, mask, depth):
    transparent = torch.rand(1, 160, 224, 4)
    for node in (SD2DepthCrop(), SD2DepthPrepare()):
        with pytest.raises(ValueError, match="channel is alpha"):
            node.run(image=transparent, mask=mask, depth=depth)
    with pytest.raises(ValueError, match="channel is alpha"):
        SD2DepthInpaintEncode().run(image=transparent, mask=mask, vae=miniature[2])


@pytest.mark.parametrize(
    ("image_shape", "mask_shape", "options", "message"),
    [
        ((1, 100, 64, 3), (1, 100, 64), {}, "64 x 100 pixels; the latent needs multiples of 8"),
        ((1, 64, 64, 3), (1, 32, 64), {}, "64 x 32 pixels, what it belongs to 64 x 64"),
        ((1, 64, 64, 3), (2, 64, 64), {}, "2 masks cannot be shared out to 1"),
        (
            (1, 64, 64, 3),
            (1, 64, 64),
            {"content": "fill"},
            "no border.* smaller mask.*`content`",
        ),
    ],
)
def test_what_cannot_be_encoded_is_refused(miniature, image_shape, mask_shape, options, message):
    inputs = {"image": torch.rand(image_shape), "mask": torch.ones(mask_shape), **options}
    with pytest.raises(ValueError, match=message):
        SD2DepthInpaintEncode().run(vae=miniature[2], **inputs)


# --- depth under the mask -------------------------------------------------------------------------


def under(depth, mask, *arguments, **options):
    return SD2DepthUnderMask().execute(depth, mask, *arguments, **options)[0]


def test_keep_keeps(depth, mask):
    assert torch.equal(under(depth, mask), depth)


def test_smooth_fill_continues_a_ramp_and_removes_a_bump(depth, mask):
    bump = depth + 0.3 * mask.unsqueeze(-1)
    filled = under(bump, mask, "smooth fill", grow=2)
    assert (filled - depth).abs().max() < 0.06
    far = (slice(None), slice(None), slice(0, 60))
    assert torch.equal(filled[far], bump[far])


def test_another_map_is_put_under_the_mask_alone(depth, mask):
    other = to_image(torch.full((1, 160, 224), 0.9))
    result = under(depth, mask, "other map", other, grow=0)
    assert (result[mask > 0] == 0.9).all()
    assert torch.equal(result[mask == 0], depth[mask == 0])


def test_the_other_map_must_be_there_and_fit(depth, mask):
    under = partial(SD2DepthUnderMask().run, depth=depth)
    with pytest.raises(ValueError, match=r"no other map.*Connect one to the input `other`"):
        under(mask=mask, under_mask="other map")
    with pytest.raises(
        ValueError, match=r"224 x 80 pixels .* same width and height\. Upscale Image"
    ):
        under(mask=mask, under_mask="other map", other=depth[:, :80])
    with pytest.raises(ValueError, match=r"no border.* smaller mask.*`under_mask`"):
        under(mask=torch.ones(1, 160, 224), under_mask="smooth fill")


# --- strength from depth --------------------------------------------------------------------------


def test_near_and_far_get_their_strengths():
    depth = to_image(torch.linspace(0.2, 0.6, 101).expand(1, 4, 101))
    (mask,) = SD2DepthStrengthMap().execute(depth)
    row = mask[0, 0]
    assert row[:45].tolist() == pytest.approx([1.0] * 45)
    assert row[56:].tolist() == pytest.approx([0.4] * 45)
    assert row[50] == pytest.approx(0.7, abs=0.01)
    assert (row.diff() <= 1e-6).all()
    (hard,) = SD2DepthStrengthMap().execute(depth, 1.0, 0.0, 0.25, 0.0)
    assert hard[0, 0].tolist() == [0.0] * 25 + [1.0] * 76


def test_a_flat_map_is_far_everywhere_and_says_so(caplog):
    (mask,) = SD2DepthStrengthMap().execute(torch.full((1, 4, 4, 3), 0.3))
    assert (mask == 1.0).all()
    assert "the depth map is flat" in caplog.text


# --- progress -------------------------------------------------------------------------------------


def test_images_and_maps_are_worked_on_one_by_one_under_a_progress_bar(
    miniature, image, mask, depth, progress_bars
):
    images, maps = image.repeat(3, 1, 1, 1), depth.repeat(3, 1, 1, 1)
    runs = [
        lambda: SD2DepthInpaintEncode().execute(images, mask, miniature[2], content="fill"),
        lambda: SD2DepthUnderMask().execute(maps, mask, "smooth fill"),
        lambda: SD2DepthUnderMask().execute(maps, mask, "other map", depth),
        lambda: SD2DepthStrengthMap().execute(maps),
    ]
    for run in runs:
        progress_bars.clear()
        progress_bars.cancel_after = None
        run()
        assert progress_bars
        assert all((bar.total, bar.done) == (3, 3) for bar in progress_bars)
        progress_bars.cancel_after = 2
        with pytest.raises(KeyboardInterrupt):
            run()
        assert progress_bars[-1].done == 2


def test_another_map_that_is_not_asked_for_is_not_looked_at(depth, mask):
    assert torch.equal(under(depth, mask, "keep", torch.rand(7, 3, 3, 3)), depth)
