"""The training loop: schedule, running average, and going on after a crash."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sd2_depth2img.tools.train_mini.trainer import SAVE_EVERY, Schedule, numbers, train

SCHEDULE = Schedule(steps=SAVE_EVERY * 2 + 30, rate=0.05, warmup=10, ema=0.9)


class Line(nn.Module):
    """One layer that learns, and one that must not."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.learns = nn.Linear(3, 2)
        self.stays = nn.Linear(2, 2).requires_grad_(False)

    def forward(self, x):
        return self.stays(self.learns(x))


class LineStage:
    """Learns to give back the first two of three numbers.

    Attributes:
        seen: the layer's weights at the beginning of every step.
    """

    def __init__(self, crash_at=None):
        self.network = Line()
        self.seen = []
        self._crash_at = crash_at

    def loss(self, step):
        if step == self._crash_at:
            raise RuntimeError("power cut")
        self.seen.append(self.network.learns.weight.detach().clone())
        generator = torch.Generator().manual_seed(next(numbers(5, step)))
        x = torch.randn(8, 3, generator=generator)
        return (self.network(x) - x[:, :2]).square().mean()


def trained(state, crash_at=None, schedule=SCHEDULE):
    stage = LineStage(crash_at)
    train(stage, schedule, state)
    return stage


def same(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted training, and the state it left."""
    state = tmp_path_factory.mktemp("trainer") / "line.pt"
    return trained(state), state


def test_training_learns(finished):
    stage, _ = finished
    assert stage.loss(10**6) < 0.1 * LineStage().loss(10**6)


@pytest.mark.parametrize("step", [50, SAVE_EVERY, SAVE_EVERY + 50, SCHEDULE.steps - 1])
def test_a_training_that_crashed_goes_on_to_the_same_network(tmp_path, finished, step):
    state = tmp_path / "line.pt"
    with pytest.raises(RuntimeError, match="power cut"):
        trained(state, crash_at=step)
    stage = trained(state)
    assert same(stage.network, finished[0].network)
    assert len(stage.seen) == SCHEDULE.steps - step // SAVE_EVERY * SAVE_EVERY
    assert [path.name for path in tmp_path.iterdir()] == ["line.pt"]


def test_a_finished_training_is_only_read(finished):
    stage, state = finished
    before = state.read_bytes()
    again = trained(state, crash_at=0)
    assert again.seen == []
    assert same(again.network, stage.network)
    assert state.read_bytes() == before


def test_parameters_without_gradient_stay(finished):
    stage, _ = finished
    assert same(stage.network.stays, Line().stays)
    assert not same(stage.network.learns, Line().learns)


def test_the_network_ends_with_the_running_average_of_its_weights(finished):
    stage, state = finished
    last = torch.load(state, weights_only=True)["network"]["learns.weight"]
    average = stage.seen[0]
    for step, weight in enumerate([*stage.seen[1:], last]):
        keep = min(SCHEDULE.ema, (1 + step) / (10 + step))
        average = keep * average + (1 - keep) * weight
    torch.testing.assert_close(stage.network.learns.weight.detach(), average, atol=1e-4, rtol=0)
    assert not torch.allclose(average, last, atol=1e-3, rtol=0)


# --- Schedule -------------------------------------------------------------------------------------


@given(warmup=st.integers(1, 500), more=st.integers(1, 5000), rate=st.floats(1e-6, 1))
def test_the_rate_rises_then_falls_to_nothing(warmup, more, rate):
    schedule = Schedule(warmup + more, rate, warmup)
    assert schedule.rate_at(0) == pytest.approx(rate / warmup)
    assert schedule.rate_at(schedule.steps) == pytest.approx(0, abs=1e-9)
    after = [schedule.rate_at(step) for step in range(warmup - 1, schedule.steps)]
    assert after == sorted(after, reverse=True)
    assert max(schedule.rate_at(step) for step in range(schedule.steps)) <= rate
    assert min(schedule.rate_at(step) for step in range(schedule.steps)) > 0


def test_the_first_step_moves_every_weight_by_its_rate(tmp_path):
    """Adam's first step is the learning rate in every direction, whatever the gradient's size."""
    schedule = Schedule(steps=1, rate=0.5, warmup=50)
    trained(tmp_path / "line.pt", schedule=schedule)
    moved = torch.load(tmp_path / "line.pt", weights_only=True)["network"]["learns.weight"]
    step = (moved - Line().learns.weight.detach()).abs()
    torch.testing.assert_close(step, torch.full_like(step, 0.01), rtol=1e-3, atol=0)


# --- Seeds ----------------------------------------------------------------------------------------


def test_a_step_has_seeds_of_its_own():
    drawn = {
        (seed, step): tuple(next(source) for _ in range(3))
        for seed in range(4)
        for step in range(50)
        for source in [numbers(seed, step)]
    }
    assert len(set(drawn.values())) == len(drawn)
    assert all(len(set(three)) == 3 for three in drawn.values())
    source = numbers(3, 7)
    assert tuple(next(source) for _ in range(3)) == drawn[3, 7]
