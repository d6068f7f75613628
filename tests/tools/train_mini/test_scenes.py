"""Scenes are depth maps over the whole range, alike at every size, with a noun from the list."""

from itertools import count, islice

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.tools.train_mini.scenes import FAMILIES, NOUNS, random_scene

SHARES = list(FAMILIES.values())


def drawn(seed, side=32):
    return random_scene(np.random.default_rng(seed), side)


def seeds_of(family):
    """Seeds whose scenes are of a family, which is the first thing that a scene draws."""
    return (
        seed
        for seed in count()
        if np.random.default_rng(seed).choice(len(FAMILIES), p=SHARES) == family
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), side=st.sampled_from([24, 32, 50, 64]))
def test_a_scene_is_a_map_over_the_whole_range_and_has_a_known_noun(seed, side):
    scene = drawn(seed, side)
    assert scene.depth.dtype == np.float32
    assert scene.depth.shape == (side, side)
    assert np.isfinite(scene.depth).all()
    assert (scene.depth.min(), scene.depth.max()) == (0, 1)
    assert scene.depth.std() > 0.05
    assert scene.noun in NOUNS


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_seed_decides_everything(seed):
    once, again = drawn(seed), drawn(seed)
    assert np.array_equal(once.depth, again.depth)
    assert once.noun == again.noun
    assert not np.array_equal(once.depth, drawn(seed + 1).depth)


@pytest.mark.parametrize("family", range(len(FAMILIES)), ids=[f.__name__ for f in FAMILIES])
def test_a_scene_looks_alike_at_every_size(family):
    alike, apart = [], []
    for seed in islice(seeds_of(family), 8):
        small, large = drawn(seed, 128), drawn(seed, 256)
        shrunk = cv2.resize(large.depth, (128, 128), interpolation=cv2.INTER_AREA)
        alike.append(np.corrcoef(small.depth.ravel(), shrunk.ravel())[0, 1])
        apart.append(np.abs(small.depth - shrunk).mean())
        assert small.noun == large.noun
    # One may have borders that round to another pixel.
    assert sorted(alike)[1] > 0.97
    assert sorted(apart)[-2] < 0.008


@pytest.mark.parametrize("family", range(len(FAMILIES)), ids=[f.__name__ for f in FAMILIES])
def test_scenes_of_a_family_differ(family):
    first, second = (drawn(seed).depth for seed in islice(seeds_of(family), 2))
    assert np.abs(first - second).mean() > 0.03


def test_the_nouns_are_those_that_scenes_have():
    assert {drawn(seed, 16).noun for seed in range(800)} == set(NOUNS)
    assert len(set(NOUNS)) == len(NOUNS)


def test_every_family_has_a_share():
    assert sum(SHARES) == pytest.approx(1)
    assert min(SHARES) > 0
