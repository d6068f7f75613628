"""torch.compile: the same results, and its lack in words."""

import pytest
import torch

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine import compiling
from sd2_depth2img.engine.compiling import CannotCompile, compiled
from sd2_depth2img.engine.deep_features import Deep
from sd2_depth2img.engine.execution import Execution
from sd2_depth2img.engine.networks import load
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT

CPU = torch.device("cpu")


def inputs():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 16, 24, generator=generator)
    return x, torch.tensor([500, 500]), torch.randn(2, 77, 64, generator=generator)


def relative_error(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


def test_without_a_compiler_the_error_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    model, _, _ = load(Checkpoint.open(BUNDLED_CHECKPOINT), "cpu", Execution(compiles=True))
    with pytest.raises(CannotCompile, match=r"a C\+\+ compiler \(g\+\+, clang\+\+, cl\) is not in"):
        model.predict_noise(*inputs())


def test_a_compiler_that_fails_is_an_error_in_words(monkeypatch):
    def failing(graph, example):
        raise OSError("the linker is broken")

    compile_ = torch.compile
    monkeypatch.setattr(compiling.torch, "compile", lambda run, **_: compile_(run, backend=failing))
    run = compiled(lambda x: x + 1, CPU)
    with pytest.raises(CannotCompile, match=r"cannot be compiled: .*; run it without compiling"):
        run(torch.ones(2))


@pytest.mark.slow  # a minute or two of a C++ compiler
def test_compiled_it_predicts_the_same():
    plain, fast = (
        load(Checkpoint.open(BUNDLED_CHECKPOINT), "cpu", Execution(compiles=compiles))[0]
        for compiles in (False, True)
    )
    assert relative_error(fast.predict_noise(*inputs()), plain.predict_noise(*inputs())) <= 1e-5
    ours, theirs = Deep(), Deep()
    for _ in range(2):  # with the deep layers, and with what they gave
        found = fast.predict_noise(*inputs(), ours)
        assert relative_error(found, plain.predict_noise(*inputs(), theirs)) <= 1e-5
