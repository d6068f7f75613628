"""Depth Estimation's options on the canvas: off by default, and passed on."""

import inspect

import pytest
import torch

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.depth.estimate import Scope, Settings, estimate
from sd2_depth2img.depth.networks.estimators import DepthModel
from sd2_depth2img.nodes.compare import SD2DepthFidelity
from sd2_depth2img.nodes.estimate import SD2DepthEstimate
from sd2_depth2img.nodes.inputs import estimation, resolution
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader
from sd2_depth2img.sampling.depth_channel import Normalize


@pytest.fixture(scope="module")
def model(mini_checkpoint):
    return DepthModel("mini", lambda: Checkpoint.open(mini_checkpoint).read(Part.MIDAS))


@pytest.fixture(scope="module")
def images(photo):
    return torch.cat([photo[:, :128, :160], photo[:, 200:328, 100:260]])


def test_by_default_every_image_is_estimated_by_itself_at_384(model, images):
    (depth,) = SD2DepthEstimate().execute(images, model)
    expected = torch.cat([estimate(model.network, one, Settings(384)) for one in images.split(1)])
    assert torch.equal(depth, to_image(expected))
    assert torch.equal(SD2DepthEstimate().execute(images, model, 384)[0], depth)


@pytest.mark.parametrize(
    ("inputs", "settings"),
    [
        ({"tiles": 2}, {"tiles": 2}),
        ({"flip": True}, {"flip": True}),
        ({"normalize": "whole batch"}, {"scope": Scope.BATCH}),
        ({"smooth": 1.5}, {"smooth": 1.5}),
    ],
)
def test_every_option_is_passed_on_and_has_an_effect(model, images, inputs, settings):
    (depth,) = SD2DepthEstimate().execute(images, model, 64, **inputs)
    expected = estimate(model.network, images, Settings(64, **settings))
    assert torch.equal(depth, to_image(expected))
    assert not torch.equal(depth, SD2DepthEstimate().execute(images, model, 64)[0])
    assert depth.shape == images.shape
    assert (depth.min(), depth.max()) == (0, 1)


def test_what_the_canvas_offers_is_what_the_settings_are_without():
    offered = SD2DepthEstimate.INPUT_TYPES()["optional"]
    assert offered["normalize"][0] == [scope.value for scope in Scope]
    without = Settings()
    for name in ("resolution", "tiles", "flip", "smooth"):
        assert offered[name][1]["default"] == getattr(without, name)
    assert offered["normalize"][1]["default"] == without.scope.value
    assert list(inspect.signature(SD2DepthEstimate.execute).parameters)[3:5] == [
        "resolution",  # widgets are saved by their place: new ones only at the end
        "precision",
    ]


def test_depth_fidelity_looks_at_images_with_the_same_inputs(model, images):
    ours, theirs = (node.INPUT_TYPES()["optional"] for node in (SD2DepthEstimate, SD2DepthFidelity))
    shared = {"resolution": resolution(), **estimation()}
    assert {name: theirs[name] for name in shared} == shared
    assert {name: ours[name] for name in shared} == shared
    options = {"resolution": 64, "tiles": 2, "flip": True, "precision": "bfloat16"}
    (asked,) = SD2DepthEstimate().execute(images, model, **options)
    same = SD2DepthFidelity().execute(images, asked, model, **options)
    assert same[2].count("error 0.0000") == 2
    for name in options:
        without = {key: value for key, value in options.items() if key != name}
        other = SD2DepthFidelity().execute(images, asked, model, **without)
        assert not torch.equal(other[1], same[1]), name


def test_normalize_means_the_same_in_every_node():
    """As Depth Encode names what shares a nearest and a farthest depth."""
    assert [scope.value for scope in Scope] == [kind.value for kind in list(Normalize)[:2]]


def test_tiles_neither_flatten_a_photograph_nor_step_where_they_meet(photo):
    """The wall behind the astronaut; tiles overlap from column 354 to 394."""
    depth_model = SD2DepthCheckpointLoader().execute(str(BUNDLED_CHECKPOINT))[3]
    single, tiled = (
        SD2DepthEstimate().execute(photo, depth_model, tiles=number)[0][0, ..., 0]
        for number in (1, 4)
    )
    wall, tiled_wall = (depth[150:230, 345:405].mean(dim=0) for depth in (single, tiled))
    assert tiled_wall[0] - tiled_wall[-1] < wall[0] - wall[-1] + 0.01
    assert (tiled_wall - wall).abs().max() < 0.03
    assert tiled.std() > 0.9 * single.std()
