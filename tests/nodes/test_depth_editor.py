"""The node that edits a depth map by hand: its own part, which is little."""

import json

import pytest
import torch

from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.depth.editing.painting import paint
from sd2_depth2img.depth.editing.state import read_state
from sd2_depth2img.host import host
from sd2_depth2img.nodes.depth_editor import SD2DepthEditor

STROKE = {
    **{"tool": "stroke", "does": "nearer", "amount": 0.3},
    **{"points": [[70, 50], [120, 90]], "radius": 20},
}


def edits(*strokes, version=1, size=(224, 160)):
    return json.dumps({"version": version, "size": size, "layers": [{"edits": strokes}]})


def edited(depth, *strokes, **inputs):
    return SD2DepthEditor().run(depth=depth, edits=edits(*strokes), **inputs)


def test_without_edits_the_map_passes_bit_for_bit(depth):
    for given in ("", edits()):
        result, touched = SD2DepthEditor().run(depth=depth, edits=given)["result"]
        assert torch.equal(result, depth)
        assert not touched.any()


def test_it_gives_what_the_edits_make_of_the_map(depth):
    result, touched = edited(depth, STROKE)["result"]
    expected, mask = paint(depth[..., 0], read_state(edits(STROKE)))
    assert torch.equal(result, to_image(expected))
    assert torch.equal(touched, mask)
    assert touched.shape == depth.shape[:3]
    assert result[0, 70, 95, 0] == pytest.approx(depth[0, 70, 95, 0] + 0.3)


def test_edits_keep_to_the_photo(depth, image):
    stroke = {**STROKE, "edges": True}
    given = edited(depth, stroke, image=image)
    assert given["ui"] == {}
    assert not torch.equal(given["result"][0], edited(depth, stroke)["result"][0])


def test_of_a_batch_every_map_is_edited_and_counted(depth, progress_bars):
    result, touched = edited(depth.repeat(3, 1, 1, 1), STROKE, STROKE)["result"]
    assert torch.equal(result[0], result[2])
    assert len(touched) == 3
    assert [(bar.total, bar.done) for bar in progress_bars] == [(6, 6)]


def test_it_can_be_stopped_between_two_edits(depth, progress_bars):
    progress_bars.cancel_after = 1
    with pytest.raises(KeyboardInterrupt):
        edited(depth, STROKE, STROKE, STROKE)
    assert progress_bars[0].done == 1


def test_holes_are_filled_before_they_are_edited(depth):
    depth[0, 3, 3] = torch.nan
    given = edited(depth, STROKE)
    assert given["result"][0].isfinite().all()
    assert "1 of 35840 depth pixels is NaN" in given["ui"]["warnings"][0]


def test_the_page_gets_the_map_that_came_in_and_the_photo(depth, image, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "preview_folder", lambda: tmp_path)
    shown = edited(depth, STROKE, image=image)["ui"]
    assert shown["sd2_depth_editor"] == edited(depth, image=image)["ui"]["sd2_depth_editor"]
    (entry,) = shown["sd2_depth_editor"]
    assert {entry[name]["type"] for name in ("depth", "guide", "photo")} == {"temp"}
    assert len(shown["images"]) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (edits({**STROKE, "radius": "x"}), r'edits\[0\].radius is "x"; .*\. Put back those that a'),
        (edits(version=2), r"versions up to 1 can be read\. Update this pack\. The edits are kept"),
    ],
)
def test_what_is_wrong_with_edits_is_told_with_what_to_do(depth, given, said):
    with pytest.raises(ValueError, match=said):
        SD2DepthEditor().run(depth=depth, edits=given)


def test_edits_that_would_take_hours_are_refused_with_what_to_do():
    stroke = {**STROKE, "points": [[1, 1]] * 200_000, "radius": 4096}
    with pytest.raises(ValueError, match=r"as they may; .* share the edits out to several Edit"):
        edited(torch.zeros(1, 512, 512, 3), stroke)


def test_photos_have_the_shape_of_the_maps_and_divide_them(depth, image):
    with pytest.raises(ValueError, match="they have different shapes"):
        edited(depth, image=image[:, :100])
    with pytest.raises(ValueError, match="2 images cannot be shared out to 1 depth maps"):
        edited(depth, image=image.repeat(2, 1, 1, 1))
