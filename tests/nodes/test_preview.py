"""Preview Depth in the embedded engine."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.nodes.load import SD2DepthCheckpointLoader
from sd2_depth2img.nodes.preview import SD2DepthPreview
from sd2_depth2img.sampling.depth_channel import DepthCondition

pytestmark = pytest.mark.usefixtures("base")


def ramp(height=64, width=96):
    rows, columns = torch.meshgrid(
        torch.linspace(0, 0.8, height), torch.linspace(0, 0.2, width), indexing="ij"
    )
    return (rows + columns).unsqueeze(0)


def test_every_map_gets_a_page_a_line_and_an_image_on_the_node(base):
    maps = torch.cat([ramp(), 1 - ramp(), torch.full_like(ramp(), 0.4)])
    shown = SD2DepthPreview().execute(to_image(maps))
    pages, report = shown["result"]
    lines = report.splitlines()
    assert lines[0] == "map 0: nothing conspicuous"
    assert "map 1: the bottom third is farther" in lines[1]
    assert lines[2].startswith("map 2: flat")
    assert shown["ui"]["text"] == [report]
    for page, entry in zip(pages, shown["ui"]["images"], strict=True):
        assert entry["type"] == "temp"
        file = Image.open(base / "output" / "temp" / entry["filename"])
        assert np.array_equal(np.asarray(file), (page.numpy() * 255).round())


@pytest.mark.parametrize(("height", "width"), [(64, 96), (60, 93)])
def test_it_shows_what_encode_depth_gives_the_unet(height, width, mini_checkpoint):
    """At the latent's size; the VAE cuts off what is no whole latent pixel."""
    depth = torch.rand(1, height, width, generator=torch.Generator().manual_seed(2))
    vae = SD2DepthCheckpointLoader().execute(str(mini_checkpoint))[2]
    latent = vae.encode(to_image(depth)).shape[-2:]
    seen = (DepthCondition(depth).channel(1, *latent) + 1) / 2
    page = SD2DepthPreview().execute(to_image(depth), size=width)["result"][0][0]
    expected = F.interpolate(seen, (height, width), mode="nearest")[0, 0]
    places = [
        x
        for x in range(width + 12, page.shape[1] - width)
        if (page[12 : 12 + height, x : x + width, 0] - expected).abs().max() < 3e-3
    ]
    assert len(places) == 1


def test_a_range_that_is_too_narrow_is_pointed_out():
    report = SD2DepthPreview().execute(
        to_image(ramp()), normalize="fixed range", low=0.4, high=0.6
    )["result"][1]
    assert "of what the model sees goes beyond -1 to 1" in report


def test_missing_pixels_are_reported_and_drawn():
    depth = ramp()
    depth[0, 5, 5:8] = torch.nan
    shown = SD2DepthPreview().execute(to_image(depth))["result"]
    assert " pixels are NaN or infinite, and filled" in shown[1]
    assert shown[0].isfinite().all()


def test_pages_are_drawn_one_by_one_under_a_progress_bar(progress_bars):
    maps = to_image(torch.cat([ramp(), 1 - ramp(), ramp()]))
    SD2DepthPreview().execute(maps)
    assert [(bar.total, bar.done) for bar in progress_bars] == [(3, 3)]
    progress_bars.cancel_after = 2
    with pytest.raises(KeyboardInterrupt):
        SD2DepthPreview().execute(maps)
    assert progress_bars[-1].done == 2
