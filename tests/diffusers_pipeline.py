"""A checkpoint and the pipeline of diffusers with the same weights, as material for tests."""

from dataclasses import replace

import torch

from sd2_depth2img.sampling.checkpoint import Checkpoint
from sd2_depth2img.sampling.diagnosis import Part
from sd2_depth2img.sampling.midas_keymap import MIDAS_KEYS
from sd2_depth2img.standalone.make_checkpoint import MINIATURE

# The last but one convolution of transformers' DPT has 32 channels, whatever its config says.
STRUCTURE = replace(MINIATURE, midas=replace(MINIATURE.midas, head=(16, 32)))


def pipeline_of(path):
    """StableDiffusionDepth2ImgPipeline with the weights of a checkpoint of STRUCTURE."""
    from diffusers import PNDMScheduler, StableDiffusionDepth2ImgPipeline
    from transformers import DPTImageProcessor

    from sd2_depth2img.standalone import engine

    checkpoint = Checkpoint.open(path)
    unet, text_encoder, vae = (part.network for part in engine.load(checkpoint, "cpu"))
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

    widths = STRUCTURE.midas
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
