"""In which type the networks run, and what it does to the image."""

import logging

import pytest
import torch

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine import execution
from sd2_depth2img.engine.execution import Execution, Precision, bfloat16_gain
from sd2_depth2img.engine.guidance import sample
from sd2_depth2img.engine.networks import load
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.sampling.depth_channel import DepthCondition, attach_depth

pytestmark = pytest.mark.usefixtures("one_thread")

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def _fresh():
    execution.unet_type.cache_clear()
    yield
    execution.unet_type.cache_clear()
    execution.use(Execution())


@pytest.mark.parametrize(
    ("precision", "device", "dtype"),
    [
        (None, CPU, torch.float32),
        (None, GPU, torch.float16),
        (Precision.FP32, GPU, torch.float32),
        (Precision.BF16, CPU, torch.bfloat16),
        (Precision.FP16, GPU, torch.float16),
        (Precision.AUTO, GPU, torch.float16),
    ],
)
def test_the_unets_type(precision, device, dtype):
    assert execution.unet_type(precision, device, 320) is dtype


@pytest.mark.parametrize(
    ("gain", "dtype", "said"),
    [
        (2.61, torch.bfloat16, "bf16, 2.6 times as fast as fp32 in a probe"),
        (1.1, torch.float32, "fp32, 0.9 times as fast as bf16 in a probe"),
        (0.25, torch.float32, "fp32, 4.0 times as fast as bf16 in a probe"),
    ],
)
def test_auto_takes_what_a_probe_finds_faster_and_says_so_once(
    monkeypatch, caplog, gain, dtype, said
):
    monkeypatch.setattr(execution, "bfloat16_gain", lambda width: gain)
    with caplog.at_level(logging.INFO, execution.__name__):
        assert execution.unet_type(Precision.AUTO, CPU, 320) is dtype
        assert execution.unet_type(Precision.AUTO, CPU, 320) is dtype
        assert execution.vae_type(Precision.AUTO, CPU, 320) is dtype
    assert [record.getMessage() for record in caplog.records] == [f"precision auto: {said}"]


def test_the_probe_measures_something():
    assert 0.01 < bfloat16_gain(64) < 100


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        (None, torch.float32),
        (Precision.FP32, torch.float32),
        (Precision.BF16, torch.bfloat16),
        (Precision.FP16, torch.float32),  # its activations may exceed what fp16 can say
    ],
)
def test_the_vaes_type_on_a_cpu(precision, dtype):
    assert execution.vae_type(precision, CPU, 320) is dtype


def test_fp16_on_a_cpu_is_warned_of(caplog):
    execution.unet_type(Precision.FP16, CPU, 320)
    assert "fp16 is slow on a CPU" in caplog.text


def test_models_are_loaded_with_what_was_set():
    execution.use(Execution(Precision.BF16))
    model, clip, vae = load(Checkpoint.open(BUNDLED_CHECKPOINT), "cpu")
    types = [{p.dtype for p in part.network.parameters()} for part in (model, vae, clip)]
    assert types == [{torch.bfloat16}, {torch.bfloat16}, {torch.float32}]


@pytest.fixture(scope="module")
def exact():
    return load(Checkpoint.open(BUNDLED_CHECKPOINT), "cpu", Execution())


def conditionings(clip):
    depth = DepthCondition(torch.linspace(0, 1, 128).expand(1, 128, 128))
    return [
        attach_depth([[clip.encode(clip.tokenize(text)), {}]], depth)
        for text in ("a red clay statue on a blue background", "")
    ]


def painted(model, vae, prompts):
    latent = {"samples": torch.zeros(1, 4, 16, 16)}
    sampled = sample(model, 1, 8, 3.0, "dpmpp_2m", "karras", *prompts, latent)["samples"]
    assert sampled.dtype == torch.float32
    return vae.decode(sampled)


def test_bf16_paints_the_image_of_fp32_within_40_db(exact):
    half = load(Checkpoint.open(BUNDLED_CHECKPOINT), "cpu", Execution(Precision.BF16))
    prompts = conditionings(exact[1])
    expected, found = (painted(parts[0], parts[2], prompts) for parts in (exact, half))
    assert found.dtype == torch.float32
    error = (found - expected).pow(2).mean()
    assert 0 < error < 10 ** (-40 / 10)


def test_another_model_of_the_same_kind_runs_in_the_same_way(exact):
    model, _, _ = load(Checkpoint.open(BUNDLED_CHECKPOINT), "cpu", Execution(Precision.BF16))
    other = model.with_file(model.checkpoint.file)
    assert {p.dtype for p in other.network.parameters()} == {torch.bfloat16}
    assert other.network is not model.network
