"""Zeros that a download left are told from those that a model has."""

import mmap
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.files.holes import FileWithHoles, check_holes
from sd2_depth2img.checkpoints.files.weights import open_weights
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT

WEIGHT = torch.randn(1024, 1024, generator=torch.Generator().manual_seed(0))  # 4 MiB


def check(folder, tensors, may_be_off=()):
    save_file(tensors, folder / "model.safetensors")
    check_holes(open_weights(folder / "model.safetensors"), tensors, may_be_off)


def with_zeros(start, length, weight=WEIGHT):
    """A copy with zeros in these bytes."""
    copy = weight.clone()
    copy.view(-1).view(torch.uint8)[start : start + length] = 0
    return copy


def test_the_miniature_is_whole():
    """Some of its weights are zero on purpose, and most of its vocabulary is."""
    Checkpoint.open(BUNDLED_CHECKPOINT)


@pytest.mark.parametrize(("begin", "end"), [(5_000_000, None), (1_000_000, None), (8, 19_000_000)])
def test_a_reserved_file_that_did_not_arrive_is_refused_with_the_number(tmp_path, begin, end):
    content = bytearray(BUNDLED_CHECKPOINT.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    begin, end = max(begin, header), end or len(content)
    content[begin:end] = bytes(end - begin)
    path = tmp_path / "half.safetensors"
    path.write_bytes(content)
    file = open_weights(path)
    zero = sum(not file.read(name).any() for name in file.tensors)
    sentence = rf"half\.safetensors: {zero} of 870 tensors are all zero.* download is not complete"
    with pytest.raises(FileWithHoles, match=sentence):
        Checkpoint.open(path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@settings(max_examples=20, deadline=None)
@given(start=st.integers(0, 1 << 21), length=st.integers(1 << 17, 1 << 20))
def test_a_hole_of_an_eighth_of_a_megabyte_is_found_wherever_it_lies(
    tmp_path_factory, dtype, start, length
):
    weight = WEIGHT.to(dtype)
    size = weight.nbytes
    start, length = start // 8 * 8 % (size - length), length // 8 * 8
    row = size // len(weight)
    edges = {start % row, (start + length) % row}
    torn = {edge for edge in edges if 64 <= edge <= row - 64}
    tensors = {"a.weight": with_zeros(start, length, weight)}
    if torn:  # otherwise it could be rows that are zero on purpose
        with pytest.raises(FileWithHoles, match=r"the tensor is zero in parts \(a\.weight\)"):
            check(tmp_path_factory.mktemp("holes"), tensors)


def test_what_is_zero_on_purpose_is_whole(tmp_path):
    scattered = WEIGHT * (torch.arange(1024) % 3 > 0)
    padded = WEIGHT.clone()  # both ways, as where a layer was made narrower or wider
    padded[700:] = padded[:, 900:] = 0
    check(
        tmp_path,
        {
            "rows.weight": with_zeros(4096 * 100, 4096 * 300),
            "rest.weight": with_zeros(4096 * 100, 4096 * 924),
            "scattered.weight": scattered,
            "pruned.weight": with_zeros(0, 4096 * 256, scattered),  # beside rows with many zeros
            "padded.weight": padded,
            "shifted.weight": padded.roll((300, 500), (0, 1)),
            "columns.weight": torch.block_diag(*WEIGHT.view(8, 128, 1024)[:, :, :128]),
            "expanded.weight": torch.cat([WEIGHT, torch.zeros(1024, 1024)], 1),
            "norm.weight": torch.zeros(64),
            "a.bias": torch.zeros(64),
            "mask_token": torch.zeros(1, 64),
            "embedding.weight": torch.zeros(1, 64),
            "attn_mask": torch.zeros(64, 64),
            "index.weight": torch.zeros(8, 8, dtype=torch.int64),
            "off.conv2.weight": torch.zeros(8, 8),
            "empty.weight": torch.zeros(8, 0, 8),
        },
        may_be_off=["conv2.weight"],
    )


@pytest.mark.parametrize("shape", [(8, 8), (64, 64, 3, 3), (1, 300, 700)])
def test_a_weight_that_is_all_zero_is_a_hole(tmp_path, shape):
    tensors = {"a.weight": torch.zeros(shape), "b.weight": WEIGHT, "b.bias": torch.zeros(8)}
    with pytest.raises(FileWithHoles, match=r"2 of 3 tensors are all zero \(a\.weight\)"):
        check(tmp_path, tensors)


def test_a_layer_that_may_be_off_may_not_be_torn(tmp_path):
    with pytest.raises(FileWithHoles, match="the tensor is zero in parts"):
        check(tmp_path, {"conv2.weight": with_zeros(1000, 1 << 20)}, ["conv2.weight"])


def test_fp8_is_looked_into_as_well(tmp_path):
    weight = with_zeros(100, 600_000, WEIGHT.to(torch.float8_e4m3fn))
    with pytest.raises(FileWithHoles):
        check(tmp_path, {"a.weight": weight})


def test_a_hole_within_a_single_row_is_found(tmp_path):
    weight = WEIGHT.view(4, 512, 512)
    with pytest.raises(FileWithHoles, match="the tensor is zero in parts"):
        check(tmp_path, {"a.weight": with_zeros(300_000, 1 << 18, weight)})


def test_fp8_with_some_weights_rounded_to_zero_is_told_from_a_hole(tmp_path):
    weight = (WEIGHT * 0.01).to(torch.float8_e4m3fn)
    assert 0.05 < (weight.float() == 0).float().mean() < 0.15
    whole = weight.clone()
    whole.view(torch.uint8)[300:500] = 0
    check(tmp_path, {"a.weight": whole})
    with pytest.raises(FileWithHoles, match="the tensor is zero in parts"):
        check(tmp_path, {"a.weight": with_zeros(200_500, 1 << 18, weight)})


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux says what is read")
def test_of_a_whole_file_little_is_read(tmp_path):
    """Opening stays a matter of headers and of the beginnings of blocks."""
    save_file({"a.weight": WEIGHT}, tmp_path / "model.safetensors")
    file = open_weights(tmp_path / "model.safetensors")
    memory = mmap.mmap(-1, WEIGHT.nbytes)
    memory.madvise(mmap.MADV_NOHUGEPAGE)  # in small pages, which count one by one
    weight = torch.frombuffer(memory, dtype=WEIGHT.dtype).view(WEIGHT.shape).copy_(WEIGHT)
    Path("/proc/self/clear_refs").write_text("1")
    check_holes(file, ["a.weight"], read={"a.weight": weight}.__getitem__)
    assert 0 < bytes_read(weight) < WEIGHT.nbytes / 8


def bytes_read(tensor):
    """How much of the memory around a tensor was looked at since clear_refs was written to."""
    for part in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text()):
        start, _, end = part.partition(" ")[0].partition("-")
        if start and int(start, 16) <= tensor.data_ptr() < int(end, 16):
            return 1024 * int(re.search(r"Referenced: +(\d+) kB", part)[1])
    raise LookupError("the tensor lies in no memory")
