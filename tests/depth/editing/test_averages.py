"""Averages over squares, and weights that keep to edges, against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.depth.editing.averages import feathered, following_edges, means
from sd2_depth2img.depth.editing.ground import Area, Ground
from sd2_depth2img.images.crop import Box


def box_mean(values, radius):
    height, width = values.shape
    return np.array(
        [
            [
                values[
                    max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1
                ].mean()
                for x in range(width)
            ]
            for y in range(height)
        ]
    )


@given(seed=st.integers(0, 10**6), radius=st.integers(1, 30))
@settings(deadline=None, max_examples=30)
def test_means_are_those_of_the_pixels_on_the_map(seed, radius):
    rng = np.random.default_rng(seed)
    values = rng.random(rng.integers(1, 20, 2))
    frame = Box(0, 0, *values.shape)
    assert means(values, frame, frame, radius) == pytest.approx(box_mean(values, radius), abs=1e-8)


def test_a_part_of_a_map_has_the_bits_of_the_whole():
    values = np.random.default_rng(1).random((60, 50))
    frame, part = Box(0, 0, 60, 50), Box(10, 0, 40, 30)
    radius = 5
    whole = means(values, frame, frame, radius)
    inner = means(values[part.slices], part, frame, radius)
    assert np.array_equal(inner[5:-5, :-5], whole[15:45, :25])


def test_where_there_is_nothing_around_it_stays_nothing():
    values = np.zeros((40, 40))
    values[3:6, 4:9] = np.random.default_rng(2).random((3, 5))
    frame = Box(0, 0, 40, 40)
    assert (means(values, frame, frame, 4)[10:] == 0).all()


def test_a_feather_is_one_average():
    ground = Ground(np.zeros((30, 40), np.float32), None, (40.0, 30.0))
    whole = np.zeros((30, 40))
    whole[0:9, 10:20] = np.random.default_rng(3).random((9, 10))
    area = feathered(Area(Box(0, 10, 9, 10), whole[0:9, 10:20]), ground, 4)
    around = np.zeros((30, 40))
    around[area.box.slices] = area.weights
    assert around == pytest.approx(box_mean(whole, 4), abs=1e-8)


def guided(weights, guide, radius, eps=1e-3):
    """He et al., written down once more."""
    mean_i, mean_w = box_mean(guide, radius), box_mean(weights, radius)
    variance = box_mean(guide * guide, radius) - mean_i**2
    slope = (box_mean(guide * weights, radius) - mean_i * mean_w) / (variance + eps)
    shift = mean_w - slope * mean_i
    return (box_mean(slope, radius) * guide + box_mean(shift, radius)).clip(0, 1)


@pytest.mark.parametrize(("length", "radius"), [(1, 1), (9, 3), (14, 5)])
def test_weights_keep_to_the_edges_of_the_guide(length, radius):
    rng = np.random.default_rng(4)
    guide = rng.integers(0, 256, (40, 50)).astype(np.uint8)
    whole = np.zeros((40, 50))
    whole[12:20, 0:17] = rng.random((8, 17))
    ground = Ground(np.zeros((40, 50), np.float32), guide, (50.0, 40.0))
    area = following_edges(Area(Box(12, 0, 8, 17), whole[12:20, 0:17]), ground, length)
    followed = np.zeros((40, 50))
    followed[area.box.slices] = area.weights
    assert followed == pytest.approx(guided(whole, guide / 255, radius), abs=1e-6)
    assert not followed[20 + 2 * radius :].any()


def test_a_brush_over_an_edge_is_cut_at_it():
    guide = np.zeros((60, 60), np.uint8)
    guide[:, 30:] = 255
    ground = Ground(np.zeros((60, 60), np.float32), guide, (60.0, 60.0))
    weights = np.zeros((60, 60))
    weights[20:40, 10:33] = 1  # three pixels over the edge
    area = following_edges(Area(ground.frame, weights), ground, 24)
    row = np.zeros(60)
    row[area.box.left : area.box.left + area.box.width] = area.weights[30 - area.box.top]
    assert row[20:30].min() > 0.75
    assert row[30:33].max() < 0.4  # where it was 1
