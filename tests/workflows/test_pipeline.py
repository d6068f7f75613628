"""Many workflows through one runner: common calls of the UNet, what is kept, errors, Ctrl-C."""

import signal
import threading
import time

import pytest
import torch

from sd2_depth2img.engine import networks
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.workflows.graph import NodeError, Results, Runner, parse_workflow
from sd2_depth2img.workflows.pipeline import in_groups, run_all
from sd2_depth2img.workflows.problems import WorkflowError

pytestmark = pytest.mark.usefixtures("base", "one_thread")

STEPS = 2


def item(seed, text="a red ball", width=64, steps=STEPS, cfg=3.0, mask=False):
    """A workflow of one image; it ends with a latent and a preview."""
    link = {
        "model": ["1", 0],
        "positive": ["6", 0],
        "negative": ["6", 1],
        "latent_image": ["8" if mask else "7", 0],
    }
    settings = {"sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    sizes = {"width": width, "height": 64, "batch_size": 1}
    nodes = {
        "1": ("SD2DepthCheckpointLoader", {"ckpt_name": str(BUNDLED_CHECKPOINT)}),
        "2": ("EmptyImage", {"width": 64, "height": 64, "batch_size": 1, "color": 0x808080}),
        "3": ("SD2DepthFill", {"depth": ["2", 0], "shape": "dome"}),
        "4": ("CLIPTextEncode", {"clip": ["1", 1], "text": text}),
        "5": ("CLIPTextEncode", {"clip": ["1", 1], "text": ""}),
        "6": ("SD2DepthEncode", {"positive": ["4", 0], "negative": ["5", 0], "depth": ["3", 0]}),
        "7": ("EmptyLatentImage", sizes),
        "9": ("KSampler", {**link, **settings, "seed": seed, "steps": steps, "cfg": cfg}),
        "10": ("VAEDecode", {"samples": ["9", 0], "vae": ["1", 2]}),
        "11": ("SaveImage", {"images": ["10", 0], "filename_prefix": "made"}),
    }
    if mask:
        nodes["12"] = ("SolidMask", {"value": 0.5, "width": 64, "height": 64})
        nodes["8"] = ("SetLatentNoiseMask", {"samples": ["7", 0], "mask": ["12", 0]})
    return parse_workflow(
        {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}
    )


def working():
    return [t for t in threading.enumerate() if t.name.startswith(("workflow", "sampling"))]


def latent(results):
    assert isinstance(results, Results), results
    return results.outputs["9"][0][0]["samples"]


@pytest.fixture
def unet_rows(monkeypatch):
    """How many latents each call of the UNet had."""
    rows = []
    predict_noise = networks.EngineModel.predict_noise

    def counting(self, x, *others):
        rows.append(len(x))
        return predict_noise(self, x, *others)

    monkeypatch.setattr(networks.EngineModel, "predict_noise", counting)
    return rows


ITEMS = [
    {"seed": 1},
    {"seed": 2, "text": "a blue (glass:1.3) cube"},
    {"seed": 3, "mask": True},
    {"seed": 4, "text": "a green tree, " * 30},  # two chunks of tokens
    {"seed": 5},
]


@pytest.fixture
def alone():
    runner = Runner()
    return [latent(runner.run(item(**one))) for one in ITEMS]


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_every_item_gets_what_it_gets_alone_in_order(alone, at_once):
    results = list(run_all(Runner(), [item(**one) for one in ITEMS], at_once))
    assert len({one.files[0] for one in results}) == len(ITEMS)
    for found, expected in zip(results, alone, strict=True):
        assert (latent(found) - expected).norm() <= 1e-4 * expected.norm()


def test_each_item_gets_the_warnings_about_it():
    items = [item(0), item(1, width=128), item(2), item(3, width=128)]
    results = list(run_all(Runner(), items, at_once=4))
    squeezed = ["squeezed" in str(one.ui["9"]["warnings"]) for one in results]
    assert squeezed == [False, True, False, True]


@pytest.mark.parametrize(("memory", "anew"), [(0, {"4", "6"}), (2**24, set())])
def test_what_items_share_is_computed_once_within_the_memory(memory, anew):
    """A prompt and its depth map that another item has come between."""
    runner = Runner(memory=memory)
    for one in (item(1, "a red ball"), item(2, "a blue cube"), item(3, "a red ball")):
        results = runner.run(one)
    assert set(results.executed) == {"9", "10", "11"} | anew


def test_items_share_calls_of_the_unet(unet_rows):
    list(run_all(Runner(), [item(seed) for seed in range(4)], at_once=4))
    assert unet_rows == [8] * STEPS


def test_a_call_has_no_more_latents_than_fit_into_the_memory(unet_rows):
    each = 32 * 64 * (8 * 8) * 4  # the miniature is 64 channels wide
    list(run_all(Runner(), [item(seed) for seed in range(3)], at_once=3, memory=5 * each - 1))
    assert unet_rows == [4, 2] * STEPS


def test_what_does_not_fit_together_is_sampled_apart(unet_rows):
    items = [item(0), item(1, width=128), item(2, cfg=1.0), item(3), item(4, steps=STEPS + 1)]
    list(run_all(Runner(), items, at_once=5))
    assert sorted(unet_rows) == sorted([4] * STEPS + [2] * STEPS + [1] * STEPS + [2] * (STEPS + 1))


def test_all_sampling_is_done_in_one_thread(monkeypatch):
    """CUDA graphs belong to the thread that made them."""
    threads = set()
    predict_noise = networks.EngineModel.predict_noise

    def watched(self, *inputs):
        threads.add(threading.get_ident())
        return predict_noise(self, *inputs)

    monkeypatch.setattr(networks.EngineModel, "predict_noise", watched)
    list(run_all(Runner(), [item(seed) for seed in range(5)], at_once=2))
    assert len(threads) == 1


def test_the_same_batch_gives_the_same_bits():
    first, second = (
        [latent(one) for one in run_all(Runner(), [item(seed) for seed in range(5)], at_once=2)]
        for _ in range(2)
    )
    for one, again in zip(first, second, strict=True):
        assert torch.equal(one, again)


def test_a_bad_item_costs_only_itself(unet_rows):
    refused = item(2)
    refused.prompt["9"]["inputs"]["sampler_name"] = "no such"
    failing = item(3)
    failing.prompt["6"]["inputs"].update(start_percent=0.9, end_percent=0.1)
    results = list(run_all(Runner(), [item(0), refused, failing, item(4)], at_once=4))
    assert [type(one) for one in results] == [Results, WorkflowError, NodeError, Results]
    assert unet_rows == [4] * STEPS


def test_an_error_while_sampling_together_is_only_its_own(monkeypatch):
    """One prompt that makes the network overflow."""
    predict_noise = networks.EngineModel.predict_noise

    def overflowing(self, x, timesteps, context):
        noise = predict_noise(self, x, timesteps, context)
        return torch.where((x[:, -1:].amax(dim=(1, 2, 3), keepdim=True) == 0), torch.nan, noise)

    monkeypatch.setattr(networks.EngineModel, "predict_noise", overflowing)
    without_depth = item(1)
    without_depth.prompt["6"]["inputs"]["strength"] = 0.0
    results = list(run_all(Runner(), [item(0), without_depth, item(2)], at_once=3))
    assert [type(one) for one in results] == [Results, NodeError, Results]
    assert "NaN" in str(results[1])


def test_one_is_decoded_while_the_next_is_sampled(monkeypatch):
    """The first image's decoding waits until the second one's sampling has begun."""
    sampling = threading.Semaphore(0)
    predict_noise, decode = networks.EngineModel.predict_noise, networks.EngineVAE.decode
    met = []

    def predicting(self, *inputs):
        sampling.release()
        return predict_noise(self, *inputs)

    def decoding(self, samples):
        if not met:
            for _ in range(STEPS + 1):  # the first one's own calls, and one of the second
                met.append(sampling.acquire(timeout=20))
        return decode(self, samples)

    monkeypatch.setattr(networks.EngineModel, "predict_noise", predicting)
    monkeypatch.setattr(networks.EngineVAE, "decode", decoding)
    results = list(run_all(Runner(), [item(0), item(1)]))
    assert met == [True] * (STEPS + 1)
    assert all(isinstance(one, Results) for one in results)


def test_an_error_that_is_no_outcome_is_raised_when_all_threads_have_ended():
    def work(number):
        if number == 2:
            raise LookupError("a bug")
        return number

    results = in_groups(work, range(9), threading.Lock(), at_once=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(LookupError, match="a bug"):
        next(results)
    assert not working()


def test_ctrl_c_stops_every_thread(monkeypatch):
    predict_noise = networks.EngineModel.predict_noise
    calls = []

    def slow(self, *inputs):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.02)
        return predict_noise(self, *inputs)

    monkeypatch.setattr(networks.EngineModel, "predict_noise", slow)
    with pytest.raises(KeyboardInterrupt):
        list(run_all(Runner(), [item(seed, steps=500) for seed in range(4)], at_once=2))
    assert not working()


def test_a_consumer_that_stops_early_leaves_no_thread():
    outcomes = run_all(Runner(), (item(seed) for seed in range(100)), at_once=2)
    next(outcomes)
    outcomes.close()
    assert not working()
