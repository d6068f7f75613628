"""diffusers' UNet in two parts: deep layers, whose features serve several steps, and the rest."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..sampling.shortcuts import SHALLOW


@dataclass
class Deep:
    """What the deep layers gave, float [N, C, h, w]: used where there is something, else filled."""

    features: Tensor | None = None


def whole(unet: Any, x: Tensor, timesteps: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """What the UNet predicts, as its own `forward`, and what its deep layers gave."""
    emb = _embedding(unet, x, timesteps)
    *uppers, last = unet.up_blocks
    x = unet.conv_in(x)
    skips = [x]
    for block in unet.down_blocks:
        x, more = block(x, **_sides(block, emb, context))
        skips += more
    x = unet.mid_block(x, **_sides(unet.mid_block, emb, context))
    for block in uppers:
        layers = len(block.resnets)
        taken = tuple(skips[-layers:])
        del skips[-layers:]
        sides = {**_sides(block, emb, context), "upsample_size": skips[-1].shape[2:]}
        x = block(x, res_hidden_states_tuple=taken, **sides)
    for layer in range(len(last.resnets) - SHALLOW):
        x = _layer(last, layer, torch.cat([x, skips.pop()], dim=1), emb, context)
    return _end(unet, x, skips, emb, context), x


def shallow(unet: Any, x: Tensor, timesteps: Tensor, context: Tensor, features: Tensor) -> Tensor:
    """What the UNet predicts with these features of its deep layers."""
    emb = _embedding(unet, x, timesteps)
    skips = [unet.conv_in(x)]
    for layer in range(SHALLOW - 1):
        skips.append(_layer(unet.down_blocks[0], layer, skips[-1], emb, context))
    return _end(unet, features, skips, emb, context)


def _embedding(unet: Any, x: Tensor, timesteps: Tensor) -> Tensor:
    return unet.time_embedding(unet.time_proj(timesteps).to(x.dtype))


def _end(unet: Any, x: Tensor, skips: list[Tensor], emb: Tensor, context: Tensor) -> Tensor:
    """The last layers, and the prediction."""
    block = unet.up_blocks[-1]
    count = len(block.resnets)
    for layer in range(count - SHALLOW, count):
        x = _layer(block, layer, torch.cat([x, skips.pop()], dim=1), emb, context)
    return unet.conv_out(unet.conv_act(unet.conv_norm_out(x)))


def _sides(block: Any, emb: Tensor, context: Tensor) -> dict[str, Tensor]:
    crosses = getattr(block, "has_cross_attention", False)
    return {"temb": emb, **({"encoder_hidden_states": context} if crosses else {})}


def _layer(block: Any, index: int, x: Tensor, emb: Tensor, context: Tensor) -> Tensor:
    x = block.resnets[index](x, emb)
    if getattr(block, "has_cross_attention", False):
        x = block.attentions[index](x, encoder_hidden_states=context, return_dict=False)[0]
    return x
