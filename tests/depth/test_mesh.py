"""The surface of a depth map: places of known maps, cuts, winding, sizes."""

import logging
import math
from itertools import pairwise

import pytest
import torch

from sd2_depth2img.depth.mesh import NoSurface, surface

ALL = {"view_angle": 90.0, "far": 4.0, "cut": 1.0, "most": 10**9}


def mesh_of(depth, **options):
    return surface(depth, **{**ALL, **options})


def normals(mesh):
    corners = mesh.vertices[mesh.triangles]
    return torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def ramp(height=5, width=9):
    return torch.linspace(0, 1, width, dtype=torch.float64).expand(height, width)


# --- places --------------------------------------------------------------------------------------


def test_every_pixel_lies_where_a_pinhole_camera_has_it():
    """At 90 degrees the focal length is half of the longer side."""
    found = mesh_of(ramp())
    for index, (row, column) in enumerate((r, c) for r in range(5) for c in range(9)):
        disparity = 0.25 + 0.75 * column / 8  # from 4 units away to 1
        x, y, z = (found.vertices[index] * disparity).tolist()
        assert z == pytest.approx(-1)
        assert x == pytest.approx((column + 0.5 - 4.5) / 4.5)
        assert y == pytest.approx((2.5 - row - 0.5) / 4.5)
        assert found.places[index].tolist() == pytest.approx([(column + 0.5) / 9, (row + 0.5) / 5])


def test_the_nearest_is_1_unit_away_and_the_farthest_as_far_as_asked():
    z = mesh_of(ramp(), far=7.0).vertices[:, 2]
    assert (float(z.max()), float(z.min())) == pytest.approx((-1, -7))
    assert mesh_of(ramp(), far=1.0).vertices[:, 2].unique().tolist() == pytest.approx([-1])


@pytest.mark.parametrize("shape", [(40, 30), (30, 40)])
def test_the_longer_side_is_seen_under_the_angle(shape):
    found = mesh_of(torch.ones(shape), view_angle=60.0).vertices
    across = found[:, :2].abs().amax() * max(shape) / (max(shape) - 1)  # to the image's edge
    assert math.degrees(2 * math.atan(float(across))) == pytest.approx(60)


# --- triangles -----------------------------------------------------------------------------------


def test_a_whole_map_gives_two_triangles_for_every_four_pixels_all_towards_the_camera():
    depth = torch.rand(7, 6, generator=torch.Generator().manual_seed(1))
    found = mesh_of(depth)
    assert len(found.vertices) == 42
    assert len(found.triangles) == 2 * 6 * 5
    middles = found.vertices[found.triangles].mean(dim=1)
    assert ((normals(found) * -middles).sum(dim=-1) > 0).all()
    # Seen from the camera they cover the image once: the areas in it add up.
    corners = found.places[found.triangles]
    (a, b), (c, d) = ((corners[:, k] - corners[:, 0]).unbind(-1) for k in (1, 2))
    assert float((a * d - b * c).abs().sum() / 2) == pytest.approx(6 / 7 * 5 / 6)


def test_no_triangle_reaches_over_a_step_and_none_is_missing_beside_it():
    depth = torch.zeros(20, 30)
    depth[5:15, 10:20] = 0.5
    found = mesh_of(depth, cut=0.1)
    z = found.vertices[:, 2][found.triangles]
    assert torch.equal(z.amin(dim=1), z.amax(dim=1))
    inside = (z[:, 0] > -3).sum()
    assert inside == 2 * 9 * 9
    around = 2 * (19 * 29 - 11 * 11)
    assert around <= len(z) - inside <= around + 8  # a triangle more at each corner


def test_a_slope_below_the_threshold_is_whole_and_one_above_it_is_in_pieces():
    slope = torch.linspace(0, 1, 21).expand(10, 21)  # 0.1 in 2 pixels
    assert len(mesh_of(slope, cut=0.101).triangles) == 2 * 9 * 20
    with pytest.raises(NoSurface, match="has steps everywhere"):
        mesh_of(slope, cut=0.099)


@pytest.mark.parametrize("side", [200, 600])
@pytest.mark.parametrize("most", [2000, 10**9])
def test_a_soft_step_is_cut_and_a_slope_whole_in_any_resolution(side, most):
    """A slope of a quarter in the image's half; a step of the same, soft over 2% of it."""
    across = torch.linspace(0, 1, side)
    soft = ((across - 0.74) / 0.02).clamp(0, 1) * 0.4
    depth = ((across.clamp(max=0.5) * 0.5) + soft).expand(side // 4, side)
    found = mesh_of(depth, cut=0.1, most=most)
    left = found.places[found.triangles][..., 0]
    at = torch.linspace(0.02, 0.98, 100)
    covered = torch.stack([((left.amin(1) < x) & (left.amax(1) > x)).any() for x in at])
    assert covered[(at < 0.72) | (at > 0.78)].all()
    assert not covered[(at > 0.745) & (at < 0.755)].any()


def test_a_small_step_is_no_cut_however_sharp_it_is():
    depth = torch.zeros(40, 1000)
    depth[:, 500:] = 0.09
    assert len(mesh_of(depth, cut=0.1).triangles) == 2 * 39 * 999


def test_squares_are_divided_along_a_slanted_step():
    """So that of each square on it one triangle stays."""
    near = torch.arange(12) >= torch.arange(12).unsqueeze(-1)
    for depth in (near.float(), near.flip(0).float(), near.flip(1).float()):
        found = mesh_of(depth, cut=0.5)
        z = found.vertices[:, 2][found.triangles]
        assert torch.equal(z.amin(dim=1), z.amax(dim=1))
        assert (z[:, 0] == -1).sum() == 11 * 11


def test_vertices_that_belong_to_no_triangle_are_left_out():
    depth = torch.zeros(9, 9)
    depth[4, 4] = 1.0
    found = mesh_of(depth, cut=0.5)
    assert len(found.vertices) == 80
    assert set(found.triangles.unique().tolist()) == set(range(80))


# --- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 2), (2, 17), (33, 7), (101, 64)])
@pytest.mark.parametrize("most", [4, 100, 1000])
def test_a_limit_of_vertices_is_kept_and_said(shape, most, caplog):
    with caplog.at_level(logging.WARNING):
        found = mesh_of(torch.ones(shape), most=most)
    assert len(found.vertices) <= most
    assert bool(caplog.records) == (shape[0] * shape[1] > most)
    # To the ends of the map, evenly, at pixels' centres.
    for side, places in zip(reversed(shape), found.places.unbind(-1), strict=True):
        at = (places.unique() * side - 0.5).tolist()
        assert (at[0], at[-1]) == pytest.approx((0, side - 1))
        assert at == pytest.approx([round(one) for one in at], abs=1e-9)
        gaps = [b - a for a, b in pairwise(at)]
        assert max(gaps) - min(gaps) < 1.001


def test_a_limit_is_used_well():
    for shape in ((1024, 1024), (1100, 1024), (300, 2000)):
        assert 0.85 * 300_000 < len(mesh_of(torch.ones(shape), most=300_000).vertices) <= 300_000


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_a_line_of_pixels_has_no_surface(shape):
    with pytest.raises(NoSurface, match="has no surface; expected 2 x 2 or more"):
        mesh_of(torch.ones(shape))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"view_angle": 180.0}, "view_angle is 180; expected 1 to 170"),
        ({"far": 0.5}, "far is 0.5; expected a finite number, 1 or more"),
        ({"cut": float("nan")}, "cut is nan"),
    ],
)
def test_numbers_that_cannot_be_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        mesh_of(ramp(), **wrong)
