"""What a runner keeps of earlier runs."""

from dataclasses import dataclass

import pytest
import torch

from sd2_depth2img.sampling.depth_channel import DepthCondition
from sd2_depth2img.workflows.kept import Done, recent, size_of

MAP = torch.linspace(0, 1, 12).reshape(1, 3, 4)


@dataclass
class Pair:
    one: torch.Tensor
    other: object


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (torch.zeros(3, 5), 60),
        ({"samples": torch.zeros(2), "batch_index": [1, 2]}, 8),
        ([[torch.zeros(4), {"sd2_depth": DepthCondition(MAP)}]], 16 + 48),
        (Pair(torch.zeros(1), (1, "two", None)), 4),
        (object(), float("inf")),
        ([torch.nn.Linear(2, 2)], float("inf")),
    ],
)
def test_size_is_that_of_the_tensors(value, size):
    assert size_of(value) == size


def numbers(count):
    return Done([[torch.zeros(count)]], {})


def test_the_last_ones_are_kept_as_far_as_they_fit():
    done = {"a": numbers(10), "b": numbers(20), "c": numbers(1000), "d": numbers(5)}
    assert list(recent(done, set(), memory=3140)) == ["a", "b", "d"]
    assert list(recent(done, set(), memory=2100)) == ["b", "d"]
    assert list(recent(done, set(), memory=0)) == []


def test_what_the_run_knows_has_its_own_place():
    done = {"a": numbers(10), "b": numbers(10)}
    assert list(recent(done, {"a"}, memory=1040)) == ["b"]


def test_what_was_shown_or_saved_is_done_again():
    done = {"a": Done([], {"images": [{"filename": "a.png"}]}), "b": Done([[object()]], {})}
    assert recent(done, set(), memory=2**40) == {}
