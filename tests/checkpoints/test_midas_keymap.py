"""MiDaS's table is complete on both sides; depth/networks/test_midas.py compares the outputs."""

from pathlib import Path

import pytest
import torch
from transformers import DPTConfig, DPTForDepthEstimation

from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.midas_keymap import MIDAS_KEYS
from sd2_depth2img.depth.networks.dpt import UNUSED
from sd2_depth2img.tools.make_checkpoint import MINIATURE, random_weights

TABLE = Path(__file__).parents[1] / "data" / "512-depth-ema.keys.tsv"


@pytest.fixture(scope="module")
def real():
    """Name (prefix stripped) -> shape of MiDaS in the real file."""
    rows = (line.split("\t") for line in TABLE.read_text().splitlines() if line[0] != "#")
    return {
        name[len(Part.MIDAS.value) :]: tuple(int(n) for n in shape.split("x"))
        for name, shape in rows
        if name.startswith(Part.MIDAS.value)
    }


@pytest.fixture(scope="module")
def full_size():
    """Name -> shape in transformers' own network at the widths of SD2's depth_estimator."""
    with torch.device("meta"):
        config = DPTConfig(is_hybrid=True, neck_hidden_sizes=[256, 512, 768, 768])
        network = DPTForDepthEstimation(config)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def shapes(tensors):
    return {name: tuple(tensor.shape) for name, tensor in tensors}


def on_meta(table):
    return {name: torch.empty(shape, device="meta") for name, shape in table.items()}.__getitem__


def test_no_name_occurs_twice_on_either_side():
    original = [entry.ldm for entry in MIDAS_KEYS.entries]
    transformers = [name for entry in MIDAS_KEYS.entries for name in entry.diffusers]
    assert len(set(original)) == len(original)
    assert len(set(transformers)) == len(transformers)


def test_the_real_file_becomes_exactly_transformers_network(real, full_size):
    assert len(full_size) == 414
    assert shapes(MIDAS_KEYS.to_diffusers(on_meta(real))) == full_size


def test_transformers_network_becomes_the_real_file_but_for_the_classifier(real, full_size):
    classifier = {"pretrained.model.head.weight", "pretrained.model.head.bias"}
    assert not classifier & {entry.ldm for entry in MIDAS_KEYS.entries}
    used = {name: shape for name, shape in real.items() if name not in classifier}
    assert shapes(MIDAS_KEYS.to_ldm(on_meta(full_size))) == used


def test_what_nothing_uses_has_a_name_on_both_sides():
    names = [entry.ldm for entry in MIDAS_KEYS.entries]
    idle = [start for start in UNUSED if any(name.startswith(start) for name in names)]
    assert set(UNUSED) - set(idle) == {"pretrained.model.head."}


def test_there_and_back_is_bit_identical():
    prefix = Part.MIDAS.value
    table = {n[len(prefix) :]: s for n, s in MINIATURE.tensors().items() if n.startswith(prefix)}
    weights = random_weights(table, seed=1)
    there = dict(MIDAS_KEYS.to_diffusers(weights.__getitem__))
    back = dict(MIDAS_KEYS.to_ldm(there.__getitem__))
    classifier = {"pretrained.model.head.weight", "pretrained.model.head.bias"}
    assert set(back) | classifier == set(weights)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in back.items())
