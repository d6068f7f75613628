"""Pickled checkpoints: foreign classes load, nothing is ever run."""

import argparse
import builtins
import os
import pathlib
import pickle
import subprocess
import sys
import types
import zipfile
from collections import OrderedDict, defaultdict

import pytest
import torch

from sd2_depth2img.sampling.pickles import UnreadableFile
from sd2_depth2img.sampling.weights import open_weights


class Call:
    """Pickles as a call: what a hostile file does."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def hostile_calls(canary):
    touch = f"touch {canary}"
    return {
        "os.system": Call(os.system, touch),
        "eval": Call(builtins.eval, f"__import__('os').system('{touch}')"),
        "exec": Call(builtins.exec, f"open({str(canary)!r}, 'w')"),
        "open": Call(open, str(canary), "w"),
        "Popen": Call(subprocess.Popen, touch, -1, None, None, None, None, None, True, True),
        "pickle": Call(pickle.loads, pickle.dumps(Call(os.system, touch))),
    }


def places(call):
    """The call at every place of a checkpoint where an object can stand."""
    weight = torch.ones(2)
    return {
        "top": call,
        "beside": {"state_dict": {"w": weight}, "callbacks": call},
        "key": {"state_dict": {"w": weight}, "x": [({"deep": (call,)},)]},
        "inside": OrderedDict(w=weight, evil=call),
    }


NAMES = ("os.system", "eval", "exec", "open", "Popen", "pickle")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("place", ["top", "beside", "key", "inside"])
@pytest.mark.parametrize("name", NAMES)
def test_hostile_files_run_nothing_and_are_refused(tmp_path, name, place, protocol):
    canary = tmp_path / "canary"
    path = tmp_path / "model.ckpt"
    torch.save(places(hostile_calls(canary)[name])[place], path, pickle_protocol=protocol)
    with pytest.raises(UnreadableFile, match="refused: on loading it would call"):
        open_weights(path)
    assert not canary.exists()


def test_the_hostile_files_are_real(tmp_path):
    """Proof that the canary would sing: the same file through an unguarded loader."""
    canary = tmp_path / "canary"
    path = tmp_path / "model.ckpt"
    torch.save(hostile_calls(canary)["exec"], path)
    torch.load(path, weights_only=False)
    assert canary.exists()


def foreign_class(module, name):
    """A class from a package that is not installed."""
    created = type(name, (), {"__module__": module})
    package = sys.modules.setdefault(module, types.ModuleType(module))
    setattr(package, name, created)
    return created


@pytest.fixture
def lightning_checkpoint(tmp_path):
    """As pytorch_lightning 1.x writes them: callback classes as keys, state objects, namespaces."""
    callback = foreign_class("pytorch_lightning_absent", "ModelCheckpoint")
    config = foreign_class("omegaconf_absent", "DictConfig")()
    config.__dict__.update(target="ldm.models.Depth", nested={"a": [1, 2]})
    content = {
        "epoch": 3,
        "global_step": 875000,
        "pytorch-lightning_version": "1.4.2",
        "callbacks": {callback: {"best_model_score": torch.tensor(0.5), "dirpath": "x"}},
        "optimizer_states": [],
        "hyper_parameters": argparse.Namespace(
            config=config, path=pathlib.PurePosixPath("a/b"), kinds=defaultdict(list, x=[1])
        ),
        "state_dict": OrderedDict(
            weight=torch.arange(6.0).reshape(2, 3).t(),
            parameter=torch.nn.Parameter(torch.ones(3)),
        ),
    }
    path = tmp_path / "lightning.ckpt"
    torch.save(content, path)
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
    with pytest.raises(UnreadableFile, match=r"without PyTorch.s data\.pkl"):
        open_weights(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [([1, 2, 3], "holds a list"), ({"step": 5}, "without a single named tensor")],
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
