"""Pickled checkpoints: both formats of PyTorch, and frameworks whose classes are not installed."""

import argparse
import collections
import datetime
import decimal
import functools
import math
import pathlib
import pickle
import re
import struct
import sys
import time
import types
import typing
import uuid
import zipfile
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch

from sd2_depth2img.checkpoints.files.errors import DamagedFile, UnreadableFile
from sd2_depth2img.checkpoints.files.pickle_machine import MAX_OPERATIONS
from sd2_depth2img.checkpoints.files.weights import open_weights


def foreign_class(module, name):
    """A class from a package that is not installed."""
    created = type(name, (), {"__module__": module})
    package = sys.modules.setdefault(module, types.ModuleType(module))
    setattr(package, name, created)
    return created


FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def save(content, path, zipped):
    torch.save(content, path, _use_new_zipfile_serialization=zipped)


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def lightning_checkpoint(request, tmp_path):
    """As pytorch_lightning 1.x writes them: callback classes as keys, state objects, namespaces."""
    callback = foreign_class("pytorch_lightning_absent", "ModelCheckpoint")
    config = foreign_class("omegaconf_absent", "DictConfig")()
    config.__dict__.update(target="ldm.models.Depth", nested={"a": [1, 2]})
    trainer = foreign_class("pytorch_lightning_absent", "Trainer")
    trainer.Mode = type("Mode", (), {"__module__": trainer.__module__})
    trainer.Mode.__qualname__ = "Trainer.Mode"
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()
    optimizer.step()
    content = {
        "epoch": 3,
        "global_step": 875000,
        "pytorch-lightning_version": "1.4.2",
        "callbacks": {callback: {"best_model_score": torch.tensor(0.5), "dirpath": "x"}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [{"lr_lambdas": [None], "base_lrs": [1e-4]}],
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "mode": trainer.Mode(),  # a class inside of a class: getattr, in protocol 2
        "range": range(3),
        "seen": {1, 2},
        "noise": torch.random.get_rng_state(),
        "numpy": np.float64(0.5),
        "array": np.arange(4),
        "device": torch.device("cpu"),
        "hyper_parameters": argparse.Namespace(
            config=config, path=pathlib.PurePosixPath("a/b"), kinds=defaultdict(list, x=[1])
        ),
        "state_dict": OrderedDict(
            weight=torch.arange(6.0).reshape(2, 3).t(),
            parameter=torch.nn.Parameter(torch.ones(3)),
        ),
    }
    path = tmp_path / "lightning.ckpt"
    save(content, path, request.param)
    for module in ("pytorch_lightning_absent", "omegaconf_absent"):
        del sys.modules[module]
    return path


def test_lightning_checkpoints_load_without_their_classes(lightning_checkpoint):
    with pytest.raises((ImportError, AttributeError)):
        torch.load(lightning_checkpoint, weights_only=False)
    file = open_weights(lightning_checkpoint)
    assert set(file.tensors) == {"weight", "parameter"}
    assert torch.equal(file.read("weight"), torch.arange(6.0).reshape(2, 3).t())
    assert torch.equal(file.read("parameter"), torch.ones(3))
    assert not any(name.endswith("_absent") for name in sys.modules)


@pytest.mark.parametrize("protocol", range(1, 6))
def test_what_frameworks_keep_beside_the_weights_is_no_attack(tmp_path, protocol):
    beside = [
        collections.Counter("aab"),
        collections.deque([1]),
        datetime.datetime(2022, 11, 24, tzinfo=datetime.timezone.utc),
        datetime.timedelta(1),
        decimal.Decimal("0.5"),
        functools.partial(math.cos, 1),
        re.compile("a"),
        re.IGNORECASE,
        typing.Any,
        types.SimpleNamespace(a=1),
        uuid.uuid4(),
        pathlib.Path("a"),
        np.random.RandomState(0),
        np.random.default_rng(0),
        np.dtype("float32"),
        torch.float16,
        torch.nn.functional.relu,
        torch.nn.Linear(1, 1),
        torch.optim.lr_scheduler.LambdaLR,
    ]
    content = {"state_dict": {"w": torch.ones(2)}, "beside": beside}
    torch.save(content, tmp_path / "model.ckpt", pickle_protocol=protocol)
    assert list(open_weights(tmp_path / "model.ckpt").tensors) == ["w"]


def test_the_names_that_a_file_asks_for_are_told(lightning_checkpoint):
    foreign = open_weights(lightning_checkpoint).foreign
    assert "pytorch_lightning_absent.ModelCheckpoint" in foreign
    assert "pytorch_lightning_absent.Trainer.Mode" in foreign
    assert not any(name.startswith(("torch._utils", "collections.O")) for name in foreign)


DTYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
    torch.complex64,
    torch.complex128,
)


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_element_type_and_view_reads_back(tmp_path, zipped, protocol):
    base = torch.arange(1.0, 1000.0)
    weights = {
        **{str(dtype): torch.arange(7).to(dtype) for dtype in DTYPES},
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
        "tied": base,
        "part": base[900:],
        "every other": base[1::2],
        "turned": base[:12].reshape(3, 4).t(),
        "repeated": base[:1].expand(5, 2),
        "parameter": torch.nn.Parameter(base[3:5].clone()),
    }
    weights["tied again"] = weights["tied"]
    torch.save(
        weights,
        tmp_path / "w.bin",
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=zipped,
    )
    file = open_weights(tmp_path / "w.bin")
    assert file.tensors.keys() == weights.keys()
    for name, tensor in weights.items():
        assert file.tensors[name] == (tensor.dtype, tuple(tensor.shape))
        assert torch.equal(file.read(name), tensor), name


def test_a_view_of_a_storage_as_old_files_have_them(tmp_path):
    """Before 1.6 a storage could be a part of another one: key, first element, elements."""
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nVroot\nVcpu\nK\x06"
        b"(Vview\nK\x02K\x04ttQK\x01(K\x03t(K\x01t\x89NtR"
    )
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    content = b"".join(pickle.dumps(part, 2) for part in parts)
    content += b"\x80\x02}Vw\n" + tensor + b"s." + pickle.dumps(["root"], 2)
    content += struct.pack("<Q6f", 6, *range(6))
    (tmp_path / "old.pth").write_bytes(content)
    assert open_weights(tmp_path / "old.pth").read("w").tolist() == [3, 4, 5]


@pytest.mark.parametrize(
    "view",
    [b"(Vview\nJ\xff\xff\xff\xffK\x04t", b"(Vview\n]K\x04t", b"(Vview\nK\x00t", b"K\x02", b"NN"],
)
def test_a_view_that_is_none_is_refused(tmp_path, view):
    """Before the storage's first element, for one."""
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nVroot\nVcpu\nK\x06"
        + view
        + b"tQK\x01(K\x03t(K\x01t\x89NtR"
    )
    with pytest.raises(UnreadableFile, match="other than a storage"):
        open_weights(legacy(tmp_path / "old.pth", b"\x80\x02}Vw\n" + tensor + b"s.", ["root"]))


TENSOR = (
    b"\x80\x02}Vw\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\n"
    b"K\x04tQK\x00K\x02\x85K\x01\x85\x89}tRs."
)


def legacy(path, content, keys, data=b""):
    """A file as before 1.6, with its contents and the list of its storages."""
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    heads = b"".join(pickle.dumps(part, 2) for part in parts)
    path.write_bytes(heads + content + pickle.dumps(keys, 2) + data)
    return path


@pytest.mark.parametrize(
    ("keys", "data"),
    [
        (5, b""),
        (None, b""),
        ([[1]], b""),
        ([("0",)], b""),
        ({"0": 1}, b""),
        (["1"], struct.pack("<Q", 4) + bytes(16)),
        ([], b""),
        (["0"], b"\x04"),
        (["0"], struct.pack("<Q", 2**64 - 1) + bytes(16)),
        (["0"], struct.pack("<Q", 2**61 - 1) + bytes(16)),
        (["0"], struct.pack("<Q", 5) + bytes(16)),
    ],
)
def test_damaged_lists_of_storages(tmp_path, keys, data):
    with pytest.raises(DamagedFile, match=r"old\.pth is (damaged|cut off)"):
        open_weights(legacy(tmp_path / "old.pth", TENSOR, keys, data))


def test_a_legacy_file_written_by_hand(tmp_path):
    """That those above are damaged by their lists alone."""
    data = struct.pack("<Q4f", 4, *range(4))
    assert open_weights(legacy(tmp_path / "old.pth", TENSOR, ["0"], data)).read("w").tolist() == [
        0,
        1,
    ]


@FORMATS
def test_a_tensor_of_a_type_not_known_is_left_out_and_named(tmp_path, zipped, caplog):
    odd = {
        "sparse": torch.eye(2).to_sparse(),
        "quantised": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    }
    save({**odd, "w": torch.ones(2)}, tmp_path / "w.pt", zipped)
    file = open_weights(tmp_path / "w.pt")
    assert file.read("w").tolist() == [1, 1]
    assert list(file.tensors) == ["w"]
    assert "not read" in caplog.text
    assert all(f"{name}: torch._utils._rebuild_" in caplog.text for name in odd)


def test_a_storage_of_a_type_not_known_costs_its_tensors_only(tmp_path):
    path = tmp_path / "w.pt"
    save({"w": torch.ones(2), "odd": torch.ones(2, dtype=torch.int16)}, path, zipped=True)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data.replace(b"ShortStorage", b"FutureStorage"))
    file = open_weights(path)
    assert list(file.tensors) == ["w"]
    assert file.foreign == ["torch.FutureStorage"]


class WrittenByPython2:
    def __reduce__(self):
        return OrderedDict, ([["w", torch.ones(2)]],)


@FORMATS
def test_python_2_wrote_dictionaries_at_once(tmp_path, zipped):
    save(WrittenByPython2(), tmp_path / "old.pth", zipped)
    assert torch.equal(open_weights(tmp_path / "old.pth").read("w"), torch.ones(2))


@FORMATS
def test_tensors_with_attributes(tmp_path, zipped):
    tensor = torch.ones(2)
    tensor.note = "a"
    save({"w": tensor}, tmp_path / "w.pt", zipped)
    assert torch.equal(open_weights(tmp_path / "w.pt").read("w"), torch.ones(2))


def test_legacy_files_that_are_cut_off(tmp_path):
    path = tmp_path / "model.bin"
    save({"a": torch.ones(1000), "b": torch.ones(1000)}, path, zipped=False)
    whole = path.read_bytes()
    for keep in (12, 100, len(whole) - 4005, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(DamagedFile, match=r"model\.bin"):
            open_weights(path)


@FORMATS
def test_a_whole_module_is_named(tmp_path, zipped):
    save(torch.nn.Linear(2, 2), tmp_path / "model.pt", zipped)
    with pytest.raises(UnreadableFile, match=r"model\.pt holds a torch\.nn\.modules\.linear"):
        open_weights(tmp_path / "model.pt")


def test_tensors_that_share_a_storage(tmp_path):
    base = torch.arange(10.0)
    path = tmp_path / "shared.ckpt"
    torch.save({"all": base, "part": base[2:6], "half8": base.to(torch.float8_e4m3fn)}, path)
    file = open_weights(path)
    assert torch.equal(file.read("part"), base[2:6])
    assert file.tensors["half8"].dtype == torch.float8_e4m3fn
    assert torch.equal(file.read("half8").float(), base.to(torch.float8_e4m3fn).float())


def test_cut_off_and_foreign_archives(tmp_path):
    path = tmp_path / "model.ckpt"
    torch.save({"w": torch.ones(1000)}, path)
    whole = path.read_bytes()
    for keep in (10, 300, len(whole) - 30):
        path.write_bytes(whole[:keep])
        with pytest.raises(UnreadableFile, match=r"model\.ckpt"):
            open_weights(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photo.jpg", b"x")
    with pytest.raises(UnreadableFile, match=r"with no data\.pkl"):
        open_weights(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [([1, 2, 3], "holds a list"), ({"step": 5}, r"no named tensors but step \(int\)")],
)
def test_files_without_named_tensors(tmp_path, content, words):
    path = tmp_path / "model.pt"
    torch.save(content, path)
    with pytest.raises(UnreadableFile, match=words):
        open_weights(path)


def test_a_damaged_pickle_is_named(tmp_path):
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00(X\xff\xff")
    with pytest.raises(UnreadableFile, match="pickle is damaged"):
        open_weights(path)


def test_weights_beside_an_optimizer_are_unwrapped(tmp_path):
    """As MiDaS's training left them: `model` and `optimizer`."""
    weights = {"a.weight": torch.arange(6.0).reshape(2, 3)}
    torch.save({"optimizer": {"state": {}}, "model": weights}, tmp_path / "midas.pt")
    assert list(open_weights(tmp_path / "midas.pt").tensors) == ["a.weight"]


VECTOR = torch.arange(8.0).reshape(2, 4)


@FORMATS
@pytest.mark.parametrize(
    "content",
    [
        {"string_to_token": {"*": 265}, "string_to_param": {"*": VECTOR}, "name": "x", "step": 1},
        {
            "string_to_token": {"*": 265},
            "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(VECTOR)}),
        },
        {"params_ema": {"*": VECTOR}},
        {"model": {"*": VECTOR}, "state_dict": {}},
        {"state_dict": {"epoch": 1}, "*": VECTOR},
    ],
    ids=["textual inversion", "of modules", "upscaler", "empty state_dict", "beside"],
)
def test_where_else_weights_are(tmp_path, content, zipped):
    save(content, tmp_path / "w.pt", zipped)
    file = open_weights(tmp_path / "w.pt")
    assert list(file.tensors) == ["*"]
    assert torch.equal(file.read("*"), VECTOR)


@FORMATS
@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(2_000_000_000),
        torch.zeros(4, 1).expand(4, 1000),
        torch.zeros(10).as_strided((5, 5), (1, 1)),
    ],
)
def test_a_tensor_larger_than_its_storage_is_refused(tmp_path, zipped, tensor):
    path = tmp_path / "model.ckpt"
    save({"state_dict": {"x": tensor, "y": torch.ones(2)}}, path, zipped)
    assert path.stat().st_size < 10_000
    with pytest.raises(DamagedFile, match=r"model\.ckpt was refused: x of shape .* repeats"):
        open_weights(path)


@FORMATS
def test_a_storage_may_be_shared_but_not_by_so_many_that_a_file_grows(tmp_path, zipped):
    weight = torch.randn(50, 50)
    save({"a": weight, "b": weight, "c": weight.t(), "d": weight[:9]}, tmp_path / "a.ckpt", zipped)
    assert torch.equal(open_weights(tmp_path / "a.ckpt").read("c"), weight.t())
    save({str(n): weight for n in range(1000)}, tmp_path / "b.ckpt", zipped)
    with pytest.raises(DamagedFile, match=r"b\.ckpt was refused: its 1,000 tensors have 10,"):
        open_weights(tmp_path / "b.ckpt")


def test_an_archive_of_any_number_of_entries_is_refused_unread(tmp_path):
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({}))
        name = "model/data/" + "0" * 60_000
        for number in range(200):
            archive.writestr(f"{name}{number}", b"")
    started = time.process_time()
    with pytest.raises(DamagedFile, match=r"ckpt was refused: its archive's directory takes"):
        open_weights(path)
    assert time.process_time() - started < 1


def test_the_pickles_of_a_file_are_counted_together(tmp_path):
    path = tmp_path / "model.pt"
    lists = b"(" + b"]" * (MAX_OPERATIONS // 2) + b"l."
    path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + lists + lists)
    with pytest.raises(DamagedFile, match="has more than 1,000,000 instructions"):
        open_weights(path)
