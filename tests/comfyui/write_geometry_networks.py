"""Writes small networks of ComfyUI's own with random weights, for the tests of this folder.

ComfyUI's Python runs it with ComfyUI's folder and the target folder; its own code says which
tensors there are: `MODEL.safetensors` for each of `NETWORKS`.
"""

import sys
from pathlib import Path

folder, target = sys.argv[1:]
sys.path.insert(0, folder)
sys.argv[1:] = ["--cpu"]

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.ops  # noqa: E402
import torch  # noqa: E402
from comfy.ldm.depth_anything_3.model import DepthAnything3Net  # noqa: E402
from comfy.ldm.moge.model import MoGeModelV1  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

SMALL = {"head_features": 16, "head_out_channels": (16, 16, 16, 16), "out_layers": (5, 7, 9, 11)}
DEPTH_ANYTHING = {"backbone_name": "vits", "operations": comfy.ops.manual_cast, **SMALL}
# The layers from which on the authors' small network has them.
VIEWS = {"alt_start": 4, "qknorm_start": 4, "rope_start": 4, "cat_token": True}
VIT = {
    "hidden_size": 64,
    "num_attention_heads": 1,
    "num_hidden_layers": 4,
    "layer_norm_eps": 1e-6,
    "use_swiglu_ffn": False,
}
NETWORKS = {
    "da3-sky": lambda: DepthAnything3Net(head_dim_in=384, **DEPTH_ANYTHING),
    "da3-confidence": lambda: DepthAnything3Net(
        head_type="dualdpt", head_dim_in=768, head_output_dim=2, **VIEWS, **DEPTH_ANYTHING
    ),
    "moge": lambda: MoGeModelV1(VIT, dim_upsample=[16, 16, 16]),
}
# Factors on the weights of the last layers, and their bias: what leaves them are logarithms of
# distances, or sky and masks, which should lie above 0.5 in some places and below in others.
LAST = {
    ".sky_output_conv2.2.": (0.02, 1.3),
    ".output_conv2.2.": (0.02, 0.5),
    "head.output_block.0.2.": (0.03, 0.5),
    "head.output_block.1.2.": (0.03, 0.5),
}


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Near those of a network at the start of its training; ComfyUI's layers leave theirs unset."""
    generator = torch.Generator().manual_seed(5)

    def draw(name: str, tensor: torch.Tensor) -> torch.Tensor:
        if name.startswith("image_"):  # the mean and deviation of photographs
            return tensor
        gain, bias = next((both for last, both in LAST.items() if last in name), (1, 0))
        if bias and name.endswith("bias"):
            return torch.full_like(tensor, bias)
        if tensor.ndim < 2:
            return torch.full_like(tensor, float(name.endswith(("weight", "lambda1"))))
        noise = torch.randn(tensor.shape, generator=generator)
        return noise * gain * (2 / tensor[0].numel()) ** 0.5

    return {name: draw(name, tensor) for name, tensor in network.state_dict().items()}


for name, build in NETWORKS.items():
    save_file(weights(build()), Path(target, f"{name}.safetensors"))
