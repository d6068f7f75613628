"""Score Depth Fidelity with the bundled miniature: paintings of scenes that no training saw."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.nodes.compare import SD2DepthFidelity
from sd2_depth2img.nodes.estimate import SD2DepthEstimate
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader
from sd2_depth2img.tools.train_mini.dataset import HELD_OUT
from sd2_depth2img.tools.train_mini.measure import held_out_scenes
from sd2_depth2img.tools.train_mini.shader import random_appearance, render

SIDE = 128
SCENES = 6

LINE = re.compile(
    r"image (\d+): error (\d\.\d{4}) \(without depth (\d\.\d{4})\), order ([\d.]+)%(, best)?"
)


@pytest.fixture(scope="module")
def depth_model():
    return SD2DepthCheckpointLoader().execute(str(BUNDLED_CHECKPOINT))[3]


@pytest.fixture(scope="module")
def scenes():
    return held_out_scenes(SCENES, SIDE)


@pytest.fixture(scope="module")
def maps(scenes):
    """Asked-for maps as on the canvas, [6, 128, 128, 3]."""
    return to_image(torch.from_numpy(np.stack([scene.depth for scene in scenes])))


@pytest.fixture(scope="module")
def paintings(scenes):
    """One painting of every scene, [6, 128, 128, 3]: what a perfect result looks like."""
    random = np.random.default_rng(HELD_OUT)
    looks = [replace(random_appearance(random), fog=False) for _ in scenes]
    images = [render(scene.depth, look) for scene, look in zip(scenes, looks, strict=True)]
    return torch.from_numpy(np.stack(images))


def fidelity(image, depth, depth_model, **options):
    options = {"resolution": SIDE, **options}
    return SD2DepthFidelity().execute(image, depth, depth_model, **options)


def read(report):
    """Of every line: index, error, error without depth, order in %, whether it is the best."""
    lines = [LINE.fullmatch(line).groups() for line in report.splitlines()]
    return [(int(i), float(e), float(f), float(o), bool(b)) for i, e, f, o, b in lines]


def errors_of(report):
    return [error for _, error, *_ in read(report)]


@pytest.fixture(scope="module")
def table(paintings, maps, depth_model):
    """Errors [scene of the painting, scene of the map]."""
    reports = [fidelity(paintings, maps[i : i + 1], depth_model)[2] for i in range(SCENES)]
    return np.array([errors_of(report) for report in reports]).T


def test_it_is_on_the_menu():
    assert NODE_CLASS_MAPPINGS["SD2DepthFidelity"] is SD2DepthFidelity
    assert SD2DepthFidelity.RETURN_TYPES == ("IMAGE", "IMAGE", "STRING", "INT")


def test_every_painting_fits_its_own_map_better_than_any_other(table):
    own = np.diag(table)
    others = table + np.where(np.eye(SCENES), np.inf, 0)
    assert (own < others.min(axis=1)).all()
    assert own.mean() < 0.6 * table[~np.eye(SCENES, dtype=bool)].mean()


@pytest.mark.parametrize("place", [0, 2, 4])
def test_the_best_is_picked_whatever_its_place(paintings, maps, depth_model, place):
    batch = torch.cat([paintings[1 : place + 1], paintings[:1], paintings[place + 1 : 5]])
    best, heat, report, index = fidelity(batch, maps[:1], depth_model)
    assert index == place
    assert type(index) is int
    assert torch.equal(best, paintings[:1])
    assert heat.shape == batch.shape
    rows = read(report)
    assert [row[0] for row in rows] == [0, 1, 2, 3, 4]
    assert [row[4] for row in rows] == [i == place for i in range(5)]
    assert min(rows, key=lambda row: row[1])[0] == place
    assert rows[place][3] == max(row[3] for row in rows)


def test_an_estimate_fits_its_own_image_perfectly(paintings, depth_model):
    """Score Depth Fidelity sees exactly what Depth Estimation sees, at the same resolution."""
    (estimate,) = SD2DepthEstimate().execute(paintings[:2], depth_model, resolution=SIDE)
    _, heat, report, _ = fidelity(paintings[:2], estimate, depth_model)
    assert [(row[1], row[3]) for row in read(report)] == [(0, 100)] * 2
    assert heat.max() < 0.03
    other = fidelity(paintings[:2], estimate, depth_model, resolution=64)[2]
    assert min(errors_of(other)) > 0


def test_an_inverted_map_scores_like_none_and_in_the_wrong_order(paintings, maps, depth_model):
    for (_, error, flat_error, order, _), straight in zip(
        read(fidelity(paintings, 1 - maps, depth_model)[2]),
        read(fidelity(paintings, maps, depth_model)[2]),
        strict=True,
    ):
        assert error == pytest.approx(flat_error, abs=2e-4)
        assert order == pytest.approx(100 - straight[3], abs=0.11)
        assert order < 50 < straight[3]


def test_a_map_for_every_image(paintings, maps, depth_model, table):
    report = fidelity(paintings, maps, depth_model)[2]
    assert errors_of(report) == np.diag(table).tolist()
    twice = fidelity(torch.cat([paintings[:2]] * 2), maps[:2], depth_model)[2]
    assert errors_of(twice) == np.diag(table)[[0, 1, 0, 1]].tolist()
    with pytest.raises(ValueError, match="4 depth maps cannot be shared out to 6 images"):
        fidelity(paintings, maps[:4], depth_model)


def test_the_mask_decides_what_counts(paintings, maps, depth_model):
    """The left half of one painting and the right half of another, in one image."""
    left = torch.zeros(1, SIDE, SIDE)
    left[..., : SIDE // 2] = 1
    halves = torch.where(left.bool().unsqueeze(-1), paintings[:1], paintings[1:2])
    batch = torch.cat([halves, paintings[1:2]])
    _, heat, _, on_the_left = fidelity(batch, maps[:1], depth_model, mask=left)
    assert on_the_left == 0
    assert (heat[:, :, SIDE // 2 :] == 0.5).all()
    assert not (heat[:, :, : SIDE // 2] == 0.5).all(dim=-1).any()
    whole = fidelity(batch, maps[1:2], depth_model)[3]
    assert whole == 1


def test_the_heat_map_is_brighter_where_the_depth_is_wrong(paintings, maps, depth_model):
    half = SIDE // 2
    halves = paintings[:1].clone()
    halves[:, :, half:] = paintings[1:2, :, half:]
    heat = fidelity(halves, maps[:1], depth_model)[1].mean(dim=-1)
    reference = fidelity(paintings[:1], maps[:1], depth_model)[1].mean(dim=-1)
    assert heat[..., half:].mean() > reference[..., half:].mean() + 0.05


def test_a_map_of_another_size_is_fitted_with_a_warning(paintings, maps, depth_model, caplog):
    small = maps[:1, ::2, ::2]
    error = errors_of(fidelity(paintings[:1], small, depth_model)[2])[0]
    assert "depth map is 64 × 64 pixels, the images 128 × 128" in caplog.text
    full = errors_of(fidelity(paintings[:1], maps[:1], depth_model)[2])[0]
    assert error == pytest.approx(full, abs=0.02)


def test_broken_pixels_of_the_map_are_repaired_as_encode_depth_does(
    paintings, maps, depth_model, caplog
):
    broken = maps[:1].clone()
    broken[0, 30, 30:33] = float("nan")
    error = errors_of(fidelity(paintings[:1], broken, depth_model)[2])[0]
    assert "3 of 16384 depth pixels are NaN or infinite" in caplog.text
    whole = errors_of(fidelity(paintings[:1], maps[:1], depth_model)[2])[0]
    assert error == pytest.approx(whole, abs=1e-3)


def test_an_image_without_depth_gets_the_error_that_is_reported(paintings, maps, depth_model):
    grey = torch.full_like(paintings[:1], 0.5)
    _, _, report, index = fidelity(torch.cat([grey, paintings[:1]]), maps[:1], depth_model)
    flat, painted = read(report)
    assert index == 1
    assert flat[2] == painted[2]
    assert flat[1] > 0.7 * flat[2]
    assert painted[1] < 0.7 * painted[2]


def test_an_order_that_nothing_tells_is_called_unknown(paintings, depth_model):
    dot = torch.zeros(1, SIDE, SIDE, 3)
    dot[0, 5, 5] = 1
    # Under the mask nothing is further apart than 0.04, below the threshold.
    dot[0, 6:, :] = 0.04 * torch.linspace(0, 1, SIDE)[:, None]
    mask = torch.zeros(1, SIDE, SIDE)
    mask[:, 6:] = 1
    assert "order unknown, best" in fidelity(paintings[:1], dot, depth_model, mask=mask)[2]


class Unread:
    """A depth model that must not be needed."""

    @property
    def network(self):
        raise AssertionError("the network was asked for before the inputs were checked")


@pytest.mark.parametrize(
    ("depth", "options", "said"),
    [
        (torch.full((1, 64, 64, 3), 0.4), {}, "flat"),
        (torch.rand(2, 64, 64, 3)[:, :, :, :1], {}, "2 depth maps cannot be shared out to 3"),
        (torch.full((1, 64, 64, 3), torch.nan), {}, "no finite pixel"),
        (torch.rand(64, 64), {}, r"\(64, 64\)"),
        (torch.rand(1, 64, 64, 1), {"mask": torch.zeros(1, 64, 64)}, "off everywhere"),
        (torch.rand(1, 64, 64, 1), {"mask": torch.ones(2, 64, 64)}, "2 masks cannot be shared"),
    ],
)
def test_bad_input_is_refused_before_the_slow_part(depth, options, said):
    with pytest.raises(ValueError, match=said):
        fidelity(torch.rand(3, 64, 64, 3), depth, Unread(), **options)


def test_bad_images_and_resolutions_are_refused_with_their_values(maps, depth_model):
    with pytest.raises(ValueError, match=r"\[128, 128, 3\]"):
        fidelity(torch.rand(128, 128, 3), maps[:1], depth_model)
    with pytest.raises(ValueError, match="to 255"):
        fidelity(torch.full((1, SIDE, SIDE, 3), 255.0), maps[:1], depth_model)
    with pytest.raises(ValueError, match="resolution is 100"):
        fidelity(torch.rand(1, SIDE, SIDE, 3), maps[:1], depth_model, resolution=100)
