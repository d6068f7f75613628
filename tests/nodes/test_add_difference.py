"""Give Depth to SD2 Model in the embedded engine, from Load Checkpoint to the UNet's weights."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.add_difference import CannotAddDifference
from sd2_depth2img.checkpoints.checkpoint import Checkpoint, NotADepthCheckpoint
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.host import host
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.nodes.load import SD2DepthTransplant
from sd2_depth2img.tools.make_checkpoint import MINIATURE, make_checkpoint
from sd2_depth2img.workflows.core_nodes import CORE_NODES

SD2 = replace(MINIATURE, unet=replace(MINIATURE.unet, in_channels=4), midas=None)
QUERY = "input_blocks.1.1.transformer_blocks.0.attn2.to_q.weight"


@pytest.fixture(scope="module")
def paths(mini_checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sd2")
    return {
        "model": mini_checkpoint,
        "fine_tune": make_checkpoint(folder / "fine-tune.safetensors", SD2, seed=2),
        "base": make_checkpoint(folder / "base.safetensors", SD2, seed=1),
    }


def load(path):
    """MODEL, CLIP and VAE as the engine's Load Checkpoint gives them."""
    return CORE_NODES["CheckpointLoaderSimple"]().run(ckpt_name=str(path))


@pytest.fixture(scope="module")
def models(paths):
    return {socket: load(path)[0] for socket, path in paths.items()}


def test_the_promised_interface():
    node = NODE_CLASS_MAPPINGS["SD2DepthTransplant"]
    assert list(node.INPUT_TYPES()["required"]) == ["model", "fine_tune", "base", "strength"]
    assert node.RETURN_TYPES == ("MODEL",)


def test_the_unet_has_the_difference_in_it(models, paths):
    (model,) = SD2DepthTransplant().execute(**models, strength=0.5)
    depth, fine_tune, base = (load_file(path) for path in paths.values())
    first = "input_blocks.0.0.weight"
    found = dict(model.network.named_parameters())
    query = found["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q.weight"]
    name = Part.UNET.value + QUERY
    assert torch.equal(query, depth[name] + 0.5 * (fine_tune[name] - base[name]))
    name = Part.UNET.value + first
    difference = 0.5 * (fine_tune[name] - base[name])
    assert torch.equal(found["conv_in.weight"][:, :4], depth[name][:, :4] + difference)
    assert torch.equal(found["conv_in.weight"][:, 4], depth[name][:, 4])
    before = dict(models["model"].network.named_parameters())["conv_in.weight"]
    assert torch.equal(before, depth[name])  # the MODEL that came in is as it was


def test_a_model_with_a_difference_can_take_another_difference(models):
    node = SD2DepthTransplant()
    (there,) = node.execute(**models)
    (back,) = node.execute(there, models["base"], models["fine_tune"])
    before = dict(models["model"].network.named_parameters())
    for name, tensor in back.network.named_parameters():
        torch.testing.assert_close(tensor, before[name], rtol=1e-5, atol=1e-6, msg=name)


def test_models_in_the_wrong_place_are_refused(models):
    node = SD2DepthTransplant()
    with pytest.raises(CannotAddDifference, match=r"fine-tune.safetensors is not a depth model"):
        node.execute(models["fine_tune"], models["model"], models["base"])
    with pytest.raises(CannotAddDifference, match=r"mini.safetensors \(the base\)"):
        node.execute(models["model"], models["fine_tune"], models["model"])


# --- SD2 without depth in the engine -------------------------------------------------------------


def test_load_checkpoint_gives_all_of_an_sd2_without_depth(paths, photo):
    model, clip, vae = load(paths["fine_tune"])
    assert model.in_channels == 4
    assert clip.encode(clip.tokenize("a house")).shape == (1, 77, 64)
    assert vae.encode(photo[:, :64, :64]).shape == (1, 4, 8, 8)


def test_the_depth_loader_still_refuses_it(paths):
    with pytest.raises(NotADepthCheckpoint, match="4 input channels"):
        Checkpoint.open(paths["fine_tune"])


def test_another_family_is_refused_by_name(tmp_path):
    middle = Part.UNET.value + "middle_block.1."
    sd15 = {
        Part.UNET.value + "input_blocks.0.0.weight": torch.zeros(320, 4, 3, 3),
        middle + "proj_in.weight": torch.zeros(1280, 1280, 1, 1),
        middle + "transformer_blocks.0.attn2.to_k.weight": torch.zeros(1280, 768),
    }
    save_file(sd15, tmp_path / "v1-5.safetensors")
    with pytest.raises(ValueError, match=r"v1-5.safetensors.*Stable Diffusion 1.5"):
        load(tmp_path / "v1-5.safetensors")


def test_it_cannot_be_sampled_with_depth(models):
    with pytest.raises(ValueError, match="4 input channels and takes no depth map"):
        host.sample(models["base"], 0, 1, 1.0, "euler", "normal", [], [], {}, 1.0)
