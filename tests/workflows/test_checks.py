"""The checks of a workflow before it runs: each finds its fault, names the place and the remedy."""

# ruff: noqa: N802 - INPUT_TYPES and VALIDATE_INPUTS are ComfyUI's names

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.workflows.checks import check, needed
from sd2_depth2img.workflows.problems import Problem, WorkflowError


class Source:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "optional": {"image": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE", "INT", "A,B", "*", "CHOICE")


class Sink:
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"image": ("IMAGE",)},
            "optional": {
                "count": ("INT", {"min": 1, "max": 2**64 - 1}),
                "ratio": ("FLOAT", {"min": 0.0, "max": 1.0}),
                "text": ("STRING", {}),
                "on": ("BOOLEAN", {}),
                "mode": (["a", "b"],),
                "new_mode": ("COMBO", {"options": ["a", "b"]}),
                "several": (["a", "b"], {"multiselect": True}),
                "either": ("B,C",),
                "anything": ("*",),
            },
            "hidden": {"prompt": "PROMPT"},
        }

    RETURN_TYPES = ()


class Judge:
    """Checks one of its inputs itself."""

    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"file": (["a"],), "count": ("INT", {"max": 5})}}

    @classmethod
    def VALIDATE_INPUTS(cls, file):
        return file.endswith(".png") or f"{file} is no PNG"

    RETURN_TYPES = ()


NODES = {"Source": Source, "Sink": Sink, "Judge": Judge}


def workflow(**inputs):
    return {
        "1": {"class_type": "Source", "inputs": {}},
        "2": {
            "class_type": "Sink",
            "inputs": {"image": ["1", 0], **inputs},
            "_meta": {"title": "The end"},
        },
    }


def messages(prompt):
    return [str(problem) for problem in check(prompt, NODES)]


def message(**inputs):
    (text,) = messages(workflow(**inputs))
    start = 'node 2 "The end" (Sink), input '
    assert text.startswith(start)
    return text.removeprefix(start)


def test_a_sound_workflow_has_no_problems():
    several = {"__value__": ["b"]}
    prompt = workflow(count=3, ratio=0.5, text="x", on=True, mode="a", several=several)
    assert messages(prompt) == []
    assert prompt["2"]["inputs"]["several"] == several  # a bare list would be a link


def test_missing_input():
    prompt = workflow()
    del prompt["2"]["inputs"]["image"]
    assert messages(prompt) == [
        "node 2 \"The end\" (Sink), input 'image': is missing; connect or give it IMAGE"
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "'count': 0 is out of range; expected 1 to 18446744073709551615"),
        (2**64, f"'count': {2**64} is out of range; expected 1 to 18446744073709551615"),
        (20.7, "'count': expected a whole number, found 20.7"),
        ("many", "'count': expected a whole number, found 'many'"),
        (True, "'count': expected a whole number, found True"),
        (None, "'count': expected a whole number, found None"),
    ],
)
def test_whole_numbers(value, text):
    assert message(count=value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ratio", 1.5, "'ratio': 1.5 is out of range; expected 0.0 to 1.0"),
        ("ratio", "half", "'ratio': expected a number, found 'half'"),
        ("ratio", "nan", "'ratio': expected a number, found 'nan'"),
        ("text", None, "'text': expected a text, found None"),
        ("on", "false", "'on': expected true or false, found 'false'"),
        ("mode", "c", "'mode': 'c' is not a choice; expected one of a, b"),
        ("new_mode", 1, "'new_mode': 1 is not a choice; expected one of a, b"),
        ("several", {"__value__": ["a", "d"]}, None),
    ],
)
def test_other_values(name, value, text):
    expected = text or "'several': 'd' is not a choice; expected one of a, b"
    assert message(**{name: value}) == expected


def test_values_are_brought_to_their_type():
    prompt = workflow(count="18446744073709551615", ratio="0.25", text=5, on=1)
    assert messages(prompt) == []
    inputs = prompt["2"]["inputs"]
    assert inputs["count"] == 18446744073709551615
    assert inputs["ratio"] == 0.25
    assert inputs["text"] == "5"
    assert inputs["on"] is True
    prompt = workflow(count=4.0)
    assert messages(prompt) == []
    assert isinstance(prompt["2"]["inputs"]["count"], int)


@given(st.integers(1, 2**64 - 1))
def test_seeds_are_never_rounded(seed):
    for given_ in (seed, str(seed)):
        prompt = workflow(count=given_)
        assert messages(prompt) == []
        assert prompt["2"]["inputs"]["count"] == seed


def test_a_path_serves_as_a_choice(tmp_path):
    (tmp_path / "file").touch()
    assert messages(workflow(mode=str(tmp_path / "file"))) == []


@pytest.mark.parametrize(
    ("name", "link", "text"),
    [
        ("image", ["7", 0], "'image': is linked to node 7, which is not in the workflow"),
        (
            "image",
            ["1", 9],
            "'image': is linked to output 9 of node 1 (Source), which has 5 (IMAGE, INT, A,B, *, "
            "CHOICE)",
        ),
        ("image", ["1", 1], "'image': expected IMAGE, but node 1 (Source) gives INT"),
        ("count", ["1", 0], "'count': expected INT, but node 1 (Source) gives IMAGE"),
        ("mode", ["1", 1], "'mode': expected a choice, but node 1 (Source) gives INT"),
        ("image", ["1"], "'image': ['1'] is no link; expected [node id, number of its output]"),
        ("image", ["1", "0"], "'image': ['1', '0'] is no link; expected [node id, number of its"),
    ],
)
def test_links(name, link, text):
    assert message(**{name: link}).startswith(text)


@pytest.mark.parametrize(
    ("name", "slot"), [("either", 2), ("anything", 1), ("image", 3), ("count", 3)]
)
def test_types_that_fit(name, slot):
    """One of several in common, or anything on one of the two sides."""
    assert messages(workflow(**{name: ["1", slot]})) == []


def test_an_unknown_class_that_a_result_needs_is_named():
    prompt = workflow()
    prompt["1"]["class_type"] = "FluxLoader"
    assert messages(prompt) == [
        "node 1 (FluxLoader): the embedded engine has no such node; mute or remove it, or run the "
        "workflow in ComfyUI"
    ]


def test_unknown_classes_that_no_result_needs_are_left_out(caplog):
    """Decorations, and what other packs show at the end of a line, with all that leads there."""
    prompt = workflow()
    prompt["3"] = {"class_type": "Label", "inputs": {"text": "hello"}}
    prompt["4"] = {"class_type": "Source", "inputs": {"image": ["missing", 0]}}
    prompt["5"] = {"class_type": "Odd", "inputs": {"image": ["4", 0]}}
    shown = {"class_type": "ShowText|pysssh", "inputs": {"text": ["5", 0]}}
    prompt["6"] = shown | {"_meta": {"title": "Aside"}}
    assert messages(prompt) == []
    assert needed(prompt, NODES) == ["1", "2"]
    for place in ("node 3 (Label)", "node 5 (Odd)", 'node 6 "Aside" (ShowText|pysssh)'):
        assert f"{place} is left out: the embedded engine has no such node. What it" in caplog.text


def test_an_unknown_class_that_the_whole_run_is_for_is_named():
    prompt = workflow()
    prompt["2"]["class_type"] = "VHS_VideoCombine"
    assert [one.split(";")[0] for one in messages(prompt)] == [
        'node 2 "The end" (VHS_VideoCombine): the embedded engine has no such node',
        "no node saves or shows anything",
    ]


def test_an_unknown_class_is_answered_with_those_of_similar_names():
    prompt = workflow()
    prompt["1"]["class_type"] = "Sources"
    (problem,) = messages(prompt)
    assert "the embedded engine has no such node (it has Source); mute or remove it" in problem


def test_nothing_to_do():
    prompt = {"1": {"class_type": "Source", "inputs": {}}}
    assert messages(prompt) == ["no node saves or shows anything; add Save Image or Preview Image"]


def test_a_circle_is_shown():
    prompt = workflow()
    prompt["1"]["inputs"]["image"] = ["3", 0]
    prompt["3"] = {"class_type": "Source", "inputs": {"image": ["1", 0]}}
    assert messages(prompt) == [
        "the links go round in a circle: node 1 (Source) <- node 3 (Source) <- node 1 (Source)"
    ]
    assert needed(prompt, NODES) == ["3", "1", "2"]


def test_all_problems_at_once():
    prompt = workflow(count=0, mode="z")
    prompt["5"] = {"class_type": "Sink", "inputs": {}}
    assert len(messages(prompt)) == 3


def test_what_no_output_needs_is_not_checked():
    prompt = workflow()
    prompt["9"] = {"class_type": "Source", "inputs": {"image": ["7", 0]}}
    assert messages(prompt) == []


def test_known_problems_are_not_repeated():
    prompt = workflow()
    del prompt["2"]["inputs"]["image"]
    known = Problem("the link is broken", "2", 'node 2 "The end" (Sink)', "image")
    assert check(prompt, NODES, [known]) == [known]


def test_inputs_that_a_node_does_not_have_are_named(caplog):
    assert messages(workflow(colour="red", upload="image")) == []
    assert "has no input 'colour'" in caplog.text
    assert "upload" not in caplog.text


def judged(file, count=1):
    prompt = {"1": {"class_type": "Judge", "inputs": {"file": file, "count": count}}}
    return [(problem.input, problem.message) for problem in check(prompt, NODES)]


def test_a_nodes_own_check_decides_on_its_inputs():
    assert judged("anything.png") == []  # not one of the choices
    assert judged("x.jpg") == [("file", "x.jpg is no PNG")]
    assert judged("x.jpg", 9) == [("count", "9 is out of range; expected at most 5")]


@given(st.data())
def test_checks_change_nothing_but_the_form_of_constants(data):
    value = data.draw(st.integers() | st.floats() | st.text() | st.booleans() | st.none())
    prompt = workflow(count=value)
    before = copy.deepcopy(prompt)
    check(prompt, NODES)
    del prompt["2"]["inputs"]["count"], before["2"]["inputs"]["count"]
    assert prompt == before


# --- hostile documents ---------------------------------------------------------------------------


def chain(length):
    """Sources one behind another, the last into the sink."""
    prompt = {
        str(at): {"class_type": "Source", "inputs": {"image": [str(at - 1), 0]}}
        for at in range(length)
    }
    prompt["sink"] = {"class_type": "Sink", "inputs": {"image": [str(length - 1), 0]}}
    return prompt


def test_chains_of_ten_thousand_nodes():
    prompt = chain(10_000)
    del prompt["0"]["inputs"]["image"]
    assert messages(prompt) == []
    assert needed(prompt, NODES) == [*map(str, range(10_000)), "sink"]


def test_a_large_circle_is_shown_in_part():
    prompt = chain(10_000)
    prompt["0"]["inputs"]["image"] = ["9999", 0]
    (text,) = messages(prompt)
    assert text.startswith(
        "the links go round in a circle: node 9999 (Source) <- node 9998 (Source)"
    )
    assert " <- … <- " in text
    assert len(text) < 1000


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, "9" * 5000, [], {}, None])
@pytest.mark.parametrize("name", ["count", "ratio"])
def test_numbers_that_are_none(name, value):
    value = {"__value__": value} if isinstance(value, list) else value
    assert len(message(**{name: value})) < 200


@pytest.mark.parametrize("name", ["image", "either"])
@pytest.mark.parametrize("value", [5, None, "x", {}])
def test_what_only_a_link_can_give(name, value):
    assert "expected a link to" in message(**{name: value})


def test_long_texts():
    assert messages(workflow(text="a" * 100_000)) == []
    text = message(text="a" * 100_001)
    assert text == "'text': expected a text of 100,000 characters at most, found 100,001"


@pytest.mark.parametrize("value", [5, True, None, {}])
def test_a_name_that_is_none_is_not_given_to_the_node(value):
    ((name, text),) = judged(value)
    assert name == "file"
    assert "found" in text


def test_long_names_and_many_problems_give_a_short_message():
    prompt = {"n" * 9999 + str(at): {"class_type": "Sink", "inputs": {}} for at in range(1000)}
    error = WorkflowError(*check(prompt, NODES))
    assert len(error.problems) == 1000
    assert len(str(error)) < 10_000
    assert "1000 things are wrong" in str(error)
    assert str(error).endswith("and 970 more")
