"""Small moves of the camera: known truths, holes, properties, bad input."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.depth.camera import Camera, Move, camera_path
from sd2_depth2img.depth.parallax import view, widen
from sd2_depth2img.tests.depth.scenes import box_scene

RIGHT, UP, FORWARD = Camera(1, 0, 0), Camera(0, 1, 0), Camera(0, 0, 1)


def smooth_image(height=64, width=80, seed=0):
    noise = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(noise, (height, width), mode="bicubic")[0].movedim(0, -1).clamp(0, 1)


def test_numbers_that_are_not_finite_are_refused():
    image, depth = torch.rand(4, 4, 3), torch.rand(4, 4)
    with pytest.raises(ValueError, match="strength is nan"):
        view(image, depth, Camera(1.0, 0.0, 0.0), float("nan"))
    with pytest.raises(ValueError, match="forward is inf"):
        view(image, depth, Camera(1.0, 0.0, float("inf")), 3.0)
    with pytest.raises(ValueError, match="plane is nan"):
        view(image, depth, Camera(1.0, 0.0, 0.0), 3.0, float("nan"))


# --- known truths --------------------------------------------------------------------------------


@pytest.mark.parametrize("move", Move)
def test_strength_0_is_the_image_bit_for_bit(photo, move):
    depth = torch.rand(512, 512)
    for camera in camera_path(move, 3):
        assert torch.equal(view(photo[0], depth, camera, 0.0), photo[0])


def test_a_camera_that_has_not_moved_sees_the_image_bit_for_bit(photo):
    found = view(photo[0], torch.rand(512, 512), Camera(0, 0, 0), 30.0)
    assert torch.equal(found, photo[0])
    assert found.data_ptr() != photo.data_ptr()


@pytest.mark.parametrize(("depth", "pixels"), [(0.25, 2), (0.5, 4), (1.0, 8), (0.75, 6)])
def test_a_plane_moves_as_a_plane_against_the_camera(depth, pixels):
    image = smooth_image()
    plane = torch.full((64, 80), depth)
    right = view(image, plane, RIGHT, 8.0)
    assert torch.allclose(right[:, : -pixels - 1], image[:, pixels:-1], atol=2e-2)
    left = view(image, plane, Camera(-1, 0, 0), 8.0)
    assert torch.allclose(left[:, pixels + 1 :], image[:, 1:-pixels], atol=2e-2)
    up = view(image, plane, UP, 8.0)
    assert torch.allclose(up[pixels + 1 :], image[1:-pixels], atol=2e-2)


def test_the_far_stands_still():
    image = smooth_image()
    for camera in (RIGHT, UP, FORWARD):
        found = view(image, torch.zeros(64, 80), camera, 8.0)
        assert torch.allclose(found, image, atol=1e-2)


def test_forward_a_plane_is_enlarged_about_the_middle():
    """At the ends of the longer sides the nearest points move by the strength."""
    image = smooth_image(64, 80)
    found = view(image, torch.ones(64, 80), FORWARD, 10.0)
    factor = 1 + 10 / 40
    x = ((torch.arange(80) - 39.5) / factor + 0.5) / 40
    y = ((torch.arange(64) - 31.5) / factor + 0.5) / 32
    places = torch.stack(torch.meshgrid(x - 0.0125, y - 0.015625, indexing="xy"), dim=-1)
    expected = F.grid_sample(
        image.movedim(-1, 0)[None], places[None], mode="bilinear", align_corners=False
    )[0].movedim(0, -1)
    assert (found - expected)[2:-2, 2:-2].abs().max() < 0.05
    assert (found - expected)[2:-2, 2:-2].abs().mean() < 2e-3


def test_a_box_before_a_wall_moves_whole_and_the_wall_behind_it_is_filled_from_the_wall():
    image, depth = box_scene()
    found = view(image, depth, RIGHT, 10.0)
    red = found[..., 0] > 0.5
    rows, columns = red.nonzero().unbind(1)
    assert (rows.min(), rows.max()) == (16, 31)
    # All of it lies 10 pixels further to the left.
    assert (columns.min(), columns.max()) == (14, 29)
    assert red.sum() == 16 * 16
    hole = found[18:30, 31:37]  # behind the box before, with nothing known about it
    assert hole[..., 0].max() < 0.1
    assert hole[..., 2].min() > 0.5
    assert hole[..., 2].max() < 0.9


@pytest.mark.parametrize("width", [1, 2, 3, 17])
@pytest.mark.parametrize("move", [Move.SWAY, Move.CIRCLE])
def test_of_an_exact_map_no_column_is_lost_in_any_frame(width, move):
    image, depth = torch.zeros(40, 72, 3), torch.zeros(40, 72)
    image[..., 2] = 0.5
    columns = slice(30, 30 + width)
    image[10:30, columns], depth[10:30, columns] = torch.tensor([1.0, 0.0, 0.0]), 1.0
    for camera in camera_path(move, 12):
        red = view(image, depth, camera, 10.0)[..., 0] > 0.6
        whole = all(abs(10 * part - round(10 * part)) < 1e-6 for part in camera)
        most = (20, width) if whole else (21, width + 1)  # half pixels on either side
        rows, across = red.any(dim=1).sum(), red.any(dim=0).sum()
        assert 20 <= rows <= most[0]
        assert width <= across <= most[1]
        assert red.sum() >= rows * across - 4  # no gaps; a corner may be half covered
        left = int(red.any(dim=0).nonzero()[0])
        assert abs(left - (30 - 10 * camera.right)) <= 1


def test_near_hides_far_whichever_way_it_moves():
    image, depth = box_scene()
    for camera, (top, left) in ((RIGHT, (16, 14)), (Camera(-1, 0, 0), (16, 34)), (UP, (26, 24))):
        found = view(image, depth, camera, 10.0)
        assert (found[top + 2 : top + 14, left + 2 : left + 14, 0] > 0.99).all()


def test_nearer_moves_more():
    width = 96
    image = torch.zeros(60, width, 3)
    depth = torch.zeros(60, width)
    for index in range(5):
        rows = slice(index * 12, index * 12 + 12)
        depth[rows] = index / 4
        image[rows, 45:51] = 1.0
    found = view(image, depth, Camera(-1, 0, 0), 12.0)
    columns = torch.arange(width, dtype=torch.float32)
    shifts = []
    for index in range(5):
        line = found[index * 12 + 6, :, 0]
        shifts.append(float((line * columns).sum() / line.sum()) - 47.5)
    assert shifts == pytest.approx([0, 3, 6, 9, 12], abs=0.05)


def test_a_slope_is_stretched_and_not_torn():
    image = smooth_image()
    slope = torch.linspace(1, 0, 80).expand(64, 80)
    found = view(image, slope, Camera(-1, 0, 0), 8.0)
    # The point q moves to q + 8 · (1 − q/79).
    q = (torch.arange(80) - 8) / (1 - 8 / 79)
    inside = (q >= 0) & (q <= 78)
    left = q[inside].floor().long()
    share = (q[inside] - left).unsqueeze(-1)
    expected = torch.lerp(image[:, left], image[:, left + 1], share)
    assert (found[:, inside] - expected).abs().max() < 2e-2


# --- the plane that stands still, and the lens ---------------------------------------------------


def edge_of_a_box(depth, camera, plane, strength=10.0):
    """Where the left edge of a box of that depth is seen; in the image it is at 24."""
    image, map_ = torch.zeros(48, 64, 3), torch.zeros(48, 64)
    image[16:32, 24:40, 0], map_[16:32, 24:40] = 1.0, depth
    found = view(image, map_, camera, strength, plane)[20:28, :, 0].mean(dim=0)
    inside = int((found > 0.99).nonzero()[0])
    return inside - float(found[max(0, inside - 2) : inside].sum())


@pytest.mark.parametrize("plane", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("depth", [0.25, 0.5, 1.0])
def test_nearer_than_the_plane_goes_one_way_and_farther_the_other(depth, plane):
    assert edge_of_a_box(depth, RIGHT, plane) == pytest.approx(24 - 10 * (depth - plane), abs=0.6)
    left = Camera(-1, 0, 0)
    assert edge_of_a_box(depth, left, plane) == pytest.approx(24 + 10 * (depth - plane), abs=0.6)


@pytest.mark.parametrize("depth", [0.3, 0.6])
def test_forward_what_is_at_the_plane_keeps_its_size(depth):
    """And nearer things grow, farther ones shrink: a dolly zoom."""
    assert edge_of_a_box(depth, FORWARD, depth) == pytest.approx(24, abs=0.1)
    assert edge_of_a_box(0.9, FORWARD, depth) < 23.5
    assert edge_of_a_box(0.1, FORWARD, depth) > 24.4
    grown = (1 + 10 / 32 * 0.9) / (1 + 10 / 32 * depth)  # from the middle, which is at 32
    assert edge_of_a_box(0.9, FORWARD, depth) == pytest.approx(32 - 8 * grown, abs=0.6)


@pytest.mark.parametrize("plane", [0.0, 0.7])
def test_a_zoom_enlarges_all_depths_alike(plane):
    image, depth = smooth_image(), torch.rand(64, 80)
    found = view(image, depth, Camera(0, 0, 0, 1.0), 10.0, plane)
    if plane:
        assert torch.equal(found, view(image, depth, Camera(0, 0, 0, 1.0), 10.0))
    places = F.affine_grid(torch.eye(2, 3).unsqueeze(0) / (1 + 10 / 40), (1, 3, 64, 80), False)
    expected = F.grid_sample(
        image.movedim(-1, 0)[None], places, padding_mode="border", align_corners=False
    )[0]
    assert torch.allclose(found, expected.movedim(0, -1), atol=1e-5)


def test_a_plane_at_the_depth_of_all_shows_no_move():
    image = smooth_image()
    for camera in (RIGHT, UP, FORWARD, Camera(1, 0, 0.5)):
        found = view(image, torch.full((64, 80), 0.5), camera, 8.0, 0.5)
        assert torch.allclose(found, image, atol=2e-2)


# --- properties ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 24),
    st.integers(1, 24),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 60),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_any_view_is_finite_of_the_same_size_and_of_the_images_values(
    height, width, right, up, forward, zoom, strength, plane, seed
):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(height, width, 3, generator=generator) * 0.6 + 0.2
    depth = torch.rand(height, width, generator=generator)
    before = image.clone(), depth.clone()
    found = view(image, depth, Camera(right, up, forward, zoom), strength, plane)
    assert found.shape == image.shape
    assert found.isfinite().all()
    assert image.min() <= found.min()
    assert found.max() <= image.max()
    assert torch.equal(image, before[0])
    assert torch.equal(depth, before[1])


def test_an_image_and_its_mirror_image_move_alike(photo):
    image = photo[0, :128, 128:320]
    depth = smooth_image(128, 192, seed=4)[..., 0]
    found = view(image, depth, RIGHT, 9.0)
    mirrored = view(image.flip(1), depth.flip(1), Camera(-1, 0, 0), 9.0).flip(1)
    assert (found - mirrored).abs().mean() < 2e-3


# --- widening ------------------------------------------------------------------------------------


def test_widening_moves_near_edges_outwards_only():
    depth = box_scene()[1]
    wide = widen(depth, 3)
    assert (wide[13:35, 21:43] == 1).all()
    assert int((wide == 1).sum()) == 22 * 22
    assert torch.equal(widen(depth, 0), depth)
