"""Editing depth maps through the nodes: what all of them promise, and each on a real photograph."""

import re
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.depth.preview import examine
from sd2_depth2img.nodes import NODE_DISPLAY_NAME_MAPPINGS
from sd2_depth2img.nodes.depth_convert import SD2DepthConvert
from sd2_depth2img.nodes.depth_edit import (
    SD2DepthAdjust,
    SD2DepthFill,
    SD2DepthMerge,
    SD2DepthRangeMask,
    SD2DepthRefine,
)
from sd2_depth2img.nodes.estimate import SD2DepthEstimate
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader


def run(node, *arguments, **options):
    return node().execute(*arguments, **options)[0]


def noise(batch, height, width):
    """The same for every image of a batch, [batch, height, width, 3]."""
    values = torch.rand(1, height, width, 1, generator=torch.Generator().manual_seed(7))
    return values.repeat(batch, 1, 1, 3)


def patch_for(depth):
    """A slope with noise, a part as high as the map."""
    height, width = depth.shape[1] // 2 + 1, depth.shape[2]
    slope = torch.linspace(0.2, 0.7, width)[None, None, :, None]
    return slope + 0.2 * noise(1, height, width)


def adjust(depth, **options):
    return run(SD2DepthAdjust, depth, **options)


def refine(depth, **options):
    return run(SD2DepthRefine, depth, noise(len(depth), *depth.shape[1:3]), **options)


def merge(depth, **options):
    return run(SD2DepthMerge, depth, patch_for(depth), **options)


def fill(depth, **options):
    return run(SD2DepthFill, depth, **options)


def to_distance(depth, mask=None, feather=0, **options):
    """Distances of 0.5 to 1, so that they lie in 0..1 as all the others do; no grey in the mask."""
    back = {"direction": "disparity to distance", "near": 0.5, "far": 1.0}
    if mask is not None:
        mask = mask.masked_fill((mask > 0) & (mask < 1), 1)
    return run(SD2DepthConvert, depth, mask=mask, **back, **options)


def to_disparity(depth, **options):
    return run(SD2DepthConvert, depth * 0.5 + 0.5, **options)


# A row for every way in which a node edits a map.
EDITS = {
    "levels": partial(adjust, near=0.7, far=0.2),
    "percentiles": partial(adjust, near=0.95, far=0.1, clip_by="percentile"),
    "curve": partial(adjust, invert=True, gamma=0.6, contrast=1.7, plane=0.4, offset=0.1),
    "gaussian": partial(adjust, smooth=2.0),
    "edge-preserving": partial(adjust, smooth=3.0, smoothing="edge-preserving"),
    "joint bilateral": refine,
    "guided": partial(refine, method="guided"),
    "nearest": merge,
    "farthest": partial(merge, mode="farthest wins"),
    "over, matched": partial(merge, mode="over", match="scale and shift", x=1),
    "over, shifted": partial(merge, mode="over", match="shift", depth_offset=0.3, scale=1.5),
    "under": partial(merge, mode="under", y=-1),
    "blend": partial(merge, mode="blend", blend=0.3),
    "plane": fill,
    "ramp": partial(fill, shape="ramp"),
    "dome": partial(fill, shape="dome"),
    "relief": partial(fill, shape="relief of the mask"),
    "smooth fill": partial(fill, shape="smooth fill"),
    "distance": to_distance,
}
MASKS = {
    "interval": partial(run, SD2DepthRangeMask, near=0.8, far=0.3, softness=0.1),
    "foreground": partial(run, SD2DepthRangeMask, near=1.0, far=0.5, split="foreground", feather=2),
    "background": partial(run, SD2DepthRangeMask, near=1.0, far=0.5, split="background"),
}
each_edit = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
each_mask = pytest.mark.parametrize("make", MASKS.values(), ids=MASKS)


@st.composite
def depths(draw):
    """IMAGE [B, H, W, 3]: noise, a few steps, or flat."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(3, 20), st.integers(3, 20)))
    depth = torch.rand(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 999))))
    steps = draw(st.sampled_from([0, 1, 4]))  # 0: as many as there are
    return to_image((depth * steps).floor() / steps if steps else depth)


def mask_for(depth, count=None):
    """A grey mask with a 0 and a 1 in every map."""
    shape = (count or len(depth), *depth.shape[1:3])
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    mask = (mask * 2 - 0.6).clamp(0, 1)
    mask[:, 0, 0], mask[:, -1, -1] = 0, 1
    return mask


@pytest.fixture
def depth():
    """Two maps with a slope and a step."""
    slope = torch.linspace(0, 0.5, 24).expand(2, 16, 24).clone()
    slope[0, 4:10, 6:14] += 0.4
    slope[1, 2:6, 12:20] += 0.3
    return to_image(slope)


# --- what all of them promise ---------------------------------------------------------------------


@each_edit
@settings(deadline=None, max_examples=15)
@given(depths(), st.integers(0, 5))
def test_the_result_is_a_map_of_the_same_size_and_mask_0_changes_no_bit(edit, depth, feather):
    mask = mask_for(depth)
    before = depth.clone()
    result = edit(depth, mask=mask, feather=feather)
    assert result.shape == depth.shape
    assert result.dtype == torch.float32
    assert result.isfinite().all()
    assert result.min() >= 0
    assert result.max() <= 1
    assert torch.equal(result[..., 0], result[..., 2])
    assert torch.equal(result[mask == 0], depth[mask == 0])
    assert torch.equal(depth, before)  # the input is not written to


@each_edit
def test_the_mask_lets_through_and_one_serves_all_maps(edit, depth):
    mask = mask_for(depth, 1)
    result = edit(depth, mask=mask)
    assert not torch.equal(result, depth)
    assert torch.equal(result, edit(depth, mask=mask.repeat(2, 1, 1)))


@each_edit
def test_an_empty_mask_changes_nothing(edit, depth):
    assert torch.equal(edit(depth, mask=torch.zeros(1, 16, 24)), depth)


@each_edit
def test_every_map_of_a_batch_is_edited_by_itself(edit, depth):
    mask = mask_for(depth)
    together = edit(depth, mask=mask)
    for index in (0, 1):
        one = slice(index, index + 1)
        assert torch.equal(together[one], edit(depth[one], mask=mask[one]))


@pytest.mark.parametrize("edit", [*EDITS.values(), *MASKS.values()], ids=[*EDITS, *MASKS])
def test_maps_are_done_one_by_one_under_a_progress_bar_and_can_be_cancelled(
    edit, depth, progress_bars
):
    mask = mask_for(depth)
    whole = edit(depth, mask=mask)
    assert [(bar.total, bar.done) for bar in progress_bars] == [(2, 2)]
    assert progress_bars[0].description in NODE_DISPLAY_NAME_MAPPINGS.values()
    progress_bars.cancel_after = 1
    with pytest.raises(KeyboardInterrupt):
        edit(depth, mask=mask)
    assert progress_bars[1].done == 1
    progress_bars.cancel_after = None
    assert torch.equal(edit(depth, mask=mask), whole)


@each_edit
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_taken(edit, depth, dtype):
    mask = mask_for(depth)
    lower = edit(depth.to(dtype), mask=mask.to(dtype))
    assert lower.dtype == torch.float32
    assert torch.equal(lower, edit(depth.to(dtype).float(), mask=mask.to(dtype).float()))


@pytest.mark.parametrize("edit", [*EDITS.values(), *MASKS.values()], ids=[*EDITS, *MASKS])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int32])
def test_integers_are_refused_by_name(edit, depth, dtype):
    with pytest.raises(ValueError, match=str(dtype).replace(".", r"\.")):
        edit((depth * 200).to(dtype), mask=mask_for(depth))


@pytest.mark.parametrize("edit", [*EDITS.values(), *MASKS.values()], ids=[*EDITS, *MASKS])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda depth: depth[..., :2], "expected \\[batch, height, width"),
        (lambda depth: depth * 40, "goes from -?.* to .*; expected 0"),
        (lambda depth: depth * torch.nan, "no finite pixel"),
    ],
)
def test_what_is_no_depth_map_is_refused(edit, depth, change, message):
    with pytest.raises(ValueError, match=message):
        edit(change(depth), mask=mask_for(depth))


@pytest.mark.parametrize("edit", [*EDITS.values(), *MASKS.values()], ids=[*EDITS, *MASKS])
@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(1, 8, 8), "8 x 8 pixels"),
        (torch.ones(3, 16, 24), "3 masks"),
        (torch.full((1, 16, 24), 1.5), "goes from 1.5"),
    ],
)
def test_masks_that_do_not_fit_are_refused(edit, depth, mask, message):
    with pytest.raises(ValueError, match=message):
        edit(depth, mask=mask)


@pytest.mark.parametrize("edit", [*EDITS.values(), *MASKS.values()], ids=[*EDITS, *MASKS])
def test_holes_are_filled_and_what_resizing_added_is_clipped_with_warnings(edit, depth, caplog):
    spoilt = depth.clone()
    spoilt[0, 3, 3] = torch.nan
    spoilt[1, 9, 9] = 1.02
    result = edit(spoilt, mask=mask_for(depth))
    assert result.isfinite().all()
    assert result.max() <= 1
    assert "1 of 768 depth pixels is NaN" in caplog.text
    assert "1 of 768 depth pixels is outside" in caplog.text


@each_mask
@settings(deadline=None, max_examples=15)
@given(depths())
def test_a_mask_made_of_depth_fits_its_map_and_stays_within_the_given_one(make, depth):
    only = mask_for(depth)
    result = make(depth, mask=only)
    assert result.shape == depth.shape[:3]
    assert result.min() >= 0
    assert (result <= only).all()
    assert torch.equal(make(depth), make(depth, mask=torch.ones(1, *depth.shape[1:3])))


@pytest.mark.parametrize("name", ["nearest", "farthest", "plane", "ramp", "dome", "relief"])
def test_what_puts_in_a_depth_does_nothing_twice(name, depth):
    mask = (mask_for(depth) > 0).float()
    patch = patch_for(depth)
    edit = partial(run, SD2DepthMerge, patch=patch) if name == "nearest" else EDITS[name]
    if name == "farthest":
        edit = partial(run, SD2DepthMerge, patch=patch, mode="farthest wins")
    once = edit(depth, mask=mask)
    assert torch.equal(edit(once, mask=mask), once)


# --- each by itself -------------------------------------------------------------------------------


def test_adjust_as_it_comes_changes_no_bit(depth):
    assert torch.equal(adjust(depth), depth)


def test_two_inversions_cancel_out(depth):
    assert torch.allclose(adjust(adjust(depth, invert=True), invert=True), depth, atol=1e-6)


def test_refine_gives_the_photographs_size(depth):
    photo = torch.rand(4, 48, 72, 3)
    mask = torch.zeros(1, 48, 72)
    mask[:, :24] = 1
    assert run(SD2DepthRefine, depth, photo).shape == photo.shape
    limited = run(SD2DepthRefine, depth, photo, mask=mask)
    enlarged = run(SD2DepthRefine, depth, photo, radius=0.0)
    assert torch.equal(limited[:, 24:], enlarged[:, 24:])
    assert not torch.equal(limited[:, :24], enlarged[:, :24])


def test_merge_puts_a_cut_out_patch_back(depth):
    patch = depth[:, 3:12, 5:18] * 0.4 + 0.35
    options = {"mode": "over", "x": 5, "y": 3}
    back = run(SD2DepthMerge, depth, patch, match="scale and shift", **options)
    assert torch.allclose(back, depth, atol=1e-5)
    assert not torch.allclose(run(SD2DepthMerge, depth, patch, **options), depth, atol=0.05)


def test_convert_finds_its_ends_in_the_whole_batch_and_names_the_map_without_a_pixel():
    metres = torch.stack([torch.linspace(2, 8, 64), torch.linspace(4, 20, 64)]).reshape(2, 8, 8)
    disparity = run(SD2DepthConvert, to_image(metres))[..., 0]
    assert disparity[0].max() == 1
    assert disparity[1].max() < 0.5
    assert disparity[0].min() > 0
    assert disparity[1].min() == 0
    metres[1] = torch.nan
    with pytest.raises(ValueError, match="depth map 1 of 2"):
        run(SD2DepthConvert, to_image(metres))


def test_patches_that_cannot_be_shared_out_are_refused(depth):
    with pytest.raises(ValueError, match="3 entries of patch cannot be shared out to 2"):
        run(SD2DepthMerge, depth, torch.rand(3, 4, 4, 1))


def test_merge_takes_only_what_the_patchs_mask_covers(depth):
    patch = torch.ones(1, 4, 4, 3)
    shape = torch.zeros(1, 4, 4)
    shape[:, 1:3, 1:3] = 1
    result = run(SD2DepthMerge, depth, patch, x=10, y=10, patch_mask=shape)
    assert (result != depth)[..., 0].sum() == 2 * 4
    with pytest.raises(ValueError, match="16 x 9 pixels"):
        run(SD2DepthMerge, depth, patch, patch_mask=torch.ones(1, 9, 16))


def test_foreground_and_background_are_the_two_parts_of_a_map(depth):
    front, back = (run(SD2DepthRangeMask, depth, 1.0, 0.5, split=s) for s in list(MASKS)[1:])
    assert torch.equal(front + back, torch.ones_like(front))
    assert front[0, 5, 10] == 1
    assert front[0, 0, 0] == 0
    feathered = run(SD2DepthRangeMask, depth, 1.0, 0.5, split="foreground", feather=3)
    assert (feathered >= front).all()
    assert ((feathered > 0) & (feathered < 1)).any()


@pytest.mark.parametrize("unit", ["metric", "linear 0..1"])
def test_convert_inverts_itself(depth, unit):
    ends = {"unit": unit, "near": 0.3, "far": 40.0}
    there = run(SD2DepthConvert, depth, direction="disparity to distance", **ends)
    assert torch.allclose(run(SD2DepthConvert, there, **ends), depth, atol=1e-5)


def test_convert_takes_distances_in_metres_with_sky_and_holes(caplog):
    metres = torch.linspace(2, 50, 100).reshape(1, 10, 10)
    metres[0, 0, 0] = 0  # a sensor saw nothing
    metres[0, -1, 5:] = 1e10
    result = run(SD2DepthConvert, to_image(metres), sky=1e9)[..., 0]
    assert (result[0, -1, 5:] == 0).all()
    assert (result.min(), result.max()) == (0, 1)
    assert result[0, 0, 0] > 0.5
    assert "1 of 100 depth pixels is NaN" in caplog.text
    assert (result[0, :-1].flatten()[1:].diff() < 0).all()


def test_convert_is_limited_by_a_mask_also_where_there_is_sky():
    metres = torch.linspace(1, 2, 64).reshape(1, 8, 8).clone()
    metres[0, 0, :2] = torch.inf
    mask = torch.ones(1, 8, 8)
    mask[0, 4:] = 0
    metres[0, -1, -1] = torch.inf
    result = run(SD2DepthConvert, to_image(metres), mask=mask)[..., 0]
    assert result[0, :4].isfinite().all()
    assert torch.equal(result[0, 4:], metres[0, 4:])
    assert (result[0, 0, :2] == 0).all()


@pytest.mark.parametrize("direction", ["distance to disparity", "disparity to distance"])
def test_convert_refuses_to_mix_distances_with_disparity(depth, direction):
    ends = {"direction": direction, "near": 0.5, "far": 2.0}
    mask = torch.ones(1, 16, 24)
    mask[0, 1, :3] = 0.5
    with pytest.raises(ValueError, match=r"3 of \d+ mask pixels are grey.*Threshold Mask"):
        SD2DepthConvert().run(depth=depth[:1], mask=mask, **ends)
    assert "feather" not in SD2DepthConvert.INPUT_TYPES()["optional"]


def test_convert_takes_back_what_it_converted_under_a_mask():
    """What lies outside of the mask need not be disparity, and keeps every bit."""
    z = 1 + 8 * torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(0))
    z[0, 7, 7] = torch.inf
    mask = torch.zeros(1, 8, 8)
    mask[:, 2:6, 1:5] = 1
    ends = {"near": 1.0, "far": 9.0, "mask": mask}
    there = run(SD2DepthConvert, to_image(z), **ends)
    back = run(SD2DepthConvert, there, direction="disparity to distance", **ends)[..., 0]
    on = mask.bool().expand_as(z)
    assert torch.allclose(back[on], z[on], atol=1e-4)
    assert torch.equal(back[~on], z[~on])
    there[:, 3, 1] = torch.nan  # next to distances, which must not get in
    back = run(SD2DepthConvert, there, direction="disparity to distance", **ends)[..., 0]
    assert (back[:, 3, 1] <= z[:, 2:6, 1:5].amax(dim=(1, 2)) + 1e-4).all()
    with pytest.raises(ValueError, match="expected 0"):
        run(SD2DepthConvert, to_image(z), direction="disparity to distance", near=1.0, far=9.0)


def test_convert_keeps_what_is_near_near_where_resizing_overshot():
    linear = torch.full((1, 1, 12, 12), 0.9)
    linear[..., 3:9, 3:9] = 0.0
    large = F.interpolate(linear, scale_factor=4, mode="bicubic")
    assert large.min() < -0.01
    result = run(SD2DepthConvert, to_image(large[0]), unit="linear 0..1", near=0.1, far=1000.0)[
        ..., 0
    ]
    assert (result[large[0] <= 0] == 1).all()
    assert (result[:, 14:34, 14:34] == 1).all()


PHOTO = torch.rand(1, 16, 24, 3)


def test_a_raw_disparity_is_stretched_as_the_messages_say(depth):
    raw = depth * 40 - 3
    with pytest.raises(ValueError, match="expected 0") as refusal:
        SD2DepthAdjust().run(depth=raw)
    named = re.search("Convert Depth .*'(.+)'", str(refusal.value)).group(1)
    stretched = run(SD2DepthConvert, raw, unit=named)
    expected = (depth - depth.min()) / (depth.max() - depth.min())
    assert torch.allclose(stretched, expected, atol=1e-6)
    (hint,) = [note for note in examine(raw[0, ..., 0]) if "the depths run from" in note]
    assert f"'{named}'" in hint


@pytest.mark.parametrize(
    "edit",
    [
        lambda none, mask: SD2DepthRefine().run(depth=none, image=PHOTO),
        lambda none, mask: SD2DepthRefine().run(depth=none, image=PHOTO, mask=mask),
        lambda none, mask: SD2DepthMerge().run(depth=none, patch=PHOTO, mask=mask),
        lambda none, mask: SD2DepthMerge().run(depth=PHOTO, patch=none, patch_mask=mask),
        lambda none, mask: SD2DepthConvert().run(depth=none, mask=mask),
        lambda none, mask: SD2DepthFill().run(depth=none, mask=mask),
    ],
)
def test_an_empty_wire_is_named_whatever_else_is_connected(edit):
    mask = torch.ones(1, 16, 24)
    with pytest.raises(ValueError, match=r"there is no depth map\..*Use Depth Estimation"):
        edit(None, mask)
    with pytest.raises(ValueError, match=r"depth map has shape \(16, 24, 3\)"):
        edit(torch.rand(16, 24, 3), mask)


@pytest.mark.parametrize("size", [(16, 24), (96, 96)])
@each_edit
def test_load_images_empty_mask_changes_nothing_and_is_explained(edit, size, caplog):
    depth = noise(1, *size)
    assert torch.equal(edit(depth, mask=torch.zeros(1, 64, 64)), depth)
    assert "nothing is painted in it" in caplog.text


# --- on a photograph ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def estimated(photo):
    """[1, 512, 512, 3], as the miniature sees the astronaut."""
    depth_model = SD2DepthCheckpointLoader().execute(str(BUNDLED_CHECKPOINT))[3]
    return run(SD2DepthEstimate, photo, depth_model, resolution=256)


def edges(t):
    """Where a map or image [1, H, W, 3] has its steepest tenth."""
    grey = t[0].mean(-1).numpy()
    steep = np.hypot(*np.gradient(grey))
    return steep, steep > np.quantile(steep, 0.9)


def test_refined_edges_of_an_estimated_map_lie_on_the_photographs(estimated, photo):
    _, seen = edges(photo)
    refined = run(SD2DepthRefine, estimated, photo, radius=8.0)
    shares = [edges(depth)[0][seen].sum() / edges(depth)[0].sum() for depth in (estimated, refined)]
    assert shares[1] > 1.5 * shares[0]
    assert (refined - estimated).abs().mean() < 0.03


def test_the_foreground_of_a_portrait_is_the_person(estimated):
    mask = run(SD2DepthRangeMask, estimated, 1.0, 0.5, split="foreground")[0]
    assert mask[60:160, 190:260].mean() > 0.9  # the face
    assert mask[60:250, 420:].mean() < 0.1  # the wall
