"""The arguments of every command. Light: it is read for `depth2img --help`, too."""

import argparse
from pathlib import Path
from typing import Any

from ..batches.words import LOCAL, RANDOM
from .files import given_path


def parser() -> argparse.ArgumentParser:
    """The command line; `command` of what it parses is the command's name."""
    whole = argparse.ArgumentParser(
        prog="depth2img", description="Stable Diffusion 2 depth-to-image without ComfyUI."
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_run, _add_batch, _add_demo, _add_inspect, _add_convert):
        add(commands).add_argument(
            "--debug", action="store_true", help="show the traceback of an error"
        )
    return whole


def _add_run(commands: Any) -> argparse.ArgumentParser:
    run = commands.add_parser(
        "run",
        help="run a workflow file",
        description="Run a ComfyUI workflow: a .json in the canvas or API format, or a PNG that "
        "carries one. Seeds are used as they stand in the file.",
    )
    run.set_defaults(command="run")
    run.add_argument("workflow", type=given_path, metavar="WORKFLOW")
    run.add_argument("--prompt", metavar="TEXT", help="what the image should show")
    run.add_argument(
        "--seed",
        type=_seed,
        metavar="N|random",
        help="seed of every sampler; random: another one each time, which is printed",
    )
    _add_image(run)
    _add_edits(run)
    run.add_argument("--output", type=given_path, metavar="DIR", help="output folder")
    return run


def _add_batch(commands: Any) -> argparse.ArgumentParser:
    batch = commands.add_parser(
        "batch",
        help="run a workflow file on each picture of a folder, or each row of a list",
        description="Run a ComfyUI workflow once for each picture of a folder or row of a list. "
        "What is done stands in OUTPUT/manifest.jsonl; run again, and only what is missing, "
        "changed or failed is done. The exit code is 1 when some failed.",
    )
    batch.set_defaults(command="batch", image=None)
    add = batch.add_argument
    add("workflow", type=given_path, metavar="WORKFLOW")
    add(
        "--input",
        type=given_path,
        required=True,
        metavar="FOLDER|LIST",
        help="a folder of pictures, or a .csv with columns such as image, prompt, seed",
    )
    add("--output", type=given_path, required=True, metavar="FOLDER", help="where results go")
    add("--prompt", metavar="TEXT", help="what the images should show")
    add(
        "--seed",
        type=_seed,
        metavar="N|random",
        help="seed of every sampler; random: another one for each picture, kept in the manifest",
    )
    _add_edits(batch, "FILE|FOLDER")  # a folder has one for each picture, by its name
    _add_back_ends(add)
    return batch


def _add_back_ends(add: Any) -> None:
    """Who does the work of a batch."""
    add(
        "--ray",
        nargs="?",
        const=LOCAL,
        metavar="ADDRESS",
        help="work on a Ray cluster, or without ADDRESS on one that is started on this computer",
    )
    add(
        "--cores-per-worker",
        type=_count,
        metavar="N",
        help="processor cores of each worker where there is no GPU; without --ray there is one",
    )
    add("--workers", type=_count, metavar="N", help="with --ray: so many workers at most")
    add(
        "--comfyui",
        type=_addresses,
        metavar="URL[,URL...]",
        help="work on these running ComfyUI servers",
    )


def _add_demo(commands: Any) -> argparse.ArgumentParser:
    demo = commands.add_parser(
        "demo",
        help="repaint a photo from four prompts, on one sheet",
        description="Run the example workflow with four prompts and the seeds 0 to 3, and lay the "
        "photo, its depth map and the four images out on one sheet: sheet.png in the output "
        "folder, where a former one is replaced. Prompts and seeds are the demo's own, made for "
        "the bundled miniature; another checkpoint wants --set for its size and cfg.",
    )
    demo.set_defaults(command="demo", prompt=None, seed=None)
    _add_image(demo)
    _add_edits(demo)
    demo.add_argument(
        "--output",
        type=given_path,
        default=Path("demo"),
        metavar="DIR",
        help="output folder (default: demo)",
    )
    return demo


def _add_image(command: argparse.ArgumentParser) -> None:
    """The image of a single run, and the folder it may lie in."""
    command.add_argument("--image", metavar="FILE", help="image for Load Image")
    command.add_argument("--input", type=given_path, metavar="DIR", help="input folder")


def _add_edits(command: argparse.ArgumentParser, files: str = "FILE") -> None:
    """What can be changed in a workflow, whichever it is, and where its files are."""
    add = command.add_argument
    add("--depth", metavar=files, help="depth map to use instead of estimating one")
    add("--mask", metavar=files, help="mask to use, a grey image: white is repainted")
    add("--negative", metavar="TEXT", help="what the image should not show")
    add("--steps", type=int, metavar="N", help="steps of every sampler")
    add("--checkpoint", metavar="FILE", help="a file or a diffusers folder, by its path or name")
    add(
        "--set",
        action="append",
        default=[],
        metavar="NODE.INPUT=VALUE",
        help="any other value; NODE is an id, a title or a class name; may be repeated",
    )
    add(
        "--base",
        type=given_path,
        default=Path(),
        metavar="DIR",
        help="folder with input, output and models/checkpoints, as ComfyUI has them (default: the "
        "current one)",
    )
    add(
        "--precision",
        choices=["auto", "fp32", "bf16", "fp16"],
        help="of the UNet's arithmetic, which the VAE's follows; auto: half precision where it is "
        "faster, which is said (default: fp32, on a GPU fp16)",
    )
    add(
        "--compile",
        action="store_true",
        help="compile the UNet, which takes minutes and pays in long batches",
    )


def _add_inspect(commands: Any) -> argparse.ArgumentParser:
    inspect = commands.add_parser(
        "inspect",
        help="say what a model file or folder is and what is in it",
        description="Say what a weight file or a folder is, what is in it, and what to do with "
        "it. Only headers are read, and nothing is run. The exit code is 1 when it cannot be read "
        "or is an incomplete depth model.",
    )
    inspect.set_defaults(command="inspect")
    inspect.add_argument("path", type=given_path, metavar="FILE|FOLDER")
    inspect.add_argument("--json", action="store_true", help="as JSON, for programs")
    return inspect


def _add_convert(commands: Any) -> argparse.ArgumentParser:
    convert = commands.add_parser(
        "convert",
        help="write a depth checkpoint as one file, or as a diffusers folder",
        description="Write a Stable Diffusion 2 depth model in another layout or another type: "
        "one .safetensors file as ComfyUI loads it, or a folder for diffusers' "
        "StableDiffusionDepth2ImgPipeline. Nothing is overwritten, and what is written appears "
        "when it is complete.",
    )
    convert.set_defaults(command="convert")
    add = convert.add_argument
    add("source", type=given_path, metavar="SOURCE", help="file or diffusers folder")
    add(
        "target",
        type=given_path,
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
        type=given_path,
        metavar="FILE",
        help="give depth to this fine-tune of Stable Diffusion 2: add what it learnt beyond --base",
    )
    add(
        "--base",
        type=given_path,
        metavar="FILE",
        help="the Stable Diffusion 2 that the fine-tune was made of (512-base-ema, 2.1-base)",
    )
    add(
        "--layout",
        choices=["ldm", "diffusers"],
        help="one file with the original names (ldm), or a folder for diffusers; it must agree "
        "with TARGET's name",
    )
    return convert


def _seed(text: str) -> int | str:
    return text if text == RANDOM else int(text)


_seed.__name__ = f"whole number or {RANDOM}"  # in argparse's message


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_count.__name__ = "whole number of at least 1"


def _addresses(text: str) -> list[str]:
    """Those of servers, as their pages have them; without a scheme it is http."""
    found = [part.strip().rstrip("/") for part in text.split(",") if part.strip()]
    return [one if "://" in one else f"http://{one}" for one in dict.fromkeys(found)]
