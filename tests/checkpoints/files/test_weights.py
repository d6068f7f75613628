"""Weight files are read by content, header first, and damage is told plainly."""

import json
import os
import pickle
import struct

import pytest
import torch
from safetensors.torch import save_file

from sd2_depth2img.checkpoints.files.errors import DamagedFile, UnreadableFile
from sd2_depth2img.checkpoints.files.weights import (
    CutOffFile,
    PickleFile,
    SafetensorsFile,
    TensorInfo,
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


def write_header(path, header):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    return path


ENTRY = {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": ["U8"]},
        {"data_offsets": "ab"},
        {"data_offsets": [9, 3]},
        {"data_offsets": [0, float("inf")]},
        {"data_offsets": [0.0, 8.0]},
        {"shape": 2},
        {"shape": [None]},
        {"shape": ["8"]},
        {"shape": [-8]},
        {"shape": [8.0]},
        {"shape": {}},
        {"shape": [10**40]},
        {"shape": [1 << 62, 1 << 62]},
        {"shape": [1] * 65},
        {"shape": [4]},
        {"data_offsets": [0, 4]},
        {"dtype": "F32"},
    ],
)
def test_an_entry_that_is_damaged_is_named(tmp_path, change):
    path = write_header(tmp_path / "odd.safetensors", {"x": {**ENTRY, **change}})
    with pytest.raises(DamagedFile, match=r"odd\.safetensors is damaged: .* entry for x "):
        open_weights(path)


@pytest.mark.parametrize(
    "header",
    [
        {"x": ENTRY, "y": {**ENTRY, "data_offsets": [4, 12]}},  # overlap
        {"x": {**ENTRY, "shape": [4], "data_offsets": [0, 4]}},  # bytes that belong to nothing
        {"x": {**ENTRY, "shape": [4], "data_offsets": [4, 8]}},
    ],
)
def test_a_file_that_is_not_cut_off_is_not_said_to_be(tmp_path, header):
    path = write_header(tmp_path / "odd.safetensors", header)
    with pytest.raises(DamagedFile, match=r"odd\.safetensors is damaged: ") as refusal:
        open_weights(path)
    assert isinstance(refusal.value, CutOffFile) == ("it has" in str(refusal.value))
    assert ("y" in header) == isinstance(refusal.value, CutOffFile)


def test_a_name_that_occurs_twice_is_refused(tmp_path):
    entry = json.dumps(ENTRY)
    path = write_header(tmp_path / "odd.safetensors", f'{{"x": {entry}, "x": {entry}}}'.encode())
    with pytest.raises(DamagedFile, match="a name occurs twice"):
        open_weights(path)


def test_a_header_larger_than_any_models_is_refused_unread(tmp_path):
    path = tmp_path / "odd.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 90_000_000) + b"{")
        file.truncate(100_000_000)
    with pytest.raises(DamagedFile, match=r"odd\.safetensors was refused: its header takes 90,000"):
        open_weights(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_a_file_that_changes_after_it_was_opened_is_named(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save_file(TENSORS, path) if suffix == ".safetensors" else torch.save(TENSORS, path)
    file = open_weights(path)
    path.write_bytes(b"")
    with pytest.raises(DamagedFile, match=rf"weights\{suffix} is damaged: it had more when it was"):
        file.read("a")
    path.unlink()
    with pytest.raises(DamagedFile, match=rf"weights\{suffix} is gone"):
        file.read("a")


@pytest.mark.skipif(os.name != "posix", reason="links want privileges on Windows")
def test_a_link_to_nothing_is_named(tmp_path):
    (tmp_path / "model.safetensors").symlink_to("blobs/12")
    with pytest.raises(DamagedFile, match=r"safetensors is a link to blobs/12, which is not"):
        open_weights(tmp_path / "model.safetensors")


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_pickles_of_any_protocol_are_called_so(tmp_path, protocol):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"loss": [0.5]}, protocol))
    with pytest.raises(UnreadableFile, match="is a pickle, but not one that PyTorch wrote"):
        open_weights(path)


@pytest.mark.parametrize("protocol", [1, 2])
def test_the_old_format_is_read_in_any_protocol_and_its_damage_told(tmp_path, protocol):
    """In protocol 0 not even PyTorch reads what it writes."""
    path, weights = tmp_path / "model.pt", {"a": torch.arange(4.0)}
    torch.save(weights, path, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    assert torch.equal(open_weights(path).read("a"), weights["a"])
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DamagedFile, match="is cut off after"):
        open_weights(path)


def test_an_entry_that_is_none_is_named_and_shortened(tmp_path):
    nested = b"[" * 400 + b"1" * 4000 + b"]" * 400
    path = write_header(tmp_path / "odd.safetensors", b'{"x": ' + nested + b"}")
    with pytest.raises(DamagedFile) as refusal:
        open_weights(path)
    assert len(str(refusal.value)) < 300


def test_an_element_type_that_is_not_known_is_named(tmp_path):
    path = write_header(tmp_path / "odd.safetensors", {"x": {**ENTRY, "dtype": "F4"}})
    with pytest.raises(UnreadableFile, match=r"the element type of x is 'F4'") as refusal:
        open_weights(path)
    assert not isinstance(refusal.value, DamagedFile)


@pytest.mark.parametrize("metadata", [["x"], "x", 5, None, {"modelspec.architecture": 5}])
def test_metadata_that_is_damaged_is_named(tmp_path, metadata):
    path = write_header(tmp_path / "odd.safetensors", {"__metadata__": metadata, "x": ENTRY})
    with pytest.raises(DamagedFile, match=r"odd\.safetensors is damaged: its metadata is "):
        open_weights(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
@pytest.mark.parametrize("name", ["x\x1b[2J", "x\nthis file is safe", "x" * 501, "x\u202ey"])
def test_names_that_could_write_to_a_terminal_are_refused(tmp_path, name, suffix):
    path = tmp_path / f"odd{suffix}"
    if suffix == ".ckpt":
        torch.save({name: torch.ones(1)}, path)
    else:
        write_header(path, {name: ENTRY})
    with pytest.raises(UnreadableFile, match="which is no name") as refusal:
        open_weights(path)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.example/spec/v1\noid", "Git LFS pointer"),
        (b"GGUF\x03\x00\x00\x00 and so on", "GGUF"),
        (b"\x80\x02}q\x00.", "a pickle, but not one that PyTorch wrote"),
        (b"(an old story)", "it is text"),
        (b"\xef\xbb\xbf<!DOCTYPE html>", "web page"),
        ("<html>".encode("utf-16"), "web page"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "an archive: unpack it"),
        (b"\x1f\x8b\x08\0", "an archive: unpack it"),
        (b"PK\5\6" + bytes(18), "nothing inside"),
        (b"d8:announce35:udp://tracker", "a torrent"),
        (b"[InternetShortcut]\r\nURL=", "a link for a browser"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X", "what macOS keeps"),
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
