"""The command `depth2img`: run workflows without ComfyUI, look into and convert checkpoints.

Heavy packages are imported when a command needs them, so that `depth2img --help` is quick.
"""

import argparse
import importlib.util
import json
import logging
import random
import secrets
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..disk.sentences import in_words
from ..workflows.problems import EditError, WorkflowError, lack_of_memory
from .console import console, printable
from .files import as_in_a_shell, given_path, picture

if TYPE_CHECKING:
    from ..engine.folders import Folders
    from ..workflows.edits import Editor
    from ..workflows.graph import Results, Runner

OK, FAILED, USAGE, CANCELLED = 0, 1, 2, 130  # exit codes; argparse itself exits with 2

_ENGINE_PACKAGES = ("diffusers", "open_clip", "torchsde", "tqdm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    with console():
        options = _parser().parse_args(arguments)
        if arguments is None:  # in a program of somebody else signals are that one's
            _stop_tidily()
        logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
        try:
            code = options.command(options)
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where an error is still told
            return code
        except KeyboardInterrupt:
            print("cancelled", file=sys.stderr)
            return CANCELLED
        except Exception as error:
            if options.debug:
                raise
            print(f"error: {printable(_sentence(error))}", file=sys.stderr)
            return USAGE if isinstance(error, EditError) else FAILED


def _stop_tidily() -> None:
    """Let `kill`, `docker stop` and a closed terminal, too, leave nothing half-written."""

    def stop(number: int, frame: Any) -> NoReturn:
        raise SystemExit(128 + number)  # as a shell reports it

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has one of them
        if number and signal.getsignal(number) is signal.SIG_DFL:  # not with nohup
            signal.signal(number, stop)


def _sentence(error: Exception) -> str:
    """What went wrong, for a person."""
    text = str(error) or "no further message"
    if isinstance(error, OSError):
        return str(in_words(error))
    if isinstance(error, ImportError):
        return _import_sentence(error)
    if said := lack_of_memory(error):
        return said
    if isinstance(error, WorkflowError) and any(one.input == "ckpt_name" for one in error.problems):
        return f"{text}\n  --checkpoint FILE takes another checkpoint"
    if isinstance(error, (ValueError, RuntimeError)) and not isinstance(error, RecursionError):
        return text
    return f"{type(error).__name__}: {text} (--debug shows where)"


def _import_sentence(error: ImportError) -> str:
    if "pip install" in str(error):  # it says so itself
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name} is not installed. {_REMEDY}"
    package = (error.name or "of it").split(".")[0]
    return (
        f"the package {package} is installed, but cannot be imported ({error}); install it anew: "
        f"pip install --force-reinstall {package} (--debug shows where)"
    )


_REMEDY = (
    'Install the embedded engine with: pip install "sd2-depth2img[engine]" '
    '(in a clone: pip install -e ".[engine]")'
)


# --- arguments -----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="depth2img", description="Stable Diffusion 2 depth-to-image without ComfyUI."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_run, _add_demo, _add_inspect, _add_convert):
        add(commands).add_argument(
            "--debug", action="store_true", help="show the traceback of an error"
        )
    return parser


def _add_run(commands: Any) -> argparse.ArgumentParser:
    run = commands.add_parser(
        "run",
        help="run a workflow file",
        description="Run a ComfyUI workflow: a .json in the canvas or API format, or a PNG that "
        "carries one. Seeds are used as they stand in the file.",
    )
    run.set_defaults(command=_run)
    run.add_argument("workflow", type=given_path, metavar="WORKFLOW")
    run.add_argument("--prompt", metavar="TEXT", help="what the image should show")
    run.add_argument(
        "--seed",
        type=_seed,
        metavar="N|random",
        help="seed of every sampler; random: another one each time, which is printed",
    )
    _add_edits(run)
    run.add_argument("--output", type=given_path, metavar="DIR", help="output folder")
    return run


def _add_demo(commands: Any) -> argparse.ArgumentParser:
    demo = commands.add_parser(
        "demo",
        help="repaint a photo from four prompts, on one sheet",
        description="Run the example workflow with four prompts and the seeds 0 to 3, and lay the "
        "photo, its depth map and the four images out on one sheet: sheet.png in the output "
        "folder, where a former one is replaced. Prompts and seeds are the demo's own, made for "
        "the bundled miniature; another checkpoint wants --set for its size and cfg.",
    )
    demo.set_defaults(command=_demo, prompt=None, seed=None)
    _add_edits(demo)
    demo.add_argument(
        "--output",
        type=given_path,
        default=Path("demo"),
        metavar="DIR",
        help="output folder (default: demo)",
    )
    return demo


def _add_edits(command: argparse.ArgumentParser) -> None:
    """What can be changed in a workflow, whichever it is, and where its files are."""
    add = command.add_argument
    add("--image", metavar="FILE", help="image for Load Image")
    add("--depth", metavar="FILE", help="depth map to use instead of estimating one")
    add("--mask", metavar="FILE", help="mask to use, a grey image: white is repainted")
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
    add("--input", type=given_path, metavar="DIR", help="input folder")
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
    inspect.set_defaults(command=_inspect)
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
    convert.set_defaults(command=_convert)
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


_RANDOM = "random"


def _seed(text: str) -> int | str:
    return text if text == _RANDOM else int(text)


_seed.__name__ = f"whole number or {_RANDOM}"  # in argparse's message


# --- depth2img run -------------------------------------------------------------------------------


def _run(options: argparse.Namespace) -> int:
    if options.seed == _RANDOM:
        options.seed = secrets.randbelow(2**50)  # as large as the canvas makes them
        print(f"seed {options.seed}", file=sys.stderr)
    editor, runner = _prepared(options.workflow, options)
    _show(runner.run(editor.workflow))
    return OK


def _prepared(path: Path, options: argparse.Namespace) -> "tuple[Editor, Runner]":
    """A workflow with the options' changes, and what runs it in the options' folders."""
    missing = [name for name in _ENGINE_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(name=", ".join(missing))
    from ..engine import folders
    from ..workflows.edits import Editor
    from ..workflows.graph import Runner, read_workflow

    if options.seed is not None:
        random.seed(options.seed)  # for the choices of {this|or|that}
    folders.use(_folders(options))
    _use_execution(options)
    runner = Runner(report=lambda line: print(printable(line), file=sys.stderr))
    editor = Editor(read_workflow(path), runner.nodes)
    _edit(editor, options)
    return editor, runner


def _use_execution(options: argparse.Namespace) -> None:
    from ..engine import execution

    precision = options.precision and execution.Precision(options.precision)
    logging.getLogger(execution.__name__).setLevel(logging.INFO)  # what auto has chosen
    execution.use(execution.Execution(precision, options.compile))


def _folders(options: argparse.Namespace) -> "Folders":
    from ..engine.folders import Folders

    below = Folders.below(options.base)
    for folder in (options.base, options.input):
        if folder is not None and not folder.is_dir():
            raise FileNotFoundError(
                f"there is no folder {folder}; make it, or give the path of another one"
            )
    output = options.output or below.output
    try:  # before the run, whose results would be lost
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"the output folder cannot be made: {in_words(error, output)}") from error
    return Folders(options.input or below.input, output, below.checkpoints)


def _edit(editor: "Editor", options: argparse.Namespace) -> None:
    """The named options first, so that --set has the last word."""
    from ..engine.folders import current

    def checkpoint(file: str) -> None:
        editor.everywhere(["ckpt_name"], as_in_a_shell(file, current().checkpoints))

    for value, change in (
        (options.checkpoint, checkpoint),
        (options.image, lambda file: editor.image(picture(file, current().input))),
        (options.depth, lambda file: editor.depth(picture(file, current().input))),
        (options.mask, lambda file: editor.mask(picture(file, current().input))),
        (options.prompt, lambda text: editor.text("positive", text)),
        (options.negative, lambda text: editor.text("negative", text)),
        (options.seed, lambda seed: editor.everywhere(["seed", "noise_seed"], seed)),
        (options.steps, lambda steps: editor.everywhere(["steps"], steps)),
    ):
        if value is not None:
            change(value)
    for assignment in options.set:
        editor.assign(assignment)


def _show(results: "Results") -> None:
    for shown in results.ui.values():
        for text in shown.get("text", ()):
            print(printable(text))
    for file in results.files:  # one a line, whatever a workflow's prefix has in it
        print(printable(str(file)).replace("\n", "\\n"))


# --- depth2img demo ------------------------------------------------------------------------------


def _demo(options: argparse.Namespace) -> int:
    from .demo import PHOTO, WORKFLOW, paint_sheet

    if options.image is None:
        options.image = str(PHOTO)
    for file in paint_sheet(*_prepared(WORKFLOW, options)):
        print(printable(str(file)))
    return OK


# --- depth2img inspect ---------------------------------------------------------------------------


def _inspect(options: argparse.Namespace) -> int:
    from .inspect_command import report

    found = report(options.path)
    if options.json:
        print(json.dumps(found.facts(options.path), indent=2))
    else:
        print("\n".join(found.lines(options.path)))
    return OK if found.is_sound else FAILED


# --- depth2img convert ---------------------------------------------------------------------------


def _convert(options: argparse.Namespace) -> int:
    from .convert_command import convert

    convert(options)
    return OK


if __name__ == "__main__":
    sys.exit(main())
