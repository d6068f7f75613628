"""UNet, VAE and text encoder in files of their own: the same networks as out of a checkpoint."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.errors import IncompleteCheckpoint, OtherModel
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.keymaps import text_keys, unet_keys, vae_keys
from sd2_depth2img.engine.networks import load
from sd2_depth2img.engine.parts import OtherPart, load_clip, load_unet, load_vae
from sd2_depth2img.tools.make_checkpoint import MINIATURE, random_weights

pytestmark = pytest.mark.usefixtures("one_thread")

KEYS = {
    Part.UNET: unet_keys(MINIATURE.unet),
    Part.VAE: vae_keys(MINIATURE.vae),
    Part.TEXT: text_keys(MINIATURE.text),
}
LOADERS = {Part.UNET: load_unet, Part.VAE: load_vae, Part.TEXT: load_clip}


@pytest.fixture(scope="module")
def whole(mini_checkpoint):
    """MODEL, CLIP and VAE of the checkpoint, by part."""
    model, clip, vae = load(Checkpoint.open(mini_checkpoint), "cpu")
    return {Part.UNET: model, Part.VAE: vae, Part.TEXT: clip}


@pytest.fixture
def file(tmp_path, mini_checkpoint):
    """Writes a part in a layout; its path."""
    weights = load_file(mini_checkpoint)

    def write(part, layout):
        tensors = {n: t for n, t in weights.items() if n.startswith(part.value)}
        bare = {name[len(part.value) :]: tensor for name, tensor in tensors.items()}
        if layout == "diffusers":
            tensors = dict(KEYS[part].to_diffusers(bare.__getitem__))
        elif layout == "bare":
            tensors = bare
        return written(tmp_path, tensors)

    return write


def written(folder, tensors):
    path = folder / "part.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


@pytest.mark.parametrize("layout", ["bare", "prefixed", "diffusers"])
@pytest.mark.parametrize("part", LOADERS)
def test_a_part_alone_has_the_weights_of_the_checkpoint(whole, file, part, layout):
    alone = LOADERS[part](file(part, layout)).network.cpu().state_dict()
    for name, tensor in whole[part].network.state_dict().items():
        assert torch.equal(alone[name].float(), tensor), name


@pytest.mark.parametrize("part", [Part.VAE, Part.TEXT])
def test_a_part_is_taken_out_of_a_checkpoint(whole, mini_checkpoint, part):
    network = LOADERS[part](mini_checkpoint).network.cpu()
    for name, tensor in whole[part].network.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name


def test_transformers_whole_tower_keeps_the_layer_that_is_skipped(tmp_path):
    """As ComfyUI's Save CLIP writes it: 24 layers at ViT-H's width, of which 23 run."""
    text = replace(MINIATURE.text, width=1024, layers=24, mlp_width=8, vocabulary=10)
    tensors = random_weights(text.tensors(), 0, torch.float16)
    keys = text_keys(replace(text, layers=25))
    named = dict(keys.to_diffusers(tensors.__getitem__))
    named |= {"text_projection.weight": tensors["text_projection"], "logit_scale": torch.ones(())}
    clip = load_clip(written(tmp_path, named))
    assert clip.text == text
    assert len(clip.network.state_dict()) == len(
        dict(text_keys(text).to_diffusers(tensors.__getitem__))
    )


def shapes(**tensors):
    return {name.replace("__", "."): torch.zeros(shape) for name, shape in tensors.items()}


@pytest.mark.parametrize(
    ("load", "tensors", "said"),
    [
        (load_vae, shapes(emb_params=(1, 1024)), "textual inversion"),
        (
            load_vae,
            shapes(encoder__conv_in__weight=(8, 3, 3, 3), decoder__conv_in__weight=(8, 16, 3, 3)),
            "16 latent channels",
        ),
        (
            load_clip,
            shapes(text_model__embeddings__token_embedding__weight=(10, 768)),
            "text encoder for Stable Diffusion 1.5",
        ),
        (load_clip, shapes(a__lora_up__weight=(1, 1), a__lora_down__weight=(1, 1)), "LoRA"),
    ],
)
def test_another_kind_of_file_is_refused_by_name(tmp_path, load, tensors, said):
    with pytest.raises(OtherPart, match=f"part.safetensors: This is .*{said}.*Expected"):
        load(written(tmp_path, tensors))


def test_another_model_is_no_unet(tmp_path):
    with pytest.raises(OtherModel, match="This is a textual inversion"):
        load_unet(written(tmp_path, shapes(emb_params=(1, 1024))))


@pytest.mark.parametrize("part", [Part.VAE, Part.TEXT])
def test_an_incomplete_file_is_refused(tmp_path, file, part):
    path = file(part, "bare")
    tensors = load_file(path)
    del tensors[[name for name in tensors if name.endswith("bias")][5]]
    kind = {Part.VAE: "VAE", Part.TEXT: "text encoder"}[part]
    with pytest.raises(IncompleteCheckpoint, match=f"incomplete {kind}: of the .* 1 are missing"):
        LOADERS[part](written(tmp_path, tensors))


# --- CLIP Set Last Layer --------------------------------------------------------------------------


def test_a_tower_ends_with_any_of_its_layers(whole):
    clip = whole[Part.TEXT]
    layers = {layer: len(_layers(clip.stopped_at(layer))) for layer in (-1, -2, -3, -4)}
    assert layers == {-1: 3, -2: 2, -3: 1, -4: 3}
    assert len(_layers(clip)) == 2


def test_without_a_stored_last_layer_the_one_before_is_taken(whole, file, caplog):
    clip = load_clip(file(Part.TEXT, "diffusers"))
    last = clip.stopped_at(-1)
    assert "has no last layer in its text encoder" in caplog.text
    chunks = clip.tokenize("a house")
    assert torch.equal(last.encode(chunks), clip.encode(chunks))
    assert torch.equal(last.encode(chunks), whole[Part.TEXT].encode(chunks))


def _layers(clip):
    names = {name.split(".layers.")[1].split(".")[0] for name in clip.network.state_dict()
             if ".layers." in name}  # fmt: skip
    return names
