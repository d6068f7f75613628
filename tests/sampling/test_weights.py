"""Weight files are read by content, header first, and damage is told plainly."""

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from sd2_depth2img.sampling.weights import (
    PickleFile,
    SafetensorsFile,
    TensorInfo,
    UnreadableFile,
    open_weights,
)

TENSORS = {
    "a": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "half": torch.randn(5).half(),
    "brain": torch.randn(2, 2).bfloat16(),
    "count": torch.tensor(7),
    "empty": torch.zeros(0, 3),
}


@pytest.fixture
def safetensors(tmp_path):
    save_file(TENSORS, tmp_path / "weights.safetensors", {"title": "test"})
    return tmp_path / "weights.safetensors"


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_both_formats_tell_and_read_the_same(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save_file(TENSORS, path) if suffix == ".safetensors" else torch.save(TENSORS, path)
    file = open_weights(path)
    assert isinstance(file, SafetensorsFile if suffix == ".safetensors" else PickleFile)
    assert file.tensors == {n: TensorInfo(t.dtype, tuple(t.shape)) for n, t in TENSORS.items()}
    for name, tensor in TENSORS.items():
        assert torch.equal(file.read(name), tensor)
    with pytest.raises(KeyError):
        file.read("nothing")


def test_the_content_decides_not_the_name(tmp_path, safetensors):
    renamed = safetensors.rename(tmp_path / "model.ckpt")
    assert isinstance(open_weights(renamed), SafetensorsFile)


def test_metadata_is_kept(safetensors):
    assert open_weights(safetensors).metadata["title"] == "test"


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*gone\.safetensors"):
        open_weights(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("keep", [0, 4, 9, 60, 200])
def test_truncated_safetensors(safetensors, keep):
    safetensors.write_bytes(safetensors.read_bytes()[:keep])
    with pytest.raises(UnreadableFile, match=r"weights\.safetensors"):
        open_weights(safetensors)


def test_safetensors_cut_off_in_the_data_says_how_much_is_missing(safetensors):
    size = safetensors.stat().st_size
    safetensors.write_bytes(safetensors.read_bytes()[:-3])
    with pytest.raises(UnreadableFile, match=rf"damaged.*have {size:,} bytes; it has {size - 3:,}"):
        open_weights(safetensors)


@pytest.mark.parametrize(
    "change", [{"dtype": "F4"}, {"data_offsets": "ab"}, {"data_offsets": [9, 3]}, {"shape": 2}]
)
def test_an_entry_that_is_not_understood_is_named(tmp_path, change):
    entry = {"dtype": "U8", "shape": [1], "data_offsets": [0, 1], **change}
    header = json.dumps({"x": entry}).encode()
    path = tmp_path / "odd.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    with pytest.raises(UnreadableFile, match=r"entry for x "):
        open_weights(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.example/spec/v1\noid", "Git LFS pointer"),
        (b"GGUF\x03\x00\x00\x00 and so on", "GGUF"),
        (b"\x80\x02}q\x00.", "a pickle, but not one that PyTorch wrote"),
        (b"(an old story)", "it is text"),
        (b'{"error": "no such file"}', "it is JSON"),
        (b"  [1, 2]", "it is JSON"),
        (bytes(500), "begins with zeros"),
        (bytes(range(100, 200)), "not a weight file"),
    ],
)
def test_files_that_are_something_else_are_recognised(tmp_path, content, words):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=words):
        open_weights(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_reading_writes_nothing_back(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save_file(TENSORS, path) if suffix == ".safetensors" else torch.save(TENSORS, path)
    before = path.read_bytes()
    open_weights(path).read("a").zero_()
    assert path.read_bytes() == before
