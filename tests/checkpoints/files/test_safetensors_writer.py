"""The streamed writer against the library's own, byte for byte."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.files.safetensors_writer import write_safetensors
from sd2_depth2img.checkpoints.files.weights import DTYPES, TensorInfo, WeightFile, open_weights


class InMemory(WeightFile):
    """Tensors that stand for a file's; `promised` is what its header says of them."""

    def __init__(self, tensors, promised=None, read=lambda name: None):
        self.tensors = promised or {
            name: TensorInfo(tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()
        }
        self._weights, self._read = tensors, read

    def read(self, name):
        self._read(name)
        return self._weights[name]


@st.composite
def tensor_sets(draw):
    names = draw(st.lists(st.text(min_size=1, max_size=8), unique=True, min_size=1, max_size=8))
    tensors = {}
    for name in names:
        shape = draw(st.lists(st.integers(0, 4), max_size=3))
        values = torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(len(tensors)))
        tensors[name] = values.to(draw(st.sampled_from(list(DTYPES.values()))))
    tensors.pop("__metadata__", None)
    return tensors


@settings(max_examples=60, deadline=None)
@given(tensor_sets(), st.dictionaries(st.just('aß"\n'), st.text(), max_size=1))
def test_files_equal_the_librarys_byte_for_byte(tmp_path_factory, tensors, metadata):
    folder = tmp_path_factory.mktemp("streamed")
    save_file(tensors, folder / "theirs", metadata or None)
    write_safetensors(folder / "ours", InMemory(tensors), metadata)
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes()


def test_every_type_that_is_read_can_be_written_as_the_library_does(tmp_path):
    tensors = {name: torch.ones(2, dtype=dtype) for name, dtype in DTYPES.items()}
    write_safetensors(tmp_path / "ours", InMemory(tensors), {})
    save_file(tensors, tmp_path / "theirs")
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    file = open_weights(tmp_path / "ours")
    assert {name: info.dtype for name, info in file.tensors.items()} == DTYPES


def test_views_are_written_as_what_they_show(tmp_path):
    whole = torch.arange(24.0).reshape(4, 6)
    views = {"rows": whole[1:3], "columns": whole[:, ::2], "turned": whole.T}
    write_safetensors(tmp_path / "views", InMemory(views), {})
    read = load_file(tmp_path / "views")
    assert all(torch.equal(read[name], view) for name, view in views.items())


def test_tensors_are_read_one_after_the_other_and_reported(tmp_path):
    events = []
    tensors = {name: torch.zeros(3) for name in "ba"}
    file = InMemory(tensors, read=events.append)
    write_safetensors(tmp_path / "file", file, {}, events.append)
    assert events == ["a", 12, "b", 12]


@pytest.mark.parametrize("tensor", [torch.zeros(2), torch.zeros(3, dtype=torch.float16)])
def test_a_tensor_that_is_not_as_planned_is_refused_by_name(tmp_path, tensor):
    promised = {"weight": TensorInfo(torch.float32, (3,))}
    file = InMemory({"weight": tensor}, promised)
    with pytest.raises(ValueError, match=r"weight is torch.float.*promised torch.float32 \[3\]"):
        write_safetensors(tmp_path / "file", file, {})


def test_a_type_without_a_name_in_the_format_is_refused(tmp_path):
    file = InMemory({"weight": torch.zeros(2, dtype=torch.complex128)})
    with pytest.raises(ValueError, match=r"weight is torch\.complex128"):
        write_safetensors(tmp_path / "file", file, {})
