"""What edits do to depths, each against its formula written out."""

import numpy as np
import pytest

from sd2_depth2img.depth.editing.effects import (
    EFFECTS,
    Scene,
    between,
    fitted_plane,
    gradient_depths,
    stamped,
)
from sd2_depth2img.depth.editing.ground import Area, Ground
from sd2_depth2img.depth.editing.state import Does, Effect, Gradient, Kind, Mode, Shape, Stamp
from sd2_depth2img.images.crop import Box

HEIGHT, WIDTH = 24, 30
BOX = Box(5, 6, 12, 15)
YS, XS = np.mgrid[:HEIGHT, :WIDTH] + 0.5


@pytest.fixture
def scene():
    """A map that differs from the one that came in."""
    rng = np.random.default_rng(5)
    base, depth = rng.random((2, HEIGHT, WIDTH)).astype(np.float32)
    return Scene(Ground(base, None, (WIDTH, HEIGHT)), depth)


@pytest.fixture
def area():
    weights = np.random.default_rng(6).random((BOX.height, BOX.width))
    weights[:3] = 1
    weights[-2:] = 0
    return Area(BOX, weights)


def on(depth):
    ground = Ground(depth, None, (depth.shape[1], depth.shape[0]))
    return Scene(ground, depth.copy())


def done(does, area, scene, **fields):
    return EFFECTS[does](Effect(does=does, **fields), area, scene)


def test_nearer_farther_and_set(scene, area):
    depth, w = scene.part(BOX), area.weights
    assert done(Does.NEARER, area, scene, amount=0.3) == pytest.approx(depth + 0.3 * w)
    assert done(Does.FARTHER, area, scene, amount=0.3) == pytest.approx(depth - 0.3 * w)
    expected = depth + 0.6 * w * (0.7 - depth)
    assert done(Does.SET, area, scene, amount=0.6, depth=0.7) == pytest.approx(expected)
    assert (done(Does.SET, area, scene, depth=0.7)[w == 1] == 0.7).all()


def test_scale_moves_depths_from_their_mean(scene, area):
    depth, w = scene.part(BOX), area.weights
    mean = np.average(depth, weights=w)
    scaled = done(Does.SCALE, area, scene, amount=3.0)
    assert scaled == pytest.approx(mean + (depth - mean) * (1 + 2 * w))
    flat = done(Does.SCALE, area, scene, amount=0.0)
    assert flat[:3] == pytest.approx(np.full((3, BOX.width), mean))


def test_smooth_keeps_the_mean_of_a_small_area_and_takes_its_roughness():
    depth = np.full((60, 60), 0.5, np.float32)
    depth[::2] = 0.6
    scene = on(depth)
    area = Area(Box(20, 20, 20, 20), np.ones((20, 20)))
    smooth = done(Does.SMOOTH, area, scene, reach=12.0)
    assert smooth == pytest.approx(np.full((20, 20), 0.55), abs=1e-3)
    half = done(Does.SMOOTH, area, scene, reach=12.0, amount=0.5)
    assert half == pytest.approx((smooth + scene.part(area.box)) / 2)


def test_smooth_is_nearly_a_gaussian():
    depth = np.zeros((61, 61), np.float32)
    depth[30, 30] = 1
    scene = on(depth)
    found = done(Does.SMOOTH, Area(scene.ground.frame, np.ones_like(depth)), scene, reach=12.0)
    far = np.hypot(*np.mgrid[-30:31, -30:31])
    sigma = np.sqrt(3 * ((2 * 4 + 1) ** 2 - 1) / 12)  # of three averages over 9 pixels
    gauss = np.exp(-(far**2) / (2 * sigma**2))
    assert np.abs(found - gauss / gauss.sum()).max() < 0.15 * found.max()


def test_sharpen_makes_a_slope_a_step_and_leaves_ends_and_flats():
    depth = np.tile(np.concatenate([np.zeros(10), np.linspace(0, 1, 11), np.ones(9)]), (20, 1))
    scene = on(depth.astype(np.float32))
    area = Area(Box(4, 0, 8, 30), np.ones((8, 30)))
    row = done(Does.SHARPEN, area, scene, reach=8.0)[3]
    assert (row[:10] == 0).all()
    assert (row[21:] == 1).all()
    assert row[15] == pytest.approx(0.5)
    assert np.diff(row).max() > 2 * np.diff(depth[0]).max()
    assert (np.diff(row) >= -1e-9).all()


def test_sharpen_leaves_what_has_no_edge(area):
    scene = on(np.full((HEIGHT, WIDTH), 0.3, np.float32))
    assert np.array_equal(done(Does.SHARPEN, area, scene), scene.part(BOX))


def test_flatten_finds_the_plane_that_noise_hides(area):
    plane = 0.2 + 0.01 * XS + 0.02 * YS
    noise = np.random.default_rng(7).normal(0, 0.01, plane.shape)
    scene = on((plane + noise).astype(np.float32))
    flat = done(Does.FLATTEN, area, scene)
    assert flat[:3] == pytest.approx(plane[BOX.slices][:3], abs=0.01)
    columns = np.stack([np.ones(BOX.width * 12), XS[BOX.slices].ravel(), YS[BOX.slices].ravel()], 1)
    w = np.sqrt(area.weights.ravel())[:, None]
    depth = scene.part(BOX)
    fit, *_ = np.linalg.lstsq(columns * w, depth.ravel() * w[:, 0], rcond=None)
    found = fitted_plane(depth, area.weights, BOX)
    assert found.ravel() == pytest.approx(columns @ fit, abs=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 12), (12, 2)])
def test_flatten_of_a_line_is_its_mean(scene, shape):
    depth = scene.part(Box(0, 0, *shape))
    found = fitted_plane(depth, np.ones(shape), Box(0, 0, *shape))
    assert found == pytest.approx(np.full(shape, depth.mean()))


def test_delete_goes_on_with_the_slope_around_the_hole():
    slope = 0.2 + 0.01 * XS
    depth = slope.astype(np.float32)
    depth[8:16, 10:18] = 0.9  # what is to go
    scene = on(depth)
    area = Area(Box(7, 9, 10, 10), np.ones((10, 10)))
    filled = done(Does.DELETE, area, scene)
    assert filled == pytest.approx(slope[7:17, 9:19], abs=0.02)


def test_delete_fills_from_the_four_sides_by_their_distance():
    depth = np.zeros((7, 7), np.float32)
    depth[3, 0], depth[3, 6], depth[0, 3], depth[6, 3] = 0.1, 0.2, 0.4, 0.8
    hole = np.zeros((7, 7))
    hole[3, 1:6] = hole[1:6, 3] = 1
    scene = on(depth)
    filled = done(Does.DELETE, Area(scene.ground.frame, hole), scene)
    raw = depth.astype(float)
    for y, x in zip(*np.nonzero(hole), strict=True):
        lines = [raw[y, x + 1 :], raw[y, :x][::-1], raw[y + 1 :, x], raw[:y, x][::-1]]
        outs = [hole[y, x + 1 :], hole[y, :x][::-1], hole[y + 1 :, x], hole[:y, x][::-1]]
        near = [
            (line[out == 0][0], 1 + int(np.argmin(out)))
            for line, out in zip(lines, outs, strict=True)
        ]
        depth[y, x] = sum(d / n for d, n in near) / sum(1 / n for _, n in near)
    smooth = depth.astype(float)
    for _ in range(2):
        padded = np.pad(smooth, 1, constant_values=np.nan)
        around = [padded[a : a + 7, b : b + 7] for a in range(3) for b in range(3)]
        smooth = np.where(hole, np.nanmean(around, axis=0), smooth)
    assert filled[hole > 0] == pytest.approx(smooth[hole > 0], abs=1e-6)


def test_delete_without_a_border_changes_nothing_and_says_so(scene, caplog):
    area = Area(scene.ground.frame, np.ones((HEIGHT, WIDTH)))
    assert np.array_equal(done(Does.DELETE, area, scene), scene.part(area.box))
    assert "there is no border to fill from" in caplog.text


def test_delete_fills_what_sees_no_border_as_the_rest():
    depth = np.full((9, 9), 0.25, np.float32)
    hole = np.zeros((9, 9))
    hole[4], hole[:, 4] = 1, 1  # its middle sees the hole alone
    depth[hole > 0] = 0.9
    scene = on(depth)
    assert done(Does.DELETE, Area(scene.ground.frame, hole), scene) == pytest.approx(
        np.full((9, 9), 0.25), abs=1e-6
    )


def test_delete_leaves_where_it_hardly_is(scene):
    area = Area(BOX, np.full((BOX.height, BOX.width), 1 / 600))
    assert np.array_equal(done(Does.DELETE, area, scene), scene.part(BOX))


def test_erase_gives_back_the_bits_of_what_came_in(scene, area):
    erased = done(Does.ERASE, area, scene).astype(np.float32)
    full = area.weights == 1
    assert np.array_equal(erased[full], scene.ground.base[BOX.slices][full])


def test_a_window_of_depths_fades_over_a_64th(area):
    depth = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    depth[BOX.top, BOX.left : BOX.left + 5] = [0.3, 0.3 - 1 / 128, 0.3 - 1 / 64, 0.7, 0.71]
    one = Area(BOX, np.ones((BOX.height, BOX.width)))
    for depths in ((0.3, 0.7), (0.7, 0.3)):
        inside = between(one, on(depth), depths).weights
        assert inside[0, :6] == pytest.approx([1, 0.5, 0, 1, 1 - 0.01 * 64, 1], abs=1e-5)


def test_gradients_run_from_one_depth_to_the_other(scene):
    whole = Area(scene.ground.frame, np.ones((HEIGHT, WIDTH)))
    ends = {"start": (5.0, 4.0), "end": (20.0, 14.0), "depths": (0.9, 0.1)}
    linear = gradient_depths(Gradient(kind=Kind.LINEAR, **ends), whole, scene)
    share = ((XS - 5) * 15 + (YS - 4) * 10) / (15**2 + 10**2)
    assert linear == pytest.approx(0.9 - 0.8 * share.clip(0, 1))
    radial = gradient_depths(Gradient(kind=Kind.RADIAL, **ends), whole, scene)
    share = np.hypot(XS - 5, YS - 4) / np.hypot(15, 10)
    assert radial == pytest.approx(0.9 - 0.8 * share.clip(0, 1))


def test_a_gradient_without_length_is_at_its_end(scene):
    whole = Area(scene.ground.frame, np.ones((HEIGHT, WIDTH)))
    for kind in Kind:
        edit = Gradient(kind=kind, start=(5.0, 5.0), end=(5.0, 5.0), depths=(0.9, 0.1))
        assert gradient_depths(edit, whole, scene) == pytest.approx(np.full((HEIGHT, WIDTH), 0.1))


def test_a_stamp_meets_the_map_in_three_ways(scene, area):
    depth, c = scene.part(BOX), area.weights
    relief = np.random.default_rng(8).uniform(-0.4, 0.4, depth.shape)

    def put(mode):
        edit = Stamp(shape=Shape.BOX, at=(0.0, 0.0), size=(1.0, 1.0), depth=0.5, mode=mode)
        return stamped(edit, area, relief, scene)

    target = 0.5 + relief
    assert put(Mode.OVER) == pytest.approx(depth + c * (target - depth))
    assert put(Mode.RAISE) == pytest.approx(depth + c * relief)
    nearest = np.where(target > depth, depth + c * (target - depth), depth)
    assert put(Mode.NEAREST) == pytest.approx(nearest)
