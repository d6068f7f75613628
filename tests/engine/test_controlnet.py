"""ControlNets: what is one, and when and how it takes part.

`tests/comfyui/test_in_comfyui_controlnet.py` compares latents with ComfyUI's.
"""

from dataclasses import replace

import pytest
import torch
from diffusers import ControlNetModel
from safetensors.torch import save_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.errors import IncompleteCheckpoint
from sd2_depth2img.checkpoints.keymaps import controlnet_keys
from sd2_depth2img.engine.controlnet import Control, NoControlNet, Residuals, load_controlnet
from sd2_depth2img.engine.diffusers_configs import controlnet_config
from sd2_depth2img.engine.guidance import sample
from sd2_depth2img.engine.networks import load
from sd2_depth2img.sampling.depth_channel import DepthCondition, attach_depth
from sd2_depth2img.sampling.shortcuts import Shortcuts
from sd2_depth2img.tools.make_checkpoint import MINIATURE, random_weights
from sd2_depth2img.workflows.core_nodes import CORE_NODES

pytestmark = pytest.mark.usefixtures("one_thread")

UNET = replace(MINIATURE.unet, in_channels=4)
CPU = torch.device("cpu")
LATENT = {"samples": torch.zeros(1, 4, 8, 8)}
HINT = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def weights():
    """Of a random ControlNet, under its original names."""
    with torch.device("meta"):
        network = ControlNetModel(**controlnet_config(UNET, 3))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    entries = controlnet_keys(UNET).entries
    return random_weights({entry.ldm: shapes[entry.diffusers[0]] for entry in entries}, 1)


@pytest.fixture(scope="module")
def net(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("controlnet") / "edges.safetensors"
    save_file(weights, path)
    return load_controlnet(path, CPU)


@pytest.fixture(scope="module")
def networks(mini_checkpoint):
    return load(Checkpoint.open(mini_checkpoint), "cpu")


@pytest.fixture(scope="module")
def prompts(networks):
    clip = networks[1]
    depth = DepthCondition(torch.linspace(0, 1, 64).expand(1, 64, 64))
    return [attach_depth([[clip.encode(clip.tokenize(t)), {}]], depth) for t in ("a house", "")]


@pytest.fixture
def calls(networks, net):
    """Batch sizes of every call of the UNet and of the ControlNet."""
    made = {"unet": [], "net": []}
    hooks = [
        network.register_forward_pre_hook(
            lambda _, inputs, name=name: made[name].append(len(inputs[0]))
        )
        for name, network in (("unet", networks[0].network), ("net", net.network))
    ]
    yield made
    for hook in hooks:
        hook.remove()


def painted(model, positive, negative, cfg=3.0, steps=4):
    settings = (steps, cfg, "euler", "normal")
    return sample(model, 7, *settings, positive, negative, LATENT)["samples"]


def controlled(net, prompts, strength=1.0, start=0.0, end=1.0):
    return CORE_NODES["ControlNetApplyAdvanced"]().execute(
        positive=prompts[0], negative=prompts[1], control_net=net, image=HINT, strength=strength,
        start_percent=start, end_percent=end,
    )  # fmt: skip


def test_both_prompts_are_computed_in_one_call(networks, net, prompts, calls):
    controlled_prompts = controlled(net, prompts)
    painted(networks[0], *controlled_prompts)
    assert calls == {"unet": [2] * 4, "net": [2] * 4}
    calls["unet"].clear()
    calls["net"].clear()
    painted(networks[0], *controlled_prompts, cfg=1.0)
    assert calls == {"unet": [1] * 4, "net": [1] * 4}


def test_it_holds_for_a_part_of_the_steps(networks, net, prompts, calls):
    painted(networks[0], *controlled(net, prompts, start=0.3, end=0.7))
    assert 0 < len(calls["net"]) < 4
    assert len(calls["unet"]) == 4


def test_its_strength_scales_what_it_adds(net):
    inputs = (torch.ones(1, 4, 8, 8), torch.tensor([500]), torch.ones(1, 77, 64))
    whole, half = (
        Control(net, HINT.movedim(-1, 1), s, torch.inf, 0.0).residuals(*inputs, 1.0, prompts=1)
        for s in (1.0, 0.5)
    )
    assert torch.allclose(whole.middle, 2 * half.middle)
    together = Control(net, HINT.movedim(-1, 1), 0.5, torch.inf, 0.0, previous=Control(
        net, HINT.movedim(-1, 1), 0.5, torch.inf, 0.0
    )).residuals(*inputs, 1.0, prompts=1)  # fmt: skip
    assert torch.allclose(together.middle, whole.middle)
    assert all(torch.allclose(a, b) for a, b in zip(together.skips, whole.skips, strict=True))


def test_residuals_that_are_zero_change_nothing(networks):
    model = networks[0]
    inputs = (torch.ones(1, 5, 8, 8), torch.tensor([500]), torch.ones(1, 77, 64))
    shapes = [(64, 8), (64, 8), (64, 4), (128, 4)]
    nothing = Residuals(
        tuple(torch.zeros(1, width, side, side) for width, side in shapes),
        torch.zeros(1, 128, 4, 4),
    )
    plain = model.predict_noise(*inputs)
    assert torch.equal(plain, model.predict_noise(*inputs, residuals=nothing))
    changed = replace(nothing, middle=torch.ones(1, 128, 4, 4))
    assert not torch.allclose(plain, model.predict_noise(*inputs, residuals=changed), atol=1e-2)


def test_deep_features_are_not_reused_under_control(networks, net, prompts):
    positive, negative = controlled(net, prompts)
    model = networks[0].with_shortcuts(Shortcuts(deep_every=3))
    plain = painted(networks[0], positive, negative)
    assert torch.equal(plain, painted(model, positive, negative))


def test_other_files_are_refused_by_name(tmp_path, weights):
    def load_changed(**changes):
        tensors = {**weights, **changes}
        kept = {n: tensor for n, tensor in tensors.items() if tensor is not None}
        save_file(kept, tmp_path / "other.safetensors")
        return load_controlnet(tmp_path / "other.safetensors", CPU)

    with pytest.raises(IncompleteCheckpoint, match=r"incomplete ControlNet: of .* 1 are missing"):
        load_changed(**{"middle_block_out.0.weight": None})
    with pytest.raises(IncompleteCheckpoint, match="incomplete ControlNet: the tensor"):
        load_changed(**{"input_blocks.0.0.weight": None})
    attention = "middle_block.1.transformer_blocks.0.attn2.to_k.weight"
    changes = {n: torch.zeros(64, 768) for n in weights if n.endswith("attn2.to_k.weight")}
    assert attention in changes
    said = r"Stable Diffusion 1\.5.*Expected a ControlNet for Stable"
    with pytest.raises(NoControlNet, match=said):
        load_changed(**changes)
    save_file({"emb_params": torch.zeros(1, 1024)}, tmp_path / "text.safetensors")
    with pytest.raises(NoControlNet, match="textual inversion"):
        load_controlnet(tmp_path / "text.safetensors", CPU)


def test_an_image_with_transparency_is_refused(net, prompts):
    with pytest.raises(ValueError, match="the image has 4 channels"):
        CORE_NODES["ControlNetApply"]().execute(
            conditioning=prompts[0], control_net=net, image=torch.rand(1, 8, 8, 4), strength=1.0
        )
