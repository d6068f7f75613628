"""The model files that workflows name: where they lie, and what is said of a missing one."""

import pytest

from sd2_depth2img.engine.folders import (
    DIFFUSION_MODELS,
    LORAS,
    MODEL_KINDS,
    TEXT_ENCODERS,
    model_file_names,
    model_file_path,
)
from sd2_depth2img.workflows.checks import check
from sd2_depth2img.workflows.core_nodes import CORE_NODES
from sd2_depth2img.workflows.edits import Editor
from sd2_depth2img.workflows.graph import Workflow, all_nodes


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_files_are_listed_with_subfolders_also_those_in_the_older_places(base):
    touch(base / "models/loras/b.safetensors")
    touch(base / "models/loras/styles/a.pt")
    touch(base / "models/loras/notes.txt")
    new, old = touch(base / "models/text_encoders/x.sft"), touch(base / "models/clip/y.bin")
    touch(base / "models/clip/x.sft")
    unet = touch(base / "models/unet/z.safetensors")
    assert model_file_names(LORAS) == ["b.safetensors", "styles/a.pt"]
    assert model_file_names(TEXT_ENCODERS) == ["x.sft", "y.bin"]
    assert model_file_path(TEXT_ENCODERS, "x.sft") == new
    assert model_file_path(TEXT_ENCODERS, "y.bin") == old
    assert model_file_path(DIFFUSION_MODELS, "z.safetensors") == unet


def test_a_name_has_slashes_of_either_kind_and_a_path_will_do(base):
    path = touch(base / "models/loras/styles/a.pt")
    assert model_file_path(LORAS, "styles\\a.pt") == path
    assert model_file_path(LORAS, str(path)) == path


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_a_missing_file_is_named_with_what_is_there(base, kind):
    with pytest.raises(FileNotFoundError, match=f"no {kind.title} 'x'.*put the file there"):
        model_file_path(kind, "x")
    for number in range(12):
        touch(base / "models" / kind.places[0] / f"{number:02}.safetensors")
    with pytest.raises(
        FileNotFoundError, match=r"there are 00\.safetensors, .* and 2 more"
    ) as said:
        model_file_path(kind, "x")
    assert str((base / "models" / kind.places[0]).absolute()) in str(said.value)


LOADERS = {
    "LoraLoaderModelOnly": ("lora_name", "LoRA", {"strength_model": 1.0}),
    "VAELoader": ("vae_name", "VAE", {}),
    "UNETLoader": ("unet_name", "diffusion model", {"weight_dtype": "default"}),
    "CLIPLoader": ("clip_name", "text encoder", {"type": "stable_diffusion"}),
    "ControlNetLoader": ("control_net_name", "ControlNet", {}),
}


@pytest.mark.parametrize("name", LOADERS)
def test_a_missing_file_is_reported_before_anything_runs(base, mini_checkpoint, name):
    input_name, title, others = LOADERS[name]
    prompt = {
        "1": {"class_type": name, "inputs": {input_name: "gone.pt", **others}},
        "2": {
            "class_type": "CheckpointLoaderSimple",
            "inputs": {"ckpt_name": str(mini_checkpoint)},
        },
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    if name.startswith("Lora"):
        prompt["1"]["inputs"]["model"] = ["2", 0]
    (problem,) = check(prompt, all_nodes())
    assert problem.input == input_name
    assert f"there is no {title} 'gone.pt'" in problem.message
    path = touch(base / "there.pt")
    editor = Editor(Workflow(prompt), all_nodes())
    editor.assign(f"{name}.{input_name}={path}")  # --set, with a path
    assert check(prompt, all_nodes()) == []
    touch(base / "models" / {"LoRA": "loras"}.get(title, "vae") / "here.safetensors")
    if title in ("LoRA", "VAE"):
        assert CORE_NODES[name].INPUT_TYPES()["required"][input_name][0] == ["here.safetensors"]
