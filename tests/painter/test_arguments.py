"""The arguments of a call: limits and defaults are the nodes', lists have one length."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img import DepthToImage
from sd2_depth2img.nodes.inputs import declared
from sd2_depth2img.painter import arguments
from sd2_depth2img.painter.arguments import checked, tasks

PHOTO = torch.zeros(1, 8, 8, 3)
OWN_DEFAULTS = ("size", "steps", "cfg", "count", "prompt", "negative")  # suit model and caller


def of_call():
    return inspect.signature(DepthToImage.__call__).parameters


def test_every_input_of_a_node_that_is_named_exists_and_is_an_argument():
    for name, (node, node_input) in arguments._INPUTS.items():
        assert node_input in declared(node)
        assert name in of_call() or name == "lora strength"


@pytest.mark.parametrize(
    "name", sorted((arguments._INPUTS.keys() & of_call().keys()) - {*OWN_DEFAULTS})
)
def test_defaults_are_the_nodes(name):
    node, node_input = arguments._INPUTS[name]
    assert of_call()[name].default == declared(node)[node_input][1]["default"]


@pytest.mark.parametrize("name", sorted(arguments._INPUTS))
@settings(deadline=None)
@given(
    value=st.one_of(
        st.none(), st.floats(), st.integers(), st.text(), st.booleans(), st.lists(st.integers())
    )
)
def test_anything_is_taken_as_its_node_takes_it_or_refused_with_the_arguments_name(name, value):
    try:
        found = checked(name, value)
    except (ValueError, TypeError) as refused:
        found, said = value, str(refused)
    else:
        said = f"{name} expected"
    assert found == value or found != found
    assert said.startswith(name)
    assert "expected" in said


@pytest.mark.parametrize("value", [np.int64(7), np.uint8(7), 7])
def test_numpys_numbers_count_as_numbers(value):
    for name in ("steps", "cfg", "seed"):
        assert checked(name, value) == 7
        assert type(checked(name, value)) in (int, float)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("strength", 1.5, "strength: 1.5 is out of range; expected 0.0 to 1.0"),
        ("strength", float("nan"), "strength: nan is out of range"),
        ("steps", 2.5, r"steps is 2.5 \(float\); expected a whole number"),
        ("steps", 0, "steps: 0 is out of range; expected 1 to 10000"),
        ("steps", True, r"steps is True \(bool\)"),
        ("seed", -1, "seed: -1 is out of range"),
        ("sampler", "dpm++", "sampler is 'dpm\\+\\+'; expected one of .*dpmpp_2m"),
        ("content", "nothing", "expected one of original, fill, noise, empty"),
        ("prompt", 3, "prompt is of type int; expected text"),
    ],
)
def test_what_is_wrong_is_said_in_terms_of_the_argument(name, value, said):
    with pytest.raises((ValueError, TypeError), match=said):
        checked(name, value)


def test_one_entry_serves_all_and_other_lengths_are_named():
    two = tasks(
        prompt=["a", "b"], negative=["c"], seed=[1, 2], image=[PHOTO], depth=[None], mask=[None]
    )
    assert [(one.prompt, one.negative, one.seed) for one in two] == [("a", "c", 1), ("b", "c", 2)]
    with pytest.raises(ValueError, match=r"different lengths \(prompt 2, image 3\)"):
        tasks(prompt=["a", "b"], image=[PHOTO] * 3)
