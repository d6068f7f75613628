"""`depth2img inspect`: what it says, for people and for programs, and its exit codes."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.sampling.ema import ema_name
from sd2_depth2img.sampling.pickles import UnreadableFile
from sd2_depth2img.sampling.weights import open_weights
from sd2_depth2img.standalone import cli


def inspect(capsys, path, code=cli.OK):
    """What it prints; it has to end with that exit code, for people and for programs."""
    assert cli.main(["inspect", str(path)]) == code
    lines = capsys.readouterr().out.splitlines()
    assert cli.main(["inspect", str(path), "--json"]) == code
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
        "  What to do: Put it into models/checkpoints and choose it in Load SD2 Depth Checkpoint.",
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
    lines, facts = inspect(capsys, path, cli.FAILED)
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


def test_a_folder_of_one_file(tmp_path, capsys):
    save_file({"emb_params": torch.zeros(2, 1024)}, tmp_path / "learned_embeds.safetensors")
    lines, facts = inspect(capsys, tmp_path)
    assert "This is a textual inversion embedding for Stable Diffusion 2." in lines[0]
    assert facts["kind"] == "EMBEDDING"


def test_what_is_no_model(tmp_path, capsys):
    (tmp_path / "a.ckpt").write_bytes(b"nothing of the kind")
    lines, facts = inspect(capsys, tmp_path / "a.ckpt", cli.FAILED)
    assert lines[0].endswith("a.ckpt: This is a file without a model in it.")
    assert "a.ckpt is not a weight file: it begins with b'nothing '" in lines[1]
    assert lines[2].startswith("  What to do: ")
    assert facts["kind"] == "NOT_A_MODEL"


def test_a_hostile_file_is_named_and_not_run(tmp_path, capsys):
    path = tmp_path / "a.ckpt"
    path.write_bytes(f"cos\nsystem\n(S'touch {tmp_path}/canary'\ntR.".encode())
    lines, facts = inspect(capsys, path, cli.FAILED)
    assert "would call os.system" in lines[1]
    assert facts["kind"] == "HOSTILE"
    assert not (tmp_path / "canary").exists()
    with pytest.raises(UnreadableFile):
        open_weights(path)


def test_nothing_there(tmp_path, capsys):
    assert cli.main(["inspect", str(tmp_path / "missing.ckpt")]) == cli.FAILED
    assert capsys.readouterr().err.startswith("error: there is no file ")
