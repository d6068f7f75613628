"""Fixtures that several folders of tests share."""

import signal

import numpy as np
import pytest
import skimage.data
import torch

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.midas_keymap import MIDAS_KEYS
from sd2_depth2img.engine import folders
from sd2_depth2img.tools.make_checkpoint import MINIATURE, make_checkpoint


def pytest_configure() -> None:
    """Tests send Ctrl-C, which shells have their background jobs ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def mini_checkpoint(tmp_path_factory):
    """A small random checkpoint with the structure of the real one, MiDaS included."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoints") / "mini.safetensors")


@pytest.fixture(scope="session")
def photo():
    """A real photograph as IMAGE, float32 [1, 512, 512, 3] in 0..1: an astronaut (NASA)."""
    pixels = skimage.data.astronaut().astype(np.float32) / 255.0
    return torch.from_numpy(pixels).unsqueeze(0)


@pytest.fixture
def base(tmp_path):
    """Folders of the embedded engine that belong to one test."""
    before = folders.current()
    folders.use(folders.Folders.below(tmp_path))
    (tmp_path / "input").mkdir()
    yield tmp_path
    folders.use(before)


@pytest.fixture(scope="module")
def one_thread():
    """For tiny networks: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pipeline(mini_checkpoint):
    """StableDiffusionDepth2ImgPipeline with the weights of mini_checkpoint."""
    return _pipeline(mini_checkpoint)


@pytest.fixture(scope="session")
def diffusers_folder(pipeline, tmp_path_factory):
    """The folder that diffusers writes of it."""
    folder = tmp_path_factory.mktemp("diffusers") / "peer"
    pipeline.save_pretrained(folder)
    return folder


def _pipeline(path):
    from diffusers import PNDMScheduler, StableDiffusionDepth2ImgPipeline
    from transformers import DPTImageProcessor

    from sd2_depth2img.engine import networks

    checkpoint = Checkpoint.open(path)
    unet, text_encoder, vae = (part.network for part in networks.load(checkpoint, "cpu"))
    unet.register_to_config(sample_size=64)  # the pipeline asks for it
    scheduler = PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True
    )
    return StableDiffusionDepth2ImgPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=None,
        unet=unet,
        scheduler=scheduler,
        depth_estimator=_depth_estimator(checkpoint.read(Part.MIDAS)),
        feature_extractor=DPTImageProcessor(),
    )


def _depth_estimator(weights):
    from transformers import DPTConfig, DPTForDepthEstimation

    widths = MINIATURE.midas
    config = DPTConfig(
        is_hybrid=True,
        backbone_config={
            "model_type": "bit",
            "global_padding": "same",
            "layer_type": "bottleneck",
            "depths": [3, 4, 9],
            "embedding_size": widths.stem,
            "hidden_sizes": list(widths.stages),
            "out_features": ["stage1", "stage2", "stage3"],
            "embedding_dynamic_padding": True,
        },
        backbone_featmap_shape=[1, widths.stages[-1], widths.grid, widths.grid],
        hidden_size=widths.tokens,
        num_attention_heads=widths.tokens // 64,
        intermediate_size=widths.mlp,
        neck_hidden_sizes=[*widths.stages[:2], *widths.neck],
        fusion_hidden_size=widths.fusion,
        image_size=widths.grid * 16,
        layer_norm_eps=1e-6,
    )
    with torch.device("meta"):
        network = DPTForDepthEstimation(config)
    network.load_state_dict(dict(MIDAS_KEYS.to_diffusers(weights.__getitem__)), assign=True)
    return network.eval()
