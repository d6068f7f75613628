"""What may be left out, and at which noise levels the deep layers run."""

import pytest

from sd2_depth2img.sampling.shortcuts import DeepSteps, Shortcuts


@pytest.mark.parametrize(
    ("every", "expected"),
    [(1, [1, 1, 1, 1, 1]), (2, [1, 0, 1, 0, 1]), (3, [1, 0, 0, 1, 0]), (9, [1, 0, 0, 0, 0])],
)
def test_every_nth_level_is_deep_from_the_first_on(every, expected):
    steps = DeepSteps(every)
    assert [steps.is_deep(sigma) for sigma in (14.6, 5.0, 2.0, 1.0, 0.1)] == [
        bool(deep) for deep in expected
    ]


def test_all_calls_at_a_level_get_the_same_answer():
    steps = DeepSteps(2)
    assert [steps.is_deep(sigma) for sigma in (9.0, 9.0, 4.0, 4.0, 4.0, 1.0)] == [
        *(True, True, False, False, False, True)
    ]


@pytest.mark.parametrize("interval", [(0.7, 0.3), (-0.1, 1.0), (0.0, 1.1), (float("nan"), 1.0)])
def test_an_interval_that_is_none_is_refused(interval):
    with pytest.raises(ValueError, match="expected two numbers from 0 to 1, the first one not lar"):
        Shortcuts(*interval)


def test_deep_layers_run_at_every_step_or_more_seldom():
    with pytest.raises(ValueError, match="every 0th step; expected 1 or more"):
        Shortcuts(deep_every=0)
