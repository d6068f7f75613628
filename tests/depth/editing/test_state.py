"""What is read of a state, what is clamped, and what is refused in which words."""

import json

import pytest

from sd2_depth2img.depth.editing.state import (
    CHARACTERS,
    EDITS,
    LAYERS,
    POINTS,
    Does,
    Mode,
    NewerEdits,
    UnusableEdits,
    read_state,
)

STROKE = {"tool": "stroke", "does": "nearer", "points": [[1, 2]], "radius": 5}
STAMP = {"tool": "stamp", "shape": "ball", "at": [1, 2], "size": [3, 4]}


def written(*edits, layers=None, **state):
    layers = [{"edits": list(edits)}] if layers is None else layers
    return json.dumps({"version": 1, "size": [8, 6], "layers": layers, **state})


def first(edit):
    return read_state(written(edit)).layers[0].edits[0]


def test_nothing_is_no_state():
    assert read_state("") is None
    assert read_state(" \n") is None


def test_what_is_missing_has_its_default():
    stroke = first(STROKE)
    assert (stroke.amount, stroke.hardness, stroke.reach, stroke.depth) == (1, 0.5, 8, 0.5)
    assert (stroke.edges, stroke.between, stroke.does) == (False, None, Does.NEARER)
    assert stroke.points.tolist() == [[1, 2, 1]]  # all of the pressure
    stamp = first(STAMP)
    assert (stamp.angle, stamp.depth, stamp.height) == (0, 0.5, 0.25)
    assert (stamp.tilt, stamp.mode, stamp.text) == ((0, 0), Mode.NEAREST, None)
    layer = read_state(written(STROKE)).layers[0]
    assert (layer.name, layer.visible, layer.opacity, layer.frames) == ("Layer", True, 1, None)


def test_words_that_python_has_itself_are_read():
    gradient = {"tool": "gradient", "kind": "linear", "from": [1, 2], "to": [3, 4]}
    read = first({**gradient, "depths": [0, 1]})
    assert (read.start, read.end, read.points) == ((1, 2), (3, 4), None)


def test_of_two_fields_of_a_name_the_last_counts():
    text = written(STROKE).replace('"radius": 5', '"radius": 5, "radius": 7')
    assert read_state(text).layers[0].edits[0].radius == 7


@pytest.mark.parametrize(
    ("fields", "name", "clamped"),
    [
        ({"radius": 1e9}, "radius", 4096),
        ({"radius": 10**300}, "radius", 4096),
        ({"hardness": -0.1}, "hardness", 0),
        ({"amount": 1.5}, "amount", 1),
        ({"amount": 5, "does": "scale"}, "amount", 4),
        ({"reach": 0}, "reach", 0.5),
        ({"between": [-1, 2]}, "between", (0, 1)),
    ],
)
def test_numbers_out_of_range_are_clamped_and_counted(caplog, fields, name, clamped):
    assert getattr(first({**STROKE, **fields}), name) == clamped
    count = "2 numbers" if name == "between" else "1 number"
    assert caplog.messages == [f"{count} of the edits out of range, and clamped"]


def test_points_are_clamped_too(caplog):
    stroke = first({**STROKE, "points": [[-1e9, 2, 3], [5, 1e12]]})
    assert stroke.points.tolist() == [[-65536, 2, 1], [5, 65536, 1]]
    assert "3 numbers" in caplog.text


def test_an_amount_of_4_is_right_for_scale_alone(caplog):
    assert first({**STROKE, "does": "scale", "amount": 4}).amount == 4
    assert caplog.text == ""


def test_a_long_name_is_cut():
    assert len(read_state(written(layers=[{"name": "x" * 300}])).layers[0].name) == 200


def test_fields_that_nobody_knows_are_named_once(caplog):
    read_state(written({**STROKE, "spray": 1}, {**STROKE, "spray": 2}, colour="red"))
    (record,) = caplog.records
    assert record.getMessage().endswith("are ignored: colour, spray")


def test_of_many_unknown_fields_a_few_are_named_in_short(caplog):
    names = [f"{number:02d}" + "x" * 1000 for number in range(11)] + ["\ud800\n\x1b[31m"]
    read_state(written(**dict.fromkeys(names, 1)))
    (said,) = caplog.messages
    assert said.count("x" * 38) == 8
    assert said.endswith(", and 4 more")
    assert len(said) < 500
    read_state(written(**{names[-1]: 1}))
    assert caplog.messages[1].endswith(r"ignored: \ud800\n\x1b[31m")


def test_fields_of_other_tools_are_no_surprise(caplog):
    first({**STAMP, "does": "nearer", "amount": 0.5, "edges": True, "radius": 3})
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "the edits are not JSON: Expecting value"),
        ("NaN", "NaN is not a JSON number"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "the state of the edits is a list of 0; expected an object"),
        ("null", "the state of the edits is null"),
        ("{}", "version is null; expected a whole number, 1 or more"),
        ('{"version": true}', "version is true"),
        ('{"version": 1}', "size is missing"),
        (written(size=[8]), "size is a list of 1; expected a list of 2"),
        (written(size="x"), 'size is "x"; expected a list of 2'),
        (written().replace("8", "1e999"), r"size\[0\] is Infinity; expected a number"),
        (written().replace("8", "1" + "0" * 400), r"size\[0\] is 1000+….*; expected a number"),
        (written(layers={}), "layers is an object; expected a list"),
        (written(layers=[3]), r"layers\[0\] is 3; expected an object"),
        (written(layers=[{"edits": 5}]), r"layers\[0\].edits is 5; expected a list"),
        (written(layers=[{"visible": 1}]), r"layers\[0\].visible is 1; expected true or false"),
        (written(layers=[{"frames": [0, 1.5]}]), r"frames\[1\] is 1.5; expected a whole number"),
        (written(layers=[{"name": None}]), r"layers\[0\].name is null; expected a text"),
        (written(STROKE, 3), r"layers\[0\].edits\[1\] is 3; expected an object"),
        (written({}), r"edits\[0\].tool is null; expected one of stroke, polygon"),
        (written({"tool": []}), r"edits\[0\].tool is a list of 0; expected one of stroke"),
        (written({"tool": "stroke"}), r"edits\[0\].does is missing"),
        (
            written(*[STROKE] * 3, {**STROKE, "radius": "x"}),
            r'layers\[0\].edits\[3\].radius is "x"; expected a number',
        ),
        (written({**STROKE, "radius": True}), "radius is true; expected a number"),
        (written({**STROKE, "does": "fly"}), 'does is "fly"; expected one of nearer, farther'),
        (written({**STROKE, "points": []}), "points is a list of 0; expected a list of 1 or more"),
        (written({**STROKE, "points": [[1]]}), r"points\[0\] is a list of 1; expected .* 2 or 3"),
        (written({**STROKE, "points": [[1, 2], [1, None]]}), r"points\[1\]\[1\] is null"),
        (written({**STAMP, "shape": "text"}), r"edits\[0\].text is missing"),
        (written({**STROKE, "radius": "x" * 500}), r'radius is "x{60}"; expected'),
        (written(layers=[{}] * (LAYERS + 1)), "there are 65 layers; expected 64 at most"),
        (written(*[3] * (EDITS + 1)), "there are 10001 edits; expected 10000 at most"),
        (
            written({**STROKE, "points": [0] * (POINTS + 1)}),
            "there are 200001 points; expected 200000 at most",
        ),
        (" " * CHARACTERS + "{}", "have 8388610 characters; expected 8388608 at most"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, said):
    with pytest.raises(UnusableEdits, match=said):
        read_state(text)


@pytest.mark.parametrize(
    ("version", "named"),
    [("2", "2"), ("2.0", "2"), ("1.5", "1.5"), ("1e999", "inf"), ("1" + "0" * 400, "10{39}…")],
)
def test_a_newer_version_is_named_whatever_else_it_has(version, named):
    with pytest.raises(NewerEdits, match=f"of version {named}; versions up to 1 can be read"):
        read_state(f'{{"version": {version}, "layers": "elsewhere"}}')
