"""What a conversion keeps, leaves out and refuses; whole or not there."""

import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.convert import (
    EMA_COPY,
    EXTRAS,
    Selection,
    extras_by_reason,
    folder_files,
    metadata,
    single_file,
    write,
)
from sd2_depth2img.checkpoints.ema import ema_name
from sd2_depth2img.checkpoints.errors import (
    IncompleteCheckpoint,
    IncompleteMidas,
    NoEMACopy,
    NotADepthCheckpoint,
)
from sd2_depth2img.checkpoints.files.errors import DamagedFile
from sd2_depth2img.checkpoints.files.folders import folder_names
from sd2_depth2img.checkpoints.files.holes import FileWithHoles
from sd2_depth2img.checkpoints.files.rounding import DtypeOverflow
from sd2_depth2img.checkpoints.files.weights import open_weights
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.source import INDEX, open_source
from sd2_depth2img.cli import main
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT

UNET = Part.UNET.value


@pytest.fixture(scope="module")
def weights(mini_checkpoint):
    return load_file(mini_checkpoint)


@pytest.fixture
def save(tmp_path):
    """Writes tensors to a file and opens it as a source."""

    def write(tensors, **entries):
        save_file(tensors, tmp_path / "source.safetensors", entries or None)
        return open_source(tmp_path / "source.safetensors")

    return write


def convert(source, target, dtype=None, written=lambda size: None, **choice):
    selection = Selection.of(source, **choice)
    texts = metadata(source, {})
    plan = single_file if target.suffix == ".safetensors" else folder_files
    write(target, plan(selection.model, dtype), {}, texts, written)
    return selection


def with_ema(weights):
    """A training checkpoint: the averaged copy differs from the last step's weights."""
    unet = {name: tensor for name, tensor in weights.items() if name.startswith(UNET)}
    copies = {ema_name(name): tensor * 0.5 for name, tensor in unet.items()}
    counters = {"model_ema.decay": torch.tensor(0.99), "model_ema.num_updates": torch.tensor(7)}
    return {**weights, **copies, **counters}


def equal(found, expected):
    assert found.keys() == expected.keys()
    return all(
        found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
        for name, tensor in expected.items()
    )


def all_of(file):
    return {name: file.read(name) for name in file.tensors}


# --- there and back ------------------------------------------------------------------------------


def test_a_file_becomes_a_folder_and_the_same_file_again(mini_checkpoint, weights, tmp_path):
    weights = weights | {"betas": torch.linspace(0, 1, 1000, dtype=torch.float64)}
    save_file(weights, tmp_path / "source.safetensors")
    convert(open_source(tmp_path / "source.safetensors"), tmp_path / "folder")
    index = {"_class_name": "StableDiffusionDepth2ImgPipeline"}
    (tmp_path / "folder" / "model_index.json").write_text(json.dumps(index))
    convert(open_source(tmp_path / "folder"), tmp_path / "back.safetensors")
    assert equal(load_file(tmp_path / "back.safetensors"), weights)


def test_a_folder_of_diffusers_becomes_a_file_and_the_same_folder_again(diffusers_folder, tmp_path):
    convert(open_source(diffusers_folder), tmp_path / "file.safetensors")
    Checkpoint.open(tmp_path / "file.safetensors")
    convert(open_source(tmp_path / "file.safetensors"), tmp_path / "back")
    assert not (tmp_path / "back" / EXTRAS).exists()
    files = sorted(path.relative_to(tmp_path / "back") for path in (tmp_path / "back").rglob("*.*"))
    assert len(files) == 4
    for file in files:
        theirs = load_file(diffusers_folder / file)
        if file.parts[0] == "text_encoder":  # transformers 5 leaves the outer module out
            start = "" if "text_model.final_layer_norm.bias" in theirs else "text_model."
            theirs = {start + name: tensor for name, tensor in theirs.items()}
        assert equal(load_file(tmp_path / "back" / file), theirs)


def test_what_has_no_place_in_a_folder_lies_in_a_file_of_its_own(save, weights, tmp_path):
    source = save(weights | {"betas": torch.zeros(3), f"{UNET}odd.weight": torch.ones(2)})
    files = folder_files(Selection.of(source).model)
    extras = extras_by_reason(files[EXTRAS].tensors)
    assert {reason.split(",")[0]: len(names) for reason, names in extras.items()} == {
        "text encoder's last layer and projection": 14,
        "classifier that MiDaS's backbone was trained with": 2,
        "noise schedule and others outside of the parts": 1,
        "under the UNet's name": 1,
    }
    written = sum(len(file.tensors) for file in files.values())
    joined = 12 * 2 + 2 * 2  # queries, keys and values that lie in one tensor of the original
    assert written == len(weights) + 2 + 2 * joined


def test_a_unet_alone_stays_alone(save, weights, tmp_path):
    source = save({name: tensor for name, tensor in weights.items() if name.startswith(UNET)})
    convert(source, tmp_path / "folder")
    convert(source, tmp_path / "unet.safetensors")
    (file,) = (tmp_path / "folder").rglob("*.safetensors")
    assert file.parent.name == "unet"
    assert equal(load_file(tmp_path / "unet.safetensors"), all_of(source))


def test_the_folders_files_are_read_by_the_librarys_reader(mini_checkpoint, tmp_path):
    convert(open_source(mini_checkpoint), tmp_path / "folder")
    for path in (tmp_path / "folder").rglob("*.safetensors"):
        assert load_file(path).keys() == open_weights(path).tensors.keys()
        assert open_weights(path).metadata["format"] == "pt"


# --- EMA, MiDaS ----------------------------------------------------------------------------------


def test_the_ema_copy_is_left_out_and_named_unless_it_is_asked_for(save, weights, tmp_path):
    selection = convert(save(with_ema(weights)), tmp_path / "plain.safetensors")
    assert equal(load_file(tmp_path / "plain.safetensors"), weights)
    ((reason, names),) = selection.left_out.items()
    assert reason == EMA_COPY
    assert len(names) == sum(name.startswith(UNET) for name in weights) + 2


def test_the_ema_copy_becomes_the_unet(save, weights, tmp_path):
    selection = convert(save(with_ema(weights)), tmp_path / "ema.safetensors", ema=True)
    expected = {n: 0.5 * t if n.startswith(UNET) else t for n, t in weights.items()}
    assert equal(load_file(tmp_path / "ema.safetensors"), expected)
    assert selection.left_out["counters of the EMA"] == ["model_ema.decay", "model_ema.num_updates"]


def test_a_tensor_that_is_not_part_of_the_unet_needs_no_copy(save, weights, tmp_path):
    foreign = {f"{UNET}extra": torch.ones(3)}
    source = save(with_ema(weights) | foreign)
    convert(source, tmp_path / "ema.safetensors", ema=True)
    expected = {n: 0.5 * t if n.startswith(UNET) else t for n, t in weights.items()}
    assert equal(load_file(tmp_path / "ema.safetensors"), expected | foreign)


@pytest.mark.parametrize("lost", [0, 1])
def test_an_ema_copy_that_is_not_complete_is_refused(save, weights, lost):
    tensors = with_ema(weights) if lost else dict(weights)
    tensors.pop("model_ema.diffusion_modelout2weight", None)
    with pytest.raises(NoEMACopy, match=r"has EMA copies of .* of the UNet's"):
        Selection.of(save(tensors), ema=True)


def test_midas_is_left_out_on_request(mini_checkpoint, weights, tmp_path):
    selection = convert(open_source(mini_checkpoint), tmp_path / "file.safetensors", midas=False)
    assert len(selection.left_out["MiDaS depth network"]) == 368
    rest = {n: t for n, t in weights.items() if not n.startswith("depth_model.")}
    assert equal(load_file(tmp_path / "file.safetensors"), rest)


def test_a_damaged_midas_is_refused_unless_it_is_left_out(save, weights):
    source = save({n: t for n, t in weights.items() if not n.endswith("layer1_rn.weight")})
    with pytest.raises(IncompleteMidas, match=r"1 are missing.*layer1_rn"):
        Selection.of(source)
    assert not Selection.of(source, midas=False).model.has_midas


def test_a_folder_needs_the_tensors_of_midas_too_that_nothing_uses(save, weights):
    tensors = {n: t for n, t in weights.items() if not n.endswith("pretrained.model.norm.weight")}
    with pytest.raises(IncompleteMidas, match=r"lacks 1 of 366.*norm"):
        folder_files(Selection.of(save(tensors)).model)


# --- types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_only_floating_point_tensors_change_their_type(save, weights, tmp_path, dtype):
    source = save(weights | {"count": torch.arange(5)})
    convert(source, tmp_path / "file.safetensors", dtype)
    expected = {n: t.to(dtype) if t.is_floating_point() else t for n, t in all_of(source).items()}
    assert equal(load_file(tmp_path / "file.safetensors"), expected)


def test_fp8_becomes_fp16(save, weights, tmp_path):
    stored = {name: tensor.to(torch.float8_e4m3fn) for name, tensor in weights.items()}
    convert(save(stored), tmp_path / "file.safetensors", torch.float16)
    expected = {name: tensor.to(torch.float16) for name, tensor in stored.items()}
    assert equal(load_file(tmp_path / "file.safetensors"), expected)


def test_fp8_with_scales_is_refused(save, weights):
    tensors = weights | {f"{UNET}out.2.scale_weight": torch.ones(1)}
    with pytest.raises(NotADepthCheckpoint, match="fp8 weights with scales"):
        Selection.of(save(tensors))


@pytest.mark.parametrize("target", ["file.safetensors", "folder"])
def test_a_value_too_large_for_fp16_is_an_error_that_names_the_tensor(
    save, weights, tmp_path, target
):
    name = f"{UNET}out.2.bias"
    source = save(weights | {name: torch.tensor([0, -7e4, 1, 2])})
    with pytest.raises(DtypeOverflow, match=rf"{name} has values up to 70000, and float16 ends"):
        convert(source, tmp_path / target, torch.float16)
    assert [path.name for path in tmp_path.iterdir()] == ["source.safetensors"]
    convert(source, tmp_path / target, torch.bfloat16)


def test_infinity_stays_infinity(save, weights, tmp_path):
    name = f"{UNET}out.2.bias"
    source = save(weights | {name: torch.tensor([0, -torch.inf, torch.nan, 2])})
    convert(source, tmp_path / "file.safetensors", torch.float16)
    assert load_file(tmp_path / "file.safetensors")[name].isinf().tolist() == [0, 1, 0, 0]


# --- what it says of itself ----------------------------------------------------------------------


def test_the_sources_text_entries_are_kept_but_not_its_checksums(save, weights):
    source = save(weights, author="somebody", **{"modelspec.hash_sha256": "0x12"})
    texts = metadata(source, {"source": "x"})
    converted = texts.pop("depth2img.converted")
    assert texts == {"author": "somebody", "format": "pt"}
    assert json.loads(converted) == {"source": "x"}


# --- refusals ------------------------------------------------------------------------------------


def test_another_kind_of_model_is_named(save, weights):
    first = f"{UNET}input_blocks.0.0.weight"
    source = save(weights | {first: weights[first][:, :4].clone()})
    with pytest.raises(NotADepthCheckpoint, match=r"source\.safetensors.*4 input channels"):
        Selection.of(source)


def test_a_missing_tensor_is_named(save, weights):
    source = save({name: t for name, t in weights.items() if name != f"{UNET}out.2.bias"})
    with pytest.raises(IncompleteCheckpoint, match=r"1 are missing \(out\.2\.bias\)"):
        Selection.of(source)


@pytest.mark.parametrize("target", ["file.safetensors", "folder"])
def test_nothing_is_overwritten(mini_checkpoint, tmp_path, target):
    source = open_source(mini_checkpoint)
    (tmp_path / target).mkdir()
    with pytest.raises(FileExistsError, match=f"{target} exists"):
        convert(source, tmp_path / target)
    assert list((tmp_path / target).iterdir()) == []
    with pytest.raises(FileExistsError, match="exists, and nothing is overwritten"):
        convert(source, mini_checkpoint)


@pytest.mark.skipif(os.name != "posix", reason="links want privileges on Windows")
@pytest.mark.parametrize("target", ["file.safetensors", "folder"])
def test_a_link_to_nothing_is_not_replaced(mini_checkpoint, tmp_path, target):
    (tmp_path / target).symlink_to(tmp_path / "unplugged" / "model")
    with pytest.raises(FileExistsError, match=f"{target} exists"):
        convert(open_source(mini_checkpoint), tmp_path / target)
    assert [path.name for path in tmp_path.iterdir()] == [target]
    assert (tmp_path / target).is_symlink()


@pytest.mark.parametrize("has_links", [True, False])
@pytest.mark.parametrize("target", ["file.safetensors", "folder"])
def test_what_another_program_wrote_meanwhile_stays(
    mini_checkpoint, tmp_path, monkeypatch, target, has_links
):
    def other(_):
        (tmp_path / target).write_text("of another program")

    def no_links(*_):
        raise PermissionError("as on exFAT")

    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(FileExistsError, match=f"{target} exists, and nothing is overwritten"):
        convert(open_source(mini_checkpoint), tmp_path / target, written=other)
    assert (tmp_path / target).read_text() == "of another program"
    assert [path.name for path in tmp_path.iterdir()] == [target]


def test_a_disk_without_links_will_do(mini_checkpoint, weights, tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError("as on exFAT")

    monkeypatch.setattr(os, "link", no_links)
    convert(open_source(mini_checkpoint), tmp_path / "file.safetensors")
    assert equal(load_file(tmp_path / "file.safetensors"), weights)
    assert [path.name for path in tmp_path.iterdir()] == ["file.safetensors"]


def test_the_index_of_a_folder_comes_last_so_that_no_other_program_takes_it_for_whole(
    mini_checkpoint, tmp_path
):
    indexes = []

    def written(_):
        indexes.extend(tmp_path.rglob(INDEX))

    files = folder_files(Selection.of(open_source(mini_checkpoint)).model)
    settings = {INDEX: "{}", "unet/config.json": "{}"}
    write(tmp_path / "folder", files, settings, {}, written)
    assert indexes == []
    assert (tmp_path / "folder" / INDEX).read_text() == "{}"


def test_a_full_disk_is_noticed_before(mini_checkpoint, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=38_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match=r"takes 0\.04 GB, and 0\.04 GB are free"):
        convert(open_source(mini_checkpoint), tmp_path / "folder")
    convert(open_source(mini_checkpoint), tmp_path / "half", torch.float16)


# --- whole or not there --------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["file.safetensors", "folder"])
def test_ctrl_c_leaves_nothing(mini_checkpoint, tmp_path, target):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(open_source(mini_checkpoint), tmp_path / target, written=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["file.safetensors", "folder"])
def test_killed_at_any_moment_the_target_is_whole_or_not_there(
    mini_checkpoint, weights, tmp_path, name, times
):
    """The moments are counted from when the unfinished file appears: every kill hits a writer."""
    processes = multiprocessing.get_context("forkserver")
    slow_imports = ("checkpoints.convert", "engine.diffusers_configs", "engine.prompt")
    processes.set_forkserver_preload(
        [main.__name__, "tokenizers", "tqdm", *(f"sd2_depth2img.{name}" for name in slow_imports)]
    )
    duration, killed = None, 0
    moments = random.Random(times)
    for attempt in range(-1, times):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        target = folder / name
        writer = processes.Process(
            target=main.main, args=(["convert", str(mini_checkpoint), str(target)],)
        )
        writer.start()
        deadline = time.monotonic() + 120
        while not any(folder.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.001)
        started = time.monotonic()
        if attempt >= 0:
            # Never at the very end for the first one, so that at least one is unfinished.
            time.sleep(0 if attempt == 0 else moments.uniform(0, duration))
            writer.kill()
        writer.join()
        duration = duration or time.monotonic() - started
        if target.exists():
            file = open_source(target)
            assert equal(all_of(file), weights)
        else:
            killed += 1
            assert attempt >= 0
    assert killed > 0


def test_killed_while_a_folder_is_written_nothing_is_taken_for_a_model_and_it_can_be_run_again(
    tmp_path,
):
    target = tmp_path / "pipeline"
    arguments = ["convert", str(BUNDLED_CHECKPOINT), str(target), "--without-midas"]
    script = f"from sd2_depth2img.cli.main import main; main({arguments!r})"
    writer = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while not [*tmp_path.glob(".*/unet/*")] and time.monotonic() < deadline:
        time.sleep(0.001)
    writer.kill()
    writer.wait()
    assert [path.name.startswith(".") for path in tmp_path.iterdir()] == [True]
    assert folder_names([tmp_path]) == []
    (left,) = tmp_path.iterdir()
    with pytest.raises(FileNotFoundError, match=r"no model_index\.json"):
        open_source(left)
    assert main.main(arguments) == main.OK
    assert folder_names([tmp_path]) == ["pipeline/"]
    written, source = open_source(target), open_source(BUNDLED_CHECKPOINT)
    assert {n for n in source.tensors if not n.startswith(Part.MIDAS)} == set(written.tensors)
    assert all(torch.equal(written.read(n), source.read(n)) for n in written.tensors)


@pytest.mark.parametrize("change", ["gone", "shorter"])
@pytest.mark.parametrize("target", ["file.safetensors", "folder"])
def test_a_source_that_changes_meanwhile_is_named_and_nothing_is_left(
    mini_checkpoint, tmp_path, target, change
):
    source = shutil.copy(mini_checkpoint, tmp_path / "source.safetensors")

    def interfere(_):
        source.unlink() if change == "gone" else os.truncate(source, 100_000)

    with pytest.raises(DamagedFile, match=r"source\.safetensors"):
        convert(open_source(source), tmp_path / target, written=interfere)
    assert {path.name for path in tmp_path.iterdir()} <= {"source.safetensors"}


def test_a_copy_with_holes_is_not_converted(mini_checkpoint, tmp_path):
    content = bytearray(mini_checkpoint.read_bytes())
    content[-1_000_000:] = bytes(1_000_000)
    (tmp_path / "half.safetensors").write_bytes(content)
    with pytest.raises(FileWithHoles, match=r"of \d+ tensors are all zero"):
        convert(open_source(tmp_path / "half.safetensors"), tmp_path / "copy.safetensors")
    assert not (tmp_path / "copy.safetensors").exists()
