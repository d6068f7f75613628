"""Estimate Depth's options on the canvas: off by default, and passed on."""

import inspect

import pytest
import torch

from sd2_depth2img.depth.batch import Scope, Settings, estimate_all
from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.depth.estimators import DepthModel, estimate
from sd2_depth2img.nodes.depth_map import SD2DepthEstimate
from sd2_depth2img.sampling.checkpoint import Checkpoint
from sd2_depth2img.sampling.diagnosis import Part


@pytest.fixture(scope="module")
def model(mini_checkpoint):
    return DepthModel("mini", lambda: Checkpoint.open(mini_checkpoint).read(Part.MIDAS))


@pytest.fixture(scope="module")
def pictures(photo):
    return torch.cat([photo[:, :128, :160], photo[:, 200:328, 100:260]])


def test_by_default_every_picture_is_estimated_by_itself_at_384(model, pictures):
    (depth,) = SD2DepthEstimate().execute(pictures, model)
    expected = torch.cat([estimate(model.network, one, 384) for one in pictures.split(1)])
    assert torch.equal(depth, to_image(expected))
    assert torch.equal(SD2DepthEstimate().execute(pictures, model, 384)[0], depth)


@pytest.mark.parametrize(
    ("inputs", "settings"),
    [
        ({"tiles": 2}, {"tiles": 2}),
        ({"flip": True}, {"flip": True}),
        ({"normalize": "whole batch"}, {"scope": Scope.BATCH}),
        ({"smoothing": 1.5}, {"smoothing": 1.5}),
    ],
)
def test_every_option_is_passed_on_and_has_an_effect(model, pictures, inputs, settings):
    (depth,) = SD2DepthEstimate().execute(pictures, model, 64, **inputs)
    expected = estimate_all(model.network, pictures, Settings(64, **settings))
    assert torch.equal(depth, to_image(expected))
    assert not torch.equal(depth, SD2DepthEstimate().execute(pictures, model, 64)[0])
    assert depth.shape == pictures.shape
    assert (depth.min(), depth.max()) == (0, 1)


def test_what_the_canvas_offers_is_what_the_settings_are_without():
    offered = SD2DepthEstimate.INPUT_TYPES()["optional"]
    assert offered["normalize"][0] == [scope.value for scope in Scope]
    without = Settings()
    for name in ("resolution", "tiles", "flip", "smoothing"):
        assert offered[name][1]["default"] == getattr(without, name)
    assert offered["normalize"][1]["default"] == without.scope.value
    assert list(inspect.signature(SD2DepthEstimate.execute).parameters)[3:5] == [
        "resolution",  # widgets are saved by their place: new ones only at the end
        "precision",
    ]
