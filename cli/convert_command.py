"""`depth2img convert`: a depth checkpoint as one file, or as a diffusers folder."""

import argparse
from pathlib import Path
from typing import Any


def add_convert(commands: Any) -> argparse.ArgumentParser:
    """Add the command and its options."""
    convert = commands.add_parser(
        "convert",
        help="write a depth checkpoint as one file, or as a diffusers folder",
        description="Write a Stable Diffusion 2 depth model in another layout or another type: "
        "one .safetensors file as ComfyUI loads it, or a folder for diffusers' "
        "StableDiffusionDepth2ImgPipeline. Nothing is overwritten, and what is written appears "
        "when it is complete.",
    )
    convert.set_defaults(command=_convert)
    add = convert.add_argument
    add("source", type=Path, metavar="SOURCE", help="file or diffusers folder")
    add(
        "target",
        type=Path,
        metavar="TARGET",
        help="a name that ends in .safetensors or .sft: one file; any other: a diffusers folder",
    )
    add(
        "--dtype",
        choices=["fp16", "bf16", "fp32"],
        help="of the weights (default: each as it is stored)",
    )
    add("--without-midas", action="store_true", help="leave the depth network out")
    add("--ema", action="store_true", help="take the EMA copy of the UNet as the UNet")
    add(
        "--fine-tune",
        type=Path,
        metavar="FILE",
        help="give depth to this fine-tune of Stable Diffusion 2: add what it learnt beyond --base",
    )
    add(
        "--base",
        type=Path,
        metavar="FILE",
        help="the Stable Diffusion 2 that the fine-tune was made of (512-base-ema, 2.1-base)",
    )
    add(
        "--layout",
        choices=["ldm", "diffusers"],
        help="one file with the original names (ldm), or a folder for diffusers; TARGET's "
        "name says the same, or it is refused",
    )
    return convert


def _convert(options: argparse.Namespace) -> int:
    from .conversion import convert  # here, because torch takes a second to import

    convert(options)
    return 0
