"""Widths are read from shapes, and every tensor of the real layout is accounted for."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.checkpoints.architecture import (
    FULL_TEXT,
    FULL_UNET,
    FULL_VAE,
    TextArchitecture,
    UNetArchitecture,
    UnknownArchitecture,
    VAEArchitecture,
)
from sd2_depth2img.checkpoints.files.weights import TensorInfo
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.identify.recognition import identify
from sd2_depth2img.tools.make_checkpoint import FULL

TABLE = Path(__file__).parents[1] / "data" / "512-depth-ema.keys.tsv"


def real_layout():
    rows = [line.split("\t") for line in TABLE.read_text().splitlines() if line[0] != "#"]
    return {name: tuple(int(n) for n in shape.split("x") if n) for name, shape in rows}


def infos(shapes):
    return {name: TensorInfo(torch.float32, shape) for name, shape in shapes.items()}


def part(shapes, prefix):
    return {n[len(prefix) :]: s for n, s in shapes.items() if n.startswith(prefix)}


@pytest.mark.parametrize(
    ("prefix", "full"),
    [(Part.UNET, FULL_UNET), (Part.VAE, FULL_VAE), (Part.TEXT, FULL_TEXT)],
)
def test_each_part_of_the_real_layout_is_read_and_listed_completely(prefix, full):
    shapes = part(real_layout(), prefix.value)
    assert type(full).from_tensors(infos(shapes)) == full
    assert full.tensors() == shapes


def test_every_key_of_the_real_file_is_used_or_named_as_unused():
    layout = real_layout()
    unused = identify(infos(layout)).unused
    named = {name for names in unused.values() for name in names}
    assert set(FULL.tensors()) | named == set(layout)
    assert set(unused) == {"noise schedule, computed anew"}
    assert len(named) == 12


unets = st.builds(
    UNetArchitecture,
    in_channels=st.sampled_from([4, 5, 9]),
    out_channels=st.just(4),
    model_channels=st.sampled_from([64, 128]),
    channel_mult=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    res_blocks=st.integers(1, 3),
    attention=st.just(()),
    context_dim=st.sampled_from([64, 1024]),
)


@settings(max_examples=40, deadline=None)
@given(unet=unets, data=st.data())
def test_any_unet_reads_back_from_its_own_shapes(unet, data):
    levels = len(unet.channel_mult)
    attention = tuple(data.draw(st.lists(st.booleans(), min_size=levels, max_size=levels)))
    unet = UNetArchitecture(**{**unet.__dict__, "attention": attention})
    assert UNetArchitecture.from_tensors(infos(unet.tensors())) == unet


@settings(max_examples=20, deadline=None)
@given(
    channels=st.sampled_from([32, 96, 128]),
    mult=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(lambda m: (1, *m)),
    res_blocks=st.integers(1, 3),
)
def test_any_vae_reads_back_from_its_own_shapes(channels, mult, res_blocks):
    vae = VAEArchitecture(channels, mult, res_blocks)
    assert VAEArchitecture.from_tensors(infos(vae.tensors())) == vae


def test_any_text_tower_reads_back_and_its_last_layer_is_not_needed():
    text = TextArchitecture(width=128, layers=5, mlp_width=512)
    assert TextArchitecture.from_tensors(infos(text.tensors())) == text
    assert {n.split(".")[2] for n in text.unused() if "resblocks" in n} == {"4"}
    assert text.heads == 2


def test_a_copy_without_the_unused_last_text_layer_is_the_same_tower():
    shapes = {n: s for n, s in FULL_TEXT.tensors().items() if n not in FULL_TEXT.unused()}
    assert TextArchitecture.from_tensors(infos(shapes)) == FULL_TEXT


def test_a_missing_tensor_is_named():
    shapes = FULL_UNET.tensors()
    del shapes["out.2.weight"]
    with pytest.raises(UnknownArchitecture, match=r"out\.2\.weight is missing"):
        UNetArchitecture.from_tensors(infos(shapes))
