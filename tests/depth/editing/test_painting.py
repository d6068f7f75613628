"""Layers of edits on batches of maps: their order, what is touched, scale, and whatever comes."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.depth.editing.painting import paint
from sd2_depth2img.depth.editing.state import UnusableEdits, read_state
from sd2_depth2img.depth.editing.work import TooMuchWork
from sd2_depth2img.tests.depth.editing.random_states import DOES, scene

WIDTH, HEIGHT = 40, 32


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(3)
    return torch.rand(3, HEIGHT, WIDTH, generator=generator)


def state(*layers, size=(WIDTH, HEIGHT)):
    layers = [layer if isinstance(layer, dict) else {"edits": layer} for layer in layers]
    return read_state(json.dumps({"version": 1, "size": size, "layers": layers}))


def stroke(does="set", **fields):
    points = [[20, 16], [25, 18]]
    return {"tool": "stroke", "does": does, "points": points, "radius": 8, "hardness": 1, **fields}


def painted(maps, *layers, **more):
    return paint(maps, state(*layers), **more)


INNER = (slice(None), 15, slice(18, 25))  # all of it under the stroke


# --- layers ---------------------------------------------------------------------------------------


def test_without_edits_every_bit_passes(maps):
    for layers in ((), ([],), ({"visible": False, "edits": [stroke()]},)):
        depth, touched = painted(maps, *layers)
        assert torch.equal(depth, maps)
        assert not touched.any()


def test_what_is_not_touched_keeps_its_bits(maps):
    depth, touched = painted(maps, [stroke(does, amount=0.7) for does in DOES if does != "erase"])
    away = touched == 0
    assert away.any()
    assert torch.equal(depth[away], maps[away])
    assert not torch.equal(depth[~away], maps[~away])


def test_later_edits_and_higher_layers_come_on_top(maps):
    low, high = stroke(depth=0.2), stroke(depth=0.7)
    assert (painted(maps, [low, high])[0][INNER] == 0.7).all()
    assert (painted(maps, [high], [low])[0][INNER] == np.float32(0.2)).all()


def test_opacity_mixes_a_layer_with_what_is_below(maps):
    depth, touched = painted(
        maps, [stroke(depth=0.2)], {"opacity": 0.25, "edits": [stroke(depth=1)]}
    )
    assert depth[INNER] == pytest.approx(0.4)
    assert (touched[INNER] == 1).all()
    _, touched = painted(maps, {"opacity": 0.25, "edits": [stroke(depth=1)]})
    assert (touched[INNER] == 0.25).all()
    assert torch.equal(painted(maps, {"opacity": 0, "edits": [stroke()]})[0], maps)


def test_a_layer_may_be_for_some_frames(maps):
    depth, touched = painted(maps, {"frames": [1, 2], "edits": [stroke(depth=0.5)]})
    assert torch.equal(depth[0], maps[0])
    assert (depth[INNER][1:] == 0.5).all()
    assert touched.amax(dim=(1, 2)).tolist() == [0, 1, 1]


def test_every_map_of_a_batch_is_edited_as_it_is_alone(maps):
    edits = [stroke("nearer", amount=0.2), stroke("smooth", reach=6), stroke("flatten", amount=0.5)]
    together = torch.stack(painted(maps, edits))
    for index, one in enumerate(maps):
        assert torch.equal(torch.stack(painted(one[None], edits))[:, 0], together[:, index])


def test_the_eraser_gives_back_the_bits_through_all_layers(maps):
    edits = [stroke(does, amount=0.8) for does in ("nearer", "smooth", "delete")]
    depth, touched = painted(maps, edits, [*edits, stroke("erase", radius=20)])
    assert torch.equal(depth, maps)
    assert (touched[INNER] > 0).all()  # of the layer below
    _, touched = painted(maps, [*edits, stroke("erase", radius=20)])
    assert not touched.any()


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (stroke("nearer", amount=0.3), 0.3),
        (stroke("scale", amount=0), 1),
        (stroke("delete", amount=0.3), 1),
        (stroke("smooth", amount=0.3), 0.3),
        ({"tool": "stamp", "shape": "box", "at": [20, 16], "size": [30, 20]}, 1),
        (
            {"tool": "gradient", "kind": "linear", "from": [0, 0], "to": [9, 9], "depths": [0, 1]}
            | {"amount": 0.3},
            0.3,
        ),
    ],
)
def test_touched_is_how_much_an_edit_does(maps, edit, expected):
    _, touched = painted(maps, [edit])
    assert touched[INNER] == pytest.approx(expected)


# --- the photo ------------------------------------------------------------------------------------


def test_edits_keep_to_the_edges_of_each_maps_photo(maps):
    image = torch.zeros(3, HEIGHT, WIDTH, 3)
    image[0, :, 22:] = 1  # an edge in the first photo alone
    flat = torch.full_like(maps, 0.5)
    edit = stroke("nearer", amount=0.4, edges=True, points=[[11.5, 16]], radius=12)
    depth, _ = painted(flat, [edit], image=image)
    beyond = depth[:, 16, 22:24] - 0.5
    assert (beyond[0] < 0.7 * beyond[1]).all()
    assert torch.equal(depth[1], depth[2])


def test_without_a_photo_edges_are_not_kept_to_and_that_is_said(maps, caplog):
    depth, _ = painted(maps, [stroke(edges=True), stroke()])
    assert torch.equal(depth, painted(maps, [stroke(), stroke()])[0])
    assert "1 of 2 edits keep to the photo's edges, but there is no photo" in caplog.text


def test_a_photo_of_another_size_is_brought_to_the_maps(maps):
    image = torch.zeros(1, HEIGHT * 2, WIDTH * 2, 3)
    image[:, :, 44:] = 1
    small = torch.zeros(1, HEIGHT, WIDTH, 3)
    small[:, :, 22:] = 1
    edit = {"tool": "flood", "does": "set", "at": [5, 5], "tolerance": 1, "edge": 0.3, "depth": 0}
    found = painted(maps, [edit], image=image)[1]
    assert torch.equal(found, painted(maps, [edit], image=small)[1])
    assert found[0, 0].tolist() == [1] * 22 + [0] * 18


# --- sizes ----------------------------------------------------------------------------------------


def test_edits_follow_the_map_to_another_size_and_back(caplog):
    generator = torch.Generator().manual_seed(4)
    edit = stroke("nearer", amount=0.4, hardness=0)
    small = torch.rand(1, HEIGHT, WIDTH, generator=generator) / 2
    large = small.repeat_interleave(2, 1).repeat_interleave(2, 2)
    there = painted(large, [edit])[1]
    assert "40 x 32 pixels, this one has 80 x 64: they are scaled with it" in caplog.text
    doubled = stroke("nearer", amount=0.4, hardness=0, points=[[40, 32], [50, 36]], radius=16)
    same = paint(large, state([doubled], size=(80, 64)))[1]
    assert torch.allclose(there, same)
    back = there.reshape(1, HEIGHT, 2, WIDTH, 2).mean(dim=(2, 4))
    assert torch.allclose(back, painted(small, [edit])[1], atol=0.01)


def test_another_shape_is_told_in_other_words(maps, caplog):
    paint(maps, state([stroke()], size=(40, 64)))
    assert "which is another shape" in caplog.text


def test_the_size_that_was_drawn_on_is_not_told(maps, caplog):
    painted(maps, [stroke()])
    paint(maps, state([], size=(99, 64)))  # nothing is drawn that could be stretched
    assert caplog.text == ""


# --- warnings -------------------------------------------------------------------------------------


def test_a_layer_for_frames_that_are_not_there_is_told(maps, caplog):
    painted(maps, {"name": "Late", "frames": [7, 9], "edits": [stroke()]})
    assert "the layer 'Late' is for frames 7 to 9, counted from 0, and there are 3" in caplog.text
    painted(maps, {"name": "None", "frames": [2, 1], "edits": [stroke()]})
    assert "the layer 'None' is for frames 2 to 1" in caplog.text
    assert len(caplog.records) == 2


def test_letters_that_cannot_be_seen_are_told(maps, caplog):
    stamp = {"tool": "stamp", "shape": "text", "at": [9, 9], "size": [9, 9]}
    painted(maps, [{**stamp, "text": " "}, {**stamp, "text": "日x"}])
    assert "a stamp has no letters that can be seen (' ')" in caplog.text
    assert "the font has no 日, of the stamp '日x'" in caplog.text


# --- how it is worked through ---------------------------------------------------------------------


def test_every_edit_of_every_map_is_counted(maps):
    counted = []

    def each(indices):
        for index in indices:
            yield index
            counted.append(index)

    edits = [stroke()] * 4
    painted(maps, edits, {"frames": [0, 0], "edits": edits}, each=each)
    assert counted == list(range(3 * 4 + 4))


def test_it_stops_where_whoever_counts_stops(maps):
    def each(indices):
        yield 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        painted(maps, [stroke()] * 4, each=each)


def test_the_maps_that_come_in_stay_as_they_are(maps):
    before = maps.clone()
    painted(maps, [stroke(), stroke("nearer")])
    assert torch.equal(maps, before)


# --- whatever comes -------------------------------------------------------------------------------


@given(seed=st.integers(0, 10**9), edges=st.booleans())
@settings(deadline=None, max_examples=150)
def test_any_state_gives_a_map(seed, edges):
    one = scene(seed, edges)
    depth = torch.from_numpy((one.steps / 65535).astype(np.float32))[None]
    image = None
    if one.guide is not None:
        image = torch.from_numpy(one.guide / np.float32(255))[None, ..., None].expand(-1, -1, -1, 3)
    result, touched = paint(depth, read_state(json.dumps(one.state)), image)
    for plane in (result, touched):
        assert plane.shape == depth.shape
        assert plane.dtype == torch.float32
        assert plane.min() >= 0  # of NaN it is false
        assert plane.max() <= 1
    assert torch.equal(result[touched == 0], depth[touched == 0]) or _is_erased(one.state)


def _is_erased(found):
    """What was erased partly differs and counts as untouched where the weights were tiny."""
    return any(edit.get("does") == "erase" for layer in found["layers"] for edit in layer["edits"])


HUGE = st.sampled_from([0, -1, 1e308, -1e308, 1e-308, 65536, 2**70, 0.1])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
@settings(deadline=None, max_examples=200)
def test_any_json_is_read_or_refused_in_words(value):
    try:
        read_state(json.dumps(value))
    except UnusableEdits:
        return  # tests/depth/editing/test_state.py has the words


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_a_state_with_anything_in_its_place_is_read_or_refused_in_words(data):
    one = scene(data.draw(st.integers(0, 999)), edges=False)
    holder, key = _somewhere(one.state, data)
    holder[key] = data.draw(JSON | HUGE)
    depth = torch.from_numpy((one.steps / 65535).astype(np.float32))[None]
    try:
        result, _ = paint(depth, read_state(json.dumps(one.state)))
    except (UnusableEdits, TooMuchWork):
        return
    assert result.min() >= 0
    assert result.max() <= 1


def _somewhere(value, data):
    """A list or object in it, and a key of that."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = data.draw(st.sampled_from(keys))
        inner = value[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            return value, key
        value = inner


def test_ten_thousand_strokes_are_done_in_seconds():
    rng = np.random.default_rng(9)
    strokes = [
        stroke("nearer", amount=0.01, points=rng.uniform(0, 40, (2, 2)).round(3).tolist())
        for _ in range(10_000)
    ]
    depth, touched = painted(torch.full((1, HEIGHT, WIDTH), 0.5), strokes)
    assert depth.max() > 0.5
    assert touched.max() == pytest.approx(0.01)
