"""`depth2img inspect`: what it says, for people and for programs, and its exit codes."""

import json
import os
import pickle
import shutil
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.ema import ema_name
from sd2_depth2img.checkpoints.files.errors import UnreadableFile
from sd2_depth2img.checkpoints.files.weights import open_weights
from sd2_depth2img.cli import main


def inspect(capsys, path, code=main.OK):
    """What it prints; it has to end with that exit code, for people and for programs."""
    assert main.main(["inspect", str(path)]) == code
    lines = capsys.readouterr().out.splitlines()
    assert main.main(["inspect", str(path), "--json"]) == code
    return lines, json.loads(capsys.readouterr().out)


def without(mini_checkpoint, folder, *starts):
    weights = {n: t for n, t in load_file(mini_checkpoint).items() if not n.startswith(starts)}
    save_file(weights, folder / "part.safetensors")
    return folder / "part.safetensors"


def test_a_whole_checkpoint(mini_checkpoint, capsys):
    lines, facts = inspect(capsys, mini_checkpoint)
    assert lines[0] == (
        f"{mini_checkpoint}: This is a Stable Diffusion 2 depth checkpoint (5 input channels, "
        "context 64)."
    )
    assert any(line.startswith("  MiDaS depth network: 368 tensors, ") for line in lines)
    assert lines[-2:] == [
        "  complete",
        "  What to do: Put it into models/checkpoints and choose it in Depth Checkpoint Loader.",
    ]
    assert facts["kind"] == "SD2_DEPTH"
    assert facts["family"] == "SD2"
    assert facts["parts"]["MiDaS depth network"]["tensors"] == 368
    assert (facts["has_midas"], facts["has_ema"], facts["is_sound"]) == (True, False, True)


@pytest.mark.parametrize(
    ("starts", "state"),
    [
        (["depth_model."], "complete, but without a depth network inside"),
        (
            ["first_stage_model.", "cond_stage_model."],
            "complete, but without a VAE and a text encoder inside",
        ),
    ],
)
def test_what_a_usable_copy_lacks_is_said(mini_checkpoint, tmp_path, capsys, starts, state):
    lines, facts = inspect(capsys, without(mini_checkpoint, tmp_path, *starts))
    assert f"  {state}" in lines
    assert facts["state"] == state


def test_an_incomplete_copy_fails(mini_checkpoint, tmp_path, capsys):
    path = without(mini_checkpoint, tmp_path, "first_stage_model.quant_conv.bias")
    lines, facts = inspect(capsys, path, main.FAILED)
    assert "first_stage_model. 1 are missing (quant_conv.bias)" in lines[-1]
    assert not facts["is_sound"]


def test_the_averaged_copy_is_used_and_said_to_be(mini_checkpoint, tmp_path, capsys):
    weights = load_file(mini_checkpoint)
    unet = {n: t for n, t in weights.items() if n.startswith("model.diffusion_model.")}
    save_file({**weights, **{ema_name(n): t.clone() for n, t in unet.items()}}, tmp_path / "e.pt")
    lines, facts = inspect(capsys, tmp_path / "e.pt")
    assert "  complete; the EMA copy is used" in lines
    assert facts["has_ema"]
    assert facts["unused"] == {}


def test_a_folder_that_diffusers_wrote(diffusers_folder, capsys):
    lines, facts = inspect(capsys, diffusers_folder)
    assert "This is a Stable Diffusion 2 depth checkpoint (5 input channels" in lines[0]
    assert "  layout: diffusers folder" in lines
    assert (facts["state"], facts["has_midas"]) == ("complete", True)


def test_a_folder_around_the_models_folder(diffusers_folder, tmp_path, capsys):
    shutil.copytree(diffusers_folder, tmp_path / "inner")
    lines, facts = inspect(capsys, tmp_path)
    assert "  found in: inner" in lines
    assert (facts["kind"], facts["place"], facts["state"]) == ("SD2_DEPTH", "inner", "complete")


def test_a_folder_of_several_models_names_them(diffusers_folder, tmp_path, capsys):
    for name in ("a", "b"):
        shutil.copytree(diffusers_folder, tmp_path / name)
    lines, _ = inspect(capsys, tmp_path, main.FAILED)
    assert "holds 2 models (a, b); name one" in lines[1]


@pytest.mark.parametrize("kind", ["SD2_DEPTH", "SD2", "MIDAS"])
def test_a_copy_with_holes_is_not_sound(mini_checkpoint, tmp_path, capsys, kind):
    weights = load_file(mini_checkpoint)
    first = "model.diffusion_model.input_blocks.0.0.weight"
    if kind == "SD2":
        weights = {n: t for n, t in weights.items() if n.startswith("model.diffusion_model.")}
        weights |= {first: weights[first][:, :4].contiguous()}
        weights |= {n: t.new_zeros(len(t), 1024) for n, t in weights.items() if "attn2.to_k" in n}
    elif kind == "MIDAS":
        start = "depth_model.model."
        weights = {n[len(start) :]: t for n, t in weights.items() if n.startswith(start)}
    last = [n for n in weights if n.endswith("weight") and weights[n].ndim > 1][-9:]
    save_file({**weights, **{n: torch.zeros_like(weights[n]) for n in last}}, tmp_path / "h.pt")
    lines, facts = inspect(capsys, tmp_path / "h.pt", main.FAILED)
    assert facts["kind"] == kind
    assert f"of {len(weights)} tensors are all zero" in facts["state"]
    assert "the download is not complete" in lines[-1]


def test_a_folder_of_one_file(tmp_path, capsys):
    save_file({"emb_params": torch.zeros(2, 1024)}, tmp_path / "learned_embeds.safetensors")
    lines, facts = inspect(capsys, tmp_path)
    assert "This is a textual inversion embedding for Stable Diffusion 2." in lines[0]
    assert facts["kind"] == "EMBEDDING"


def test_the_folder_of_a_unet(diffusers_folder, capsys):
    lines, facts = inspect(capsys, diffusers_folder / "unet")
    assert ": This is a UNet of a Stable Diffusion 2 depth model" in lines[0]
    assert facts["state"].startswith("complete, but without a VAE")
    assert "Take diffusion_pytorch_model.safetensors out of it. Put it into" in facts["advice"]


def test_a_folder_around_a_checkpoint(mini_checkpoint, tmp_path, capsys):
    (tmp_path / "model-x.safetensors").symlink_to(mini_checkpoint)
    _, facts = inspect(capsys, tmp_path)
    assert (facts["kind"], facts["state"]) == ("SD2_DEPTH", "complete")
    assert "Take model-x.safetensors out of it." in facts["advice"]


def test_shards_of_a_unet_and_their_index(diffusers_folder, tmp_path, capsys):
    weights = load_file(diffusers_folder / "unet" / "diffusion_pytorch_model.safetensors")
    places = {}
    for number in (1, 2):
        name = f"diffusion_pytorch_model-0000{number}-of-00002.safetensors"
        shard = dict(list(weights.items())[number - 1 :: 2])
        save_file(shard, tmp_path / name)
        places |= dict.fromkeys(shard, name)
    index = tmp_path / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    for path in (tmp_path, index):
        _, facts = inspect(capsys, path)
        assert (facts["kind"], facts["state"]) == ("SD2_DEPTH_UNET", "in shards")
        assert "models/diffusers" in facts["advice"]


def test_a_pipeline_without_its_index(diffusers_folder, tmp_path, capsys):
    (tmp_path / "unet").symlink_to(diffusers_folder / "unet")
    lines, facts = inspect(capsys, tmp_path, main.FAILED)
    assert "This is a Stable Diffusion 2 depth checkpoint" in lines[0]
    assert "there is no model_index.json" in facts["state"]


def test_what_a_pickle_asks_for_is_listed(tmp_path, capsys):
    torch.save({"w": torch.ones(2)}, tmp_path / "plain.pt")
    assert inspect(capsys, tmp_path / "plain.pt")[1]["foreign"] == []
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain:
        names = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(tmp_path / "odd.pt", "w") as odd:
        for name, data in names.items():
            asks = b"0ctransformers.utils\nrun_command\n)R0h\x00."
            odd.writestr(name, data[:-1] + asks if name.endswith("data.pkl") else data)
    lines, facts = inspect(capsys, tmp_path / "odd.pt")
    assert "  asks for and is not given: transformers.utils.run_command" in lines
    assert facts["foreign"] == ["transformers.utils.run_command"]


def test_nothing_in_a_file_writes_to_the_terminal(diffusers_folder, tmp_path, capsys):
    shutil.copytree(diffusers_folder, tmp_path / "f")
    index = tmp_path / "f" / "model_index.json"
    said = {**json.loads(index.read_text()), "_class_name": "\x1b[2J"}
    index.write_text(json.dumps(said))
    (tmp_path / "f" / "vae" / "config.json").write_text('{"scaling_factor": "\\u001b[2J"}')
    inspect(capsys, tmp_path / "f", main.FAILED)
    main.main(["inspect", f"{tmp_path}/\x1b[2J"])
    assert "\x1b" not in capsys.readouterr().err


def test_what_is_no_model(tmp_path, capsys):
    (tmp_path / "a.ckpt").write_bytes(b"nothing of the kind")
    lines, facts = inspect(capsys, tmp_path / "a.ckpt", main.FAILED)
    assert lines[0].endswith("a.ckpt: This is a file without a model in it.")
    assert "a.ckpt is not a weight file: it begins with b'nothing '" in lines[1]
    assert lines[2].startswith("  What to do: ")
    assert "download" not in lines[2]  # it may have been anything
    assert facts["kind"] == "NOT_A_MODEL"


class RunsCode:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_hostile_file_is_not_run_and_what_it_asks_for_is_listed(
    mini_checkpoint, tmp_path, capsys
):
    content = {**load_file(mini_checkpoint), "evil": RunsCode(f"touch {tmp_path}/canary")}
    torch.save(content, tmp_path / "a.ckpt")
    lines, facts = inspect(capsys, tmp_path / "a.ckpt")
    assert f"  asks for and is not given: {os.system.__module__}.system" in lines
    assert facts["foreign"] == [f"{os.system.__module__}.system"]
    assert (facts["kind"], facts["state"]) == ("SD2_DEPTH", "complete")
    assert not (tmp_path / "canary").exists()


def test_a_program_is_listed_behind_any_number_of_harmless_names(tmp_path, capsys):
    names = "".join(f"0ctrainer\nname{i}\n" for i in range(30)).encode()
    torch.save({"w": torch.ones(2)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "odd.pt", "w") as odd,
    ):
        for name in plain.namelist():
            data = plain.read(name)
            asks = names + b"0cos\nsystem\n0h\x00."
            odd.writestr(name, data[:-1] + asks if name.endswith("data.pkl") else data)
    lines, _ = inspect(capsys, tmp_path / "odd.pt")
    (line,) = (line for line in lines if "asks for and is not given" in line)
    assert line.endswith("trainer.name29, os.system")


def test_a_hostile_file_without_weights_is_refused_and_not_run(tmp_path, capsys):
    path = tmp_path / "a.ckpt"
    torch.save(RunsCode(f"touch {tmp_path}/canary"), path)
    lines, facts = inspect(capsys, path, main.FAILED)
    assert lines[1] == f"  asks for and is not given: {os.system.__module__}.system"
    assert f"holds a {os.system.__module__}.system; expected a dictionary" in lines[3]
    assert facts["kind"] == "NOT_A_MODEL"
    assert not (tmp_path / "canary").exists()
    with pytest.raises(UnreadableFile):
        open_weights(path)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_a_bare_pickle_asks_for_is_listed(tmp_path, capsys, protocol):
    content = {"state_dict": {"weight": RunsCode(f"touch {tmp_path}/canary")}}
    (tmp_path / "a.pt").write_bytes(pickle.dumps(content, protocol))
    lines, facts = inspect(capsys, tmp_path / "a.pt", main.FAILED)
    assert f"  asks for and is not given: {os.system.__module__}.system" in lines
    assert facts["foreign"] == [f"{os.system.__module__}.system"]
    assert not (tmp_path / "canary").exists()


def test_an_incomplete_midas_says_what_helps(mini_checkpoint, tmp_path, capsys):
    path = without(mini_checkpoint, tmp_path, "depth_model.model.scratch.layer1_rn.")
    lines, _ = inspect(capsys, path, main.FAILED)
    assert "depth2img convert --without-midas" in lines[-1]


def test_the_topmost_folder_has_a_name(capsys):
    main.main(["inspect", os.sep])
    assert f"  {os.path.abspath(os.sep)} holds " in capsys.readouterr().out


def test_nothing_there(tmp_path, capsys):
    assert main.main(["inspect", str(tmp_path / "missing.ckpt")]) == main.FAILED
    assert capsys.readouterr().err.startswith("error: there is no file ")
