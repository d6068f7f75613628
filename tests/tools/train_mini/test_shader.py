"""Paintings say what their captions say: colours by depth, the side of the light, fog."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.tools.train_mini.measure import held_out_scenes, nearest_colours
from sd2_depth2img.tools.train_mini.shader import (
    FOG,
    LIGHTS,
    MATERIALS,
    PALETTE,
    Appearance,
    foreground_share,
    random_appearance,
    render,
)

NEUTRAL = {"white", "grey", "black"}
CHROMATIC = [name for name in PALETTE if name not in NEUTRAL]

materials = pytest.mark.parametrize("material", MATERIALS)


def material_but(*others):
    return pytest.mark.parametrize("material", [m for m in MATERIALS if m not in others])


def ball(height=48, width=48):
    """A ball before a wall."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    inside = 0.64 - x**2 - y**2
    return np.where(inside > 0, 0.5 + 0.5 * np.sqrt(np.clip(inside, 0, None)) / 0.8, 0)


def halves():
    """Far on the left, near on the right."""
    depth = np.zeros((32, 48), np.float32)
    depth[:, 24:] = 1
    return depth


FAR, NEAR = np.s_[:, :12], np.s_[:, 36:]  # of `halves`, away from the border


def appearances():
    names = st.sampled_from(sorted(PALETTE))
    return st.builds(
        Appearance,
        material=st.sampled_from(sorted(MATERIALS)),
        foreground=names,
        background=names,
        light=st.sampled_from(LIGHTS),
        fog=st.booleans(),
    )


@settings(max_examples=80, deadline=None)
@given(
    look=appearances(),
    shape=st.tuples(st.integers(2, 60), st.integers(2, 60)),
    seed=st.integers(0, 2**32),
)
def test_any_depth_map_becomes_an_image(look, shape, seed):
    depth = np.random.default_rng(seed).random(shape, np.float32)
    before = depth.copy()
    image = render(depth, look)
    assert image.shape == (*shape, 3)
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 1
    assert np.array_equal(depth, before)


# --- Colours --------------------------------------------------------------------------------------


@materials
def test_far_away_the_hue_is_the_backgrounds(material):
    for foreground, background in permutations(CHROMATIC, 2):
        colour = render(halves(), Appearance(material, foreground, background, "left"))[FAR]
        hues = {name: np.float32(rgb) / np.linalg.norm(rgb) for name, rgb in PALETTE.items()}
        found = colour.mean((0, 1)) / np.linalg.norm(colour.mean((0, 1)))
        assert min(hues, key=lambda name: np.linalg.norm(hues[name] - found)) == background


# Glass and ink let shine through what is behind them.
@material_but("glass", "ink")
def test_nearby_the_image_knows_nothing_of_the_background(material):
    red, blue = (
        render(halves(), Appearance(material, "green", name, "left"))[NEAR]
        for name in ("red", "blue")
    )
    assert np.array_equal(red, blue)


# Neon shines on the wall.
@material_but("neon")
def test_far_away_the_image_knows_nothing_of_the_foreground(material):
    red, blue = (
        render(halves(), Appearance(material, name, "green", "left"))[FAR]
        for name in ("red", "blue")
    )
    assert np.array_equal(red, blue)


@materials
def test_nearby_every_colour_of_the_palette_looks_different(material):
    colours = [
        render(halves(), Appearance(material, name, "grey", "left"))[NEAR].mean((0, 1))
        for name in PALETTE
    ]
    assert min(np.linalg.norm(a - b) for a, b in permutations(colours, 2)) > 0.08


@materials
@pytest.mark.parametrize("fog", [False, True])
def test_true_paintings_give_both_names_back(material, fog):
    """Also after noise of the size of what eight bits and an autoencoder leave."""
    random = np.random.default_rng(4)
    for scene in held_out_scenes(6, 64):
        look = replace(random_appearance(random), material=material, fog=fog)
        image = render(scene.depth, look)
        image = image + random.normal(0, 0.05, image.shape).astype(np.float32)
        assert nearest_colours(image, scene.depth, look) == (look.foreground, look.background)


def test_the_foreground_begins_in_the_middle_of_the_range():
    share = foreground_share(np.linspace(0, 1, 101, dtype=np.float32))
    assert (share[:26] == 0).all()
    assert (share[50:] == 1).all()
    assert (np.diff(share[25:51]) > 0).all()


# --- Light and fog --------------------------------------------------------------------------------


# Marble's veins run the same way whatever is painted.
@material_but("marble")
@pytest.mark.parametrize("fog", [False, True])
def test_a_mirrored_scene_in_mirrored_light_is_the_mirrored_image(material, fog):
    for scene in held_out_scenes(2, 64):
        left = Appearance(material, "orange", "purple", "left", fog)
        mirrored = np.ascontiguousarray(scene.depth[:, ::-1])
        image = render(mirrored, replace(left, light="right"))[:, ::-1]
        np.testing.assert_allclose(image, render(scene.depth, left), atol=1e-5)


# Neon glows by itself.
@material_but("neon")
def test_the_side_towards_the_light_is_brighter(material):
    depth = ball()
    image, other = (render(depth, Appearance(material, "red", "white", light)) for light in LIGHTS)
    left = (image - other)[:, : depth.shape[1] // 2][foreground_share(depth)[:, :24] == 1]
    right = (image - other)[:, depth.shape[1] // 2 :][foreground_share(depth)[:, 24:] == 1]
    assert left.mean() > 0.01
    assert right.mean() < -0.01


def test_the_light_comes_from_above():
    image = render(ball(), Appearance("clay", "grey", "white", "left"))
    assert image[10:20, 24].mean() > image[28:38, 24].mean() + 0.1


@materials
def test_fog_hides_the_distance_and_leaves_what_is_near(material):
    clear = render(halves(), Appearance(material, "red", "black", "left"))
    foggy = render(halves(), Appearance(material, "red", "black", "left", fog=True))
    assert np.array_equal(foggy[NEAR], clear[NEAR])
    before, after = (np.abs(image[FAR] - np.float32(FOG)).mean() for image in (clear, foggy))
    assert after == pytest.approx(0.15 * before, rel=1e-3)


# --- Appearances ----------------------------------------------------------------------------------


def test_random_appearances_use_everything_and_never_one_colour_twice():
    random = np.random.default_rng(0)
    looks = [random_appearance(random) for _ in range(800)]
    assert all(look.foreground != look.background for look in looks)
    for field, values in (
        ("material", MATERIALS),
        ("foreground", PALETTE),
        ("background", PALETTE),
        ("light", LIGHTS),
    ):
        assert {getattr(look, field) for look in looks} == set(values)
    assert np.mean([look.fog for look in looks]) == pytest.approx(1 / 8, abs=0.04)
