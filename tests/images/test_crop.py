"""Boxes, the way to the working size and back: aligned to the pixel, bit for bit outside."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.images.crop import (
    LONGEST,
    MULTIPLE,
    Box,
    Fit,
    Stitch,
    bounds,
    check_image,
    crop,
    frame_box,
    mask_box,
    own_size_box,
    resize_image,
    resize_map,
    resize_window,
    working_size,
)

sides = st.integers(8, 200)


@st.composite
def scenes(draw):
    """Images [B, H, W, 3] with masks [B, H, W] of every sort."""
    batch, height, width = draw(st.integers(1, 3)), draw(sides), draw(sides)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    images = torch.rand(batch, height, width, 3, generator=generator)
    masks = torch.zeros(batch, height, width)
    for one in masks:
        kind = draw(st.sampled_from(("empty", "full", "box", "soft", "dots")))
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        bottom, right = draw(st.integers(top, height)), draw(st.integers(left, width))
        if kind == "full":
            one[:] = 1
        elif kind == "box":
            one[top : bottom + 1, left : right + 1] = 1
        elif kind == "soft":
            one[top : bottom + 1, left : right + 1] = draw(st.floats(0.01, 0.99))
        elif kind == "dots":
            one[:] = (torch.rand(height, width, generator=generator) < 0.01).float()
    return images, masks


def cropped(image, mask, padding=8, short=64):
    box, height, width = mask_box(mask, padding, short)
    return crop(image, mask, box, height, width)


# --- crop and stitch ------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(scene=scenes(), padding=st.integers(0, 50), feather=st.integers(0, 20))
def test_crop_and_stitch_without_work_are_the_identity(scene, padding, feather):
    image, mask = scene
    part, stitch = cropped(image, mask, padding)
    assert torch.equal(stitch.paste(part, feather), image)


@settings(max_examples=150, deadline=None)
@given(scene=scenes(), padding=st.integers(0, 50), feather=st.integers(0, 20), seed=st.integers(0))
def test_outside_of_the_mask_every_bit_is_the_sources(scene, padding, feather, seed):
    image, mask = scene
    part, stitch = cropped(image, mask, padding)
    result = torch.rand(part.shape, generator=torch.Generator().manual_seed(seed % 2**31))
    whole = stitch.paste(result, feather)
    outside = mask == 0
    assert torch.equal(whole[outside], image[outside])
    assert whole.shape == image.shape
    assert torch.isfinite(whole).all()
    if (mask == 1).any() and feather == 0:
        assert not torch.equal(whole[mask == 1], image[mask == 1])


def test_a_full_mask_takes_the_result_as_it_is():
    image, result = torch.rand(1, 64, 128, 3), torch.rand(1, 64, 128, 3)
    part, stitch = cropped(image, torch.ones(1, 64, 128))
    assert part.shape == result.shape
    assert torch.equal(stitch.paste(result), result)
    assert torch.equal(stitch.paste(result, feather=9), result)


def test_an_empty_mask_gives_the_source_back_and_says_so(caplog):
    image = torch.rand(1, 64, 64, 3)
    part, stitch = cropped(image, torch.zeros(1, 64, 64))
    assert "nothing will be repainted" in caplog.text
    caplog.clear()
    assert torch.equal(stitch.paste(1 - part), image)
    assert "unchanged" in caplog.text


def test_only_the_touched_part_of_a_crop_changes():
    """Somebody paints one corner of the cropped image by hand."""
    image = torch.rand(1, 64, 64, 3)
    part, stitch = cropped(image, torch.ones(1, 64, 64), short=128)
    touched = part.clone()
    touched[:, :32, :32] = 0
    whole = stitch.paste(touched)
    assert torch.equal(whole[:, 20:, 20:], image[:, 20:, 20:])
    assert (whole[:, :14, :14] == 0).all()


def test_grey_takes_the_result_whole():
    """How much grey changes, the sampler has decided already."""
    image = torch.zeros(1, 64, 64, 3)
    _, stitch = cropped(image, torch.full((1, 64, 64), 0.4))
    assert (stitch.paste(torch.ones(1, 64, 64, 3)) == 1).all()


def test_images_of_a_batch_do_not_see_each_other():
    """Overshoot is held to each image's own values."""
    images = torch.rand(2, 60, 90, 3)
    images[0] *= 0.5
    box, mask = Box(0, 0, 60, 90), torch.ones(2, 60, 90)
    parts, _ = crop(images, mask, box, 128, 192)
    for index in (0, 1):
        one = slice(index, index + 1)
        alone, _ = crop(images[one], mask[one], box, 128, 192)
        assert torch.equal(parts[one], alone)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_images_and_results_are_refused(value):
    image = torch.rand(1, 64, 64, 3)
    part, stitch = cropped(image, torch.ones(1, 64, 64))
    part[0, 5, 5] = value
    with pytest.raises(ValueError, match="3 NaN or infinite values"):
        stitch.paste(part)
    with pytest.raises(ValueError, match="3 NaN or infinite values"):
        check_image(part)


def test_results_of_half_precision_leave_the_source_as_it_is():
    image, mask = torch.rand(1, 100, 100, 3), torch.zeros(1, 100, 100)
    mask[:, 30:60, 30:60] = 1
    part, stitch = cropped(image, mask, short=128)
    whole = stitch.paste((1 - part).half())
    assert whole.dtype == torch.float32
    assert torch.equal(whole[mask == 0], image[mask == 0])


def test_the_seam_rises_from_the_masks_border():
    image, mask = torch.zeros(1, 64, 64, 3), torch.zeros(1, 64, 64)
    mask[:, :, 32:] = 1
    _, stitch = crop(image, mask, Box(0, 0, 64, 64), 64, 64)
    row = stitch.paste(torch.ones(1, 64, 64, 3), feather=7)[0, 30, :, 0]
    assert (row[:32] == 0).all()
    assert torch.allclose(row[32:40], torch.arange(1, 9) / 8, atol=0.01)
    assert (row[40:] == 1).all()


def test_several_results_of_one_image():
    image, mask = torch.rand(1, 64, 64, 3), torch.zeros(1, 64, 64)
    mask[:, 10:50, 10:50] = 1
    part, stitch = cropped(image, mask)
    wholes = stitch.paste(torch.rand(4, *part.shape[1:]))
    assert wholes.shape == (4, 64, 64, 3)
    assert (wholes[:, mask[0] == 0] == image[:, mask[0] == 0]).all()
    assert not torch.equal(wholes[0], wholes[1])


@pytest.mark.parametrize("size", [(128, 160), (104, 128)])
def test_a_result_that_a_second_pass_enlarged_fits_too(size):
    """By 2, and by 1.6 with sides rounded to multiples of 8."""
    image, mask = torch.rand(1, 64, 80, 3), torch.ones(1, 64, 80)
    _, stitch = crop(image, mask, Box(0, 0, 64, 80), 64, 80)
    large = torch.full((1, *size, 3), 0.25)
    assert torch.allclose(stitch.paste(large), torch.tensor(0.25))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((64, 64, 3), "expected"),
        ((1, 64, 96, 3), "96 x 64 pixels; expected 64 x 64"),
        ((1, 64, 67, 3), "67 x 64 pixels; expected 64 x 64"),
        ((1, 64, 64, 4), "expected"),
        ((3, 64, 64, 3), "3 results cannot be shared out to 2"),
        ((0, 64, 64, 3), "expected"),
    ],
)
def test_results_that_do_not_fit_are_refused(shape, message):
    _, stitch = cropped(torch.rand(2, 64, 64, 3), torch.ones(2, 64, 64))
    with pytest.raises(ValueError, match=message):
        stitch.paste(torch.rand(shape))


def test_a_box_outside_of_the_image_is_refused():
    image, mask = torch.rand(1, 20, 20, 3), torch.ones(1, 20, 20)
    for box in (Box(20, 0, 5, 5), Box(0, -9, 5, 9), Box(-5, 3, 5, 5)):
        with pytest.raises(ValueError, match="outside of the image of 20 x 20"):
            crop(image, mask, box, 64, 64)


@given(st.builds(Box, *[st.integers(-9, 9)] * 2, *[st.integers(1, 9)] * 2))
def test_the_message_says_where_a_box_may_go(box):
    """The ends that it names reach into the image, and what lies beyond them does not."""
    try:
        box.inside(5, 7, "patch")
    except ValueError as error:
        said = re.search(
            r"the patch .* x from (-?\d+) to (-?\d+) and y from (-?\d+) to", str(error)
        )
        left, right, top = map(int, said.groups())
        assert not left <= box.left <= right or box.top < top or box.top >= 5
        box._replace(left=left, top=top).inside(5, 7)
        box._replace(left=right, top=4).inside(5, 7)


# --- alignment ------------------------------------------------------------------------------------


def waves(height, width, top=0, left=0, rows=None, columns=None):
    """A smooth pattern [H, W] over a plane, sampled at the centres of a box's pixels."""
    rows, columns = rows or height, columns or width
    y = top + (torch.arange(rows) + 0.5) * height / rows
    x = left + (torch.arange(columns) + 0.5) * width / columns
    return 0.5 + 0.25 * torch.sin(y / 9)[:, None] + 0.25 * torch.cos(x / 7)


@pytest.mark.parametrize("short", [64, 128, 192])
def test_image_mask_and_depth_show_the_same_place_to_a_hundredth_of_a_pixel(short):
    """A shift of half a pixel would be an error of 0.03."""
    whole = waves(160, 200)
    mask = torch.zeros(1, 160, 200)
    mask[:, 41:120, 37:150] = 1
    box, height, width = mask_box(mask, 5, short)
    truth = waves(box.height, box.width, box.top, box.left, height, width)
    image, _ = crop(whole[None, ..., None].repeat(1, 1, 1, 3), mask, box, height, width)
    inner = (slice(4, -4), slice(4, -4))
    assert (image[0, ..., 0] - truth)[inner].abs().max() < 1e-2
    depth = resize_map(box.of(whole[None]), height, width)[0]
    assert (depth - truth)[inner].abs().max() < 1e-2
    assert (depth - image[0, ..., 1])[inner].abs().mean() < 3e-3


@pytest.mark.parametrize("short", [64, 128, 192])
def test_what_is_painted_comes_back_to_its_place(short):
    image, mask = torch.zeros(1, 160, 200, 3), torch.zeros(1, 160, 200)
    mask[:, 41:120, 37:150] = 1
    box, height, width = mask_box(mask, 0, short)
    _, stitch = crop(image, mask, box, height, width)
    painted = waves(box.height, box.width, box.top, box.left, height, width)
    whole = stitch.paste(painted[None, ..., None].repeat(1, 1, 1, 3))[0, ..., 0]
    truth = waves(160, 200)
    assert (whole - truth)[48:112, 44:142].abs().max() < 1e-2


def test_a_checkerboard_keeps_its_phase_on_the_way_there_and_back():
    board = ((torch.arange(96)[:, None] // 8 + torch.arange(128)[None] // 8) % 2).float()
    image = board[None, ..., None].repeat(1, 1, 1, 3)
    mask = torch.zeros(1, 96, 128)
    mask[:, 16:80, 24:104] = 1
    box, height, width = mask_box(mask, 0, 256)
    part, stitch = crop(image, mask, box, height, width)
    back = stitch.paste(part + 1e-6)  # changed everywhere, by next to nothing
    inner = (slice(20, 76), slice(28, 100))
    for axis in (0, 1):
        before, here, after = (
            (back[0, ..., 0][inner] - board.roll(shift, axis)[inner]).abs().mean()
            for shift in (-1, 0, 1)
        )
        assert here < 0.5 * before
        # A shift of a hundredth of a pixel would make one side nearer than the other by 2 %.
        assert abs(after - before) < 0.02 * before
    fields = (slice(2, 6), slice(2, 6))  # the inside of every field, away from its edges
    blocks = back[0, 16:80, 24:104, 0].unfold(0, 8, 8).unfold(1, 8, 8)[(..., *fields)]
    truth = board[16:80, 24:104].unfold(0, 8, 8).unfold(1, 8, 8)[(..., *fields)]
    assert (blocks - truth).abs().max() < 0.1


# --- which box ------------------------------------------------------------------------------------


@given(height=st.integers(1, 5000), width=st.integers(1, 5000), units=st.integers(1, 16))
def test_working_sizes_are_what_the_model_wants(height, width, units):
    rows, columns = working_size(height, width, units * MULTIPLE)
    assert min(rows, columns) == units * MULTIPLE
    assert rows % MULTIPLE == columns % MULTIPLE == 0
    assert max(rows, columns) <= LONGEST * units * MULTIPLE
    if max(height, width) / min(height, width) <= LONGEST:
        wanted = max(height, width) / min(height, width) * units * MULTIPLE
        assert abs(max(rows, columns) - wanted) <= MULTIPLE / 2 + 1e-6
    assert (rows > columns) <= (height > width)


@settings(deadline=None)
@given(scene=scenes(), padding=st.integers(0, 60), units=st.integers(1, 4))
def test_the_box_holds_the_mask_in_the_working_shape_inside_the_image(scene, padding, units):
    _, mask = scene
    box, rows, columns = mask_box(mask, padding, units * MULTIPLE)
    assert abs(box.height * columns - box.width * rows) <= max(rows, columns)  # to the pixel
    height, width = mask.shape[1:]
    covered = (mask > 0).any(dim=0)
    inside = box.inside(height, width)
    covered[inside.top : inside.top + inside.height, inside.left : inside.left + inside.width] = 0
    assert not covered.any()
    if box.height <= height:
        assert 0 <= box.top <= height - box.height
    if box.width <= width:
        assert 0 <= box.left <= width - box.width


@given(height=sides, width=sides, fit=st.sampled_from(Fit))
def test_frames_of_whole_images(height, width, fit):
    box, rows, columns = frame_box(height, width, 64, fit)
    if fit is Fit.STRETCH:
        assert box == Box(0, 0, height, width)
        return
    assert abs(box.height * columns - box.width * rows) <= max(rows, columns)
    if fit is Fit.CROP:
        assert box.inside(height, width) == box
        assert box.height == height or box.width == width
    else:
        assert box.top <= 0 <= height <= box.top + box.height
        assert box.left <= 0 <= width <= box.left + box.width


@pytest.mark.parametrize("size", [0, 32, 100, -64])
def test_sizes_that_are_no_multiples_of_64_are_refused(size):
    with pytest.raises(ValueError, match="multiple of 64"):
        working_size(10, 10, size)


@given(st.integers(1, 100), st.integers(1, 100), st.sampled_from([8, 64]))
def test_an_image_at_its_own_scale_lies_in_the_middle_of_its_box(height, width, multiple):
    box, rows, columns = own_size_box(height, width, multiple)
    assert (box.height, box.width) == (rows, columns)
    for side, whole, start in ((height, rows, box.top), (width, columns, box.left)):
        assert whole % multiple == 0
        assert whole - multiple < side <= whole
        before, after = -start, whole - side + start
        assert before - after in (0, 1)


def test_edges_go_on_where_a_box_reaches_beyond():
    image = torch.rand(1, 10, 10, 3)
    part, _ = crop(image, torch.ones(1, 10, 10), Box(-2, -3, 16, 16), 16, 16)
    assert torch.equal(part[:, 0, 3:13], image[:, 0])
    assert torch.equal(part[:, 2:12, 0], image[:, :, 0])
    assert torch.equal(part[:, 2:12, 3:13], image)


def test_resizing_an_image_stays_within_its_values():
    image = torch.zeros(1, 32, 32, 3)
    image[:, 16:] = 1
    large = resize_image(image, 100, 100)
    assert (large.min(), large.max()) == (0, 1)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.rand(1, 8, 8, 4), r"8, 4\]; expected RGB"),
        (torch.rand(8, 8, 3), "expected RGB"),
        (torch.rand(1, 8, 8, 1), "expected RGB"),
        (torch.zeros(1, 8, 8, 3, dtype=torch.uint8), "expected floats"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        check_image(image)


def test_very_long_images_are_told_about(caplog):
    frame_box(100, 1000, 64, Fit.CROP)
    assert "at most 2 times" in caplog.text


def test_a_stitch_says_where_it_came_from():
    image, mask = torch.rand(1, 20, 30, 3), torch.ones(1, 20, 30)
    _, stitch = crop(image, mask, Box(0, 0, 20, 10), 128, 64)
    assert isinstance(stitch, Stitch)
    assert stitch.mask[:, :, :10].all()
    assert not stitch.mask[:, :, 10:].any()


# --- boxes and windows ----------------------------------------------------------------------------


@st.composite
def windows(draw):
    """A map, a size for it, and a box inside of that."""
    side, factor = st.integers(1, 24), st.floats(0.2, 9)
    shape = draw(st.integers(1, 2)), draw(side), draw(side)
    height, width = (max(1, round(side * draw(factor))) for side in shape[1:])
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    box = Box(top, left, draw(st.integers(1, height - top)), draw(st.integers(1, width - left)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    return torch.rand(shape, generator=generator), height, width, box


def test_a_single_column_is_resized_like_a_single_row():
    row = torch.rand(1, 1, 5)
    for size in (2, 9):
        assert torch.equal(resize_map(row.mT, size, 1), resize_map(row, 1, size).mT)


@given(windows())
def test_a_window_of_an_enlarged_map_is_cut_out_of_the_whole(case):
    depth, height, width, box = case
    result = resize_window(depth, height, width, box)
    expected = box.of(resize_map(depth, height, width))
    assert result.shape == expected.shape
    assert (result - expected).abs().max() < 1e-5
    assert depth.min() <= result.min()
    assert result.max() <= depth.max()


def test_a_window_of_a_huge_map_takes_no_more_than_its_own_size():
    """The whole would have 17 billion pixels."""
    columns = torch.arange(2048.0).expand(1, 2048, 2048) / 2047
    result = resize_window(columns, 131072, 131072, Box(50000, 64 * 1000 + 32, 128, 128))
    expected = (1000 + torch.arange(128) / 64 + 1 / 128) / 2047
    assert torch.allclose(result, expected.expand(1, 128, 128), atol=1e-6)


def test_the_bounds_of_masks_hold_all_of_them_and_no_more():
    masks = torch.zeros(2, 20, 30)
    assert bounds(masks) is None
    masks[0, 3, 7], masks[1, 11, 5] = 0.2, 1
    assert bounds(masks) == Box(3, 5, 9, 3)


@given(*[st.tuples(st.integers(-9, 9), st.integers(-9, 9), sides, sides)] * 2)
def test_what_two_boxes_have_in_common_lies_in_both(one, other):
    def pixels(box):
        rows, columns = range(box.top, box.top + box.height), range(box.left, box.left + box.width)
        return {(row, column) for row in rows for column in columns}

    one, other = (Box(*corner, min(h, 12), min(w, 12)) for *corner, h, w in (one, other))
    common = one.common(other)
    assert (pixels(common) if common else set()) == pixels(one) & pixels(other)
    assert pixels(one) <= pixels(one.grown(2))


def test_a_mask_over_everything_cuts_nothing_off_and_is_told_about(caplog):
    box, *size = mask_box(torch.ones(1, 64, 128), padding=8, short=64)
    assert [box.height, box.width] == [64, 128] == size
    assert "the mask covers everything" in caplog.text
