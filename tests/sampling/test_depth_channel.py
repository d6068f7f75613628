"""The fifth channel against diffusers, against the training's formula, and its rules."""

import pytest
import torch
import torch.nn.functional as F
from diffusers import StableDiffusionDepth2ImgPipeline
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.sampling.depth_channel import (
    DEPTH_KEY,
    DepthCondition,
    MissingDepthError,
    Normalize,
    attach_depth,
    find_depth,
)


@pytest.fixture
def depth():
    return torch.rand(2, 96, 128, generator=torch.Generator().manual_seed(3))


def test_agrees_with_diffusers_prepare_depth_map(depth):
    pipeline = object.__new__(StableDiffusionDepth2ImgPipeline)
    pipeline.vae_scale_factor = 8
    # It takes the latent's size from an image and the depth map as given.
    image = torch.zeros(2, 3, 96, 128)
    theirs = StableDiffusionDepth2ImgPipeline.prepare_depth_map(
        pipeline, image, depth, 2, False, torch.float32, torch.device("cpu")
    )
    ours = DepthCondition(depth).channel(2, 12, 16)
    assert torch.linalg.norm(ours - theirs) <= 1e-5 * torch.linalg.norm(theirs)


def test_is_the_formula_of_the_training(depth):
    # ldm/models/diffusion/ddpm.py: resize, then 2 (d - min) / (max - min + 0.001) - 1, on MiDaS's
    # own values, which go into the thousands.
    midas = depth * 3000.0 + 500.0
    resized = F.interpolate(midas[:, None], size=(12, 16), mode="bicubic", align_corners=False)
    low, high = resized.amin((1, 2, 3), keepdim=True), resized.amax((1, 2, 3), keepdim=True)
    theirs = 2.0 * (resized - low) / (high - low + 0.001) - 1.0
    ours = DepthCondition(midas).channel(2, 12, 16)
    assert (ours - theirs).abs().max() < 1e-5


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 999),
    scale=st.floats(1e-3, 1e4),
    shift=st.floats(-100, 100),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_per_image_ignores_scale_and_shift_and_spans_the_range(seed, scale, shift, size):
    depth = torch.rand(
        1, 24, 32, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    channel = DepthCondition((depth * scale + shift).float()).channel(1, *size)
    if size == (1, 1):
        assert channel.item() == -1.0
        return
    assert channel.min() == -1.0
    assert channel.max() == pytest.approx(1.0, abs=1e-6)
    plain = DepthCondition(depth.float()).channel(1, *size)
    assert (channel - plain).abs().max() < 1e-2 * max(1.0, abs(shift) / scale)


@pytest.mark.parametrize("size", [(16, 16), (500, 741), (3, 5)])
@pytest.mark.parametrize("value", [0.0, 0.3, 0.5, 1.0, 1234.5])
def test_a_flat_map_gives_minus_one(value, size):
    # 0.3 at 500 x 741 is not quite flat any more once it is fitted.
    flat = torch.full((1, *size), value)
    assert (DepthCondition(flat).channel(1, 64, 96) == -1.0).all()
    pair = torch.cat([flat, torch.rand(1, *size)])
    assert (DepthCondition(pair).channel(2, 64, 96)[0] == -1.0).all()
    batch = DepthCondition(flat.repeat(2, 1, 1), Normalize.WHOLE_BATCH)
    assert (batch.channel(2, 64, 96) == -1.0).all()


def test_flat_and_squeezed_maps_are_told(caplog):
    condition = DepthCondition(torch.stack([torch.full((50, 80), 0.3), torch.rand(50, 80)]))
    assert "1 of 2 depth maps is flat" in caplog.text
    condition.channel(2, 40, 64)
    assert "squeezed" not in caplog.text
    condition.channel(2, 64, 64)
    assert "80 x 50 pixels, the latent 64 x 64: it is squeezed" in caplog.text


def test_whole_batch_keeps_the_maps_comparable():
    maps = torch.stack([torch.linspace(0, 0.5, 64).reshape(8, 8), torch.full((8, 8), 1.0)])
    channel = DepthCondition(maps, Normalize.WHOLE_BATCH).channel(2, 8, 8)
    assert channel[0].max() == pytest.approx(0.0)
    assert (channel[1] == 1.0).all()


def test_fixed_range_and_none_leave_the_map_unstretched():
    maps = torch.linspace(0.25, 0.75, 64).reshape(1, 8, 8)
    fixed = DepthCondition(maps, Normalize.FIXED_RANGE, low=0.5, high=1.0).channel(1, 8, 8)
    assert fixed.min() == pytest.approx(-2.0)
    assert fixed.max() == pytest.approx(0.0)
    none = DepthCondition(maps, Normalize.NONE).channel(1, 8, 8)
    assert torch.allclose(none[:, 0], 2 * maps - 1)


def test_strength_scales_the_finished_channel(depth):
    full = DepthCondition(depth).channel(2, 12, 16)
    assert torch.allclose(DepthCondition(depth, strength=0.5).channel(2, 12, 16), full * 0.5)
    assert (DepthCondition(depth, strength=0.0).channel(2, 12, 16) == 0).all()


def test_maps_repeat_over_a_batch_and_refuse_to_be_shared_out_unevenly(depth):
    channel = DepthCondition(depth).channel(4, 12, 16)
    assert torch.equal(channel[:2], channel[2:])
    with pytest.raises(ValueError, match=r"2 depth maps .*shared out to 3 latents"):
        DepthCondition(depth).channel(3, 12, 16)
    with pytest.raises(ValueError, match=r"2 depth maps .* 1 latents"):
        DepthCondition(depth).channel(1, 12, 16)


def test_half_precision_maps_become_float32():
    assert DepthCondition(torch.rand(1, 8, 8).half()).channel(1, 4, 4).dtype == torch.float32


def test_bad_maps_are_refused_with_what_was_found():
    with pytest.raises(ValueError, match=r"shape \(8, 8\); expected \[batch"):
        DepthCondition(torch.rand(8, 8))
    with pytest.raises(ValueError, match="the depth map: 1 of 2 values is NaN"):
        DepthCondition(torch.tensor([[[0.0, float("nan")]]]))
    with pytest.raises(ValueError, match="low"):
        DepthCondition(torch.rand(1, 8, 8), Normalize.FIXED_RANGE, low=1.0, high=1.0)


def test_attach_copies_and_find_reads(depth):
    context = torch.zeros(1, 77, 64)
    conditioning = [[context, {"strength": 0.5}]]
    condition = DepthCondition(depth)
    attached = attach_depth(conditioning, condition)
    assert attached[0][0] is context
    assert attached[0][1] == {"strength": 0.5, DEPTH_KEY: condition}
    assert conditioning == [[context, {"strength": 0.5}]]
    assert find_depth(attached[0][1], "positive") is condition


def test_missing_depth_names_the_conditioning():
    with pytest.raises(MissingDepthError, match="negative conditioning has no depth"):
        find_depth({}, "negative")


# --- The depth map for a part of the way ----------------------------------------------------------


def spans(conditioning):
    """(start, end, whether the model sees the depth) of every entry."""
    return [
        (
            values.get("start_percent", 0.0),
            values.get("end_percent", 1.0),
            values[DEPTH_KEY].strength == 1.0,
        )
        for _, values in conditioning
    ]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.0, 1.0, {(0.0, 1.0, True)}),
        (0.0, 0.4, {(0.0, 0.4, True), (0.4, 1.0, False)}),
        (0.3, 1.0, {(0.0, 0.3, False), (0.3, 1.0, True)}),
        (0.2, 0.7, {(0.0, 0.2, False), (0.2, 0.7, True), (0.7, 1.0, False)}),
    ],
)
def test_the_rest_of_the_way_goes_on_without_depth(depth, start, end, expected):
    found = attach_depth([[torch.zeros(1), {}]], DepthCondition(depth), start, end)
    assert set(spans(found)) == expected


def test_an_entrys_own_times_are_kept(depth):
    entry = [torch.zeros(1), {"start_percent": 0.5, "end_percent": 0.9}]
    found = attach_depth([entry], DepthCondition(depth), 0.0, 0.6)
    assert set(spans(found)) == {(0.5, 0.6, True), (0.6, 0.9, False)}
    assert set(spans(attach_depth([entry], DepthCondition(depth), 0.0, 0.4))) == {(0.5, 0.9, False)}


@pytest.mark.parametrize("times", [(0.5, 0.5), (0.7, 0.2), (-0.1, 1.0), (0.0, 1.5)])
def test_an_empty_part_of_the_way_is_refused(depth, times):
    with pytest.raises(ValueError, match="expected two numbers from 0 to 1"):
        attach_depth([[torch.zeros(1), {}]], DepthCondition(depth), *times)
