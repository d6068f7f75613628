"""Options of estimating: each off changes nothing, each on does what it says."""

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F

from sd2_depth2img.depth.estimate import Precision, Scope, Settings, estimate
from sd2_depth2img.depth.networks.network import MidasNetwork

pytestmark = pytest.mark.usefixtures("one_thread")


class Brightness(MidasNetwork):
    """Sees brightness; every look has another scale and shift, and one side leans."""

    def __init__(self, restless=False, lean=0.0):
        super().__init__()
        self.restless, self.lean, self.looks = restless, lean, []

    def forward(self, pixels):
        arithmetic = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        self.looks.append((tuple(pixels.shape), arithmetic or pixels.dtype))
        scale = 1.0 + 0.5 * (len(self.looks) % 5) if self.restless else 1.0
        slope = self.lean * torch.linspace(-1, 1, pixels.shape[-1])
        return scale * (pixels.mean(dim=1) + slope) + 2 * scale


@pytest.fixture(scope="module")
def photos():
    """[2, 192, 288, 3]: smooth, so that the network's size loses nothing of it."""
    pixels = torch.from_numpy(skimage.data.stereo_motorcycle()[0].astype(np.float32) / 255)
    both = torch.stack((pixels[:192, :288], 0.4 * pixels[250:442, 400:688]))
    soft = F.avg_pool2d(both.movedim(-1, 1), 15, stride=1, padding=7, count_include_pad=False)
    return soft.movedim(1, -1).contiguous()


def all_of(network, photos, **settings):
    return estimate(network, photos, Settings(resolution=64, **settings))


def test_nothing_said_is_one_estimate_after_the_other(photos):
    expected = torch.cat([estimate(Brightness(), photo, Settings(64)) for photo in photos.split(1)])
    network = Brightness()
    assert torch.equal(all_of(network, photos), expected)
    assert network.looks == [((1, 3, 64, 96), torch.float32)] * 2


def test_precision_and_resolution_are_passed_on(photos):
    settings = Settings(96, Precision.BFLOAT16)
    expected = torch.cat([estimate(Brightness(), photo, settings) for photo in photos.split(1)])
    network = Brightness()
    depth = estimate(network, photos, settings)
    assert torch.equal(depth, expected)
    assert network.looks == [((1, 3, 96, 128), torch.bfloat16)] * 2


def test_flip_takes_out_what_leans(photos):
    straight = all_of(Brightness(), photos)
    leaning = all_of(Brightness(lean=0.5), photos)
    network = Brightness(lean=0.5)
    flipped = all_of(network, photos, flip=True)
    assert len(network.looks) == 4
    assert (leaning - straight).abs().max() > 0.1
    assert torch.allclose(flipped, straight, atol=1e-4)


@pytest.mark.parametrize("number", [2, 3])
def test_tiles_agree_with_a_single_pass(photos, number):
    """Parts at another scale and shift each, against one look at the size they add up to."""
    single = torch.cat([estimate(Brightness(), photo, Settings(192)) for photo in photos.split(1)])
    coarse = torch.cat([estimate(Brightness(), photo, Settings(32)) for photo in photos.split(1)])
    tiled = estimate(Brightness(restless=True), photos, Settings(32, tiles=number))
    assert tiled.shape == single.shape
    assert (tiled.amin(), tiled.amax()) == (0, 1)
    error, before = (tiled - single).abs().mean(), (coarse - single).abs().mean()
    assert error < 0.6 * before
    assert error < 0.02


def test_tiles_leave_no_seams_on_a_ramp():
    ramp = torch.linspace(0, 1, 256).expand(1, 192, 256)[..., None].repeat(1, 1, 1, 3)
    depth = estimate(Brightness(restless=True), ramp, Settings(64, tiles=3))
    inside = depth[:, 8:-8, 8:-8]
    assert (inside.diff(dim=2) * 255 - 1).abs().max() < 0.15  # grey levels a pixel
    assert inside.diff(dim=1).abs().max() * 255 < 0.15


def test_tiles_on_an_image_without_depth_are_black(photos):
    flat = torch.full_like(photos, 0.5)
    assert all_of(Brightness(), flat, tiles=2).abs().max() == 0


def test_looks_are_handed_out_one_by_one(photos):
    jobs = []

    def each(sequence):
        assert len(sequence) == 2 * (1 + 8)
        for job in sequence:
            jobs.append(job)
            yield job

    network = Brightness()
    estimate(network, photos, Settings(64, tiles=2), each=each)
    assert [index for index, _ in jobs] == [0] * 9 + [1] * 9
    assert [part is None for _, part in jobs] == ([True] + [False] * 8) * 2
    assert all(shape[0] == 1 for shape, _ in network.looks)


def test_cancelling_between_two_looks_ends_it(photos):
    network = Brightness()

    def each(sequence):
        yield from sequence[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimate(network, photos, Settings(64, tiles=2), each=each)
    assert len(network.looks) == 3


def test_whole_batch_keeps_what_is_darker_darker(photos):
    each, batch = all_of(Brightness(), photos), all_of(Brightness(), photos, scope=Scope.BATCH)
    assert each.amax(dim=(1, 2)).tolist() == [1, 1]
    assert (batch.min(), batch.max()) == (0, 1)
    assert batch[1].max() < 0.6
    for one, other in zip(each, batch, strict=True):  # the same maps, stretched otherwise
        assert torch.corrcoef(torch.stack((one.flatten(), other.flatten())))[0, 1] > 0.9999


def test_smoothing_steadies_a_still_video(photos):
    video = photos[:1].repeat(8, 1, 1, 1)
    options = {"scope": Scope.BATCH}
    restless = all_of(Brightness(restless=True), video, **options)
    calm = all_of(Brightness(restless=True), video, smooth=2.0, **options)
    assert calm.diff(dim=0).abs().mean() < 0.5 * restless.diff(dim=0).abs().mean()
    alone = all_of(Brightness(), video, smooth=2.0)
    assert alone.amax(dim=(1, 2)).tolist() == [1] * 8


def test_whole_batch_with_tiles(photos):
    depth = all_of(Brightness(restless=True), photos, tiles=2, scope=Scope.BATCH, flip=True)
    assert depth.shape == (2, 192, 288)
    assert (depth.min(), depth.max()) == (0, 1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tiles": 0}, "0 tiles"),
        ({"tiles": 500}, "500 tiles"),
        ({"smooth": -1.0}, "smooth is -1"),
    ],
)
def test_impossible_settings_are_refused(photos, settings, said):
    with pytest.raises(ValueError, match=said):
        all_of(Brightness(), photos, **settings)


def test_bad_images_are_refused_before_the_network_looks(photos):
    network = Brightness()
    with pytest.raises(ValueError, match="to 224"):
        all_of(network, photos * 255, tiles=2)
    last = photos[:1].clone()
    last[0, 3, 3, 0] = torch.nan
    with pytest.raises(ValueError, match="1 NaN"):
        all_of(network, torch.cat([photos, last]))
    with pytest.raises(ValueError, match="expected RGB"):
        all_of(network, photos[:0])
    assert not network.looks


@pytest.mark.parametrize(
    ("options", "bars"),
    [
        ({}, [3]),
        ({"tiles": 2}, [27]),
        ({"scope": Scope.BATCH}, [3, 3]),
        ({"scope": Scope.BATCH, "tiles": 2}, [27]),
        ({"smooth": 1.0}, [3, 3, 3]),
        ({"smooth": 1.0, "scope": Scope.BATCH, "tiles": 2}, [27, 3]),
    ],
)
def test_every_long_loop_is_handed_out_and_may_be_left(photos, options, bars):
    """The looks, smoothing, and resizing what could not be resized at once."""
    video, lengths = torch.cat([photos, photos[:1]]), []

    def counting(jobs):
        lengths.append(len(jobs))
        return jobs

    settings = Settings(64, **options)
    depth = estimate(Brightness(), video, settings, each=counting)
    assert lengths == bars
    assert torch.equal(depth, estimate(Brightness(), video, settings))

    def leave(jobs):
        lengths.append(len(jobs))
        yield jobs[0]
        if len(lengths) == len(bars):
            raise KeyboardInterrupt
        yield from jobs[1:]

    lengths.clear()
    with pytest.raises(KeyboardInterrupt):
        estimate(Brightness(), video, settings, each=leave)
