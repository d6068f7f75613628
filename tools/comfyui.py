"""Starts a ComfyUI with this pack in it: for `make canvas`, which runs this file, and the tests.

`COMFYUI_PATH` names its folder, `COMFYUI_PYTHON` the interpreter that runs it (default: that of
the folder's own environment, then this one). Without them it is the one that the Makefile puts
into the virtual environment.

The server listens on the loopback only, and writes into the folder it is given and nowhere else.
"""

import argparse
import fcntl
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

PACK = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
START_SECONDS = 300  # the first start may have to compile every module of ComfyUI
STOP_SECONDS = 20
MODELS = ("checkpoints", "depth", "diffusers", "diffusion_models", "loras")
INSTALLED = Path(sys.prefix, "comfyui")

AnyServer = TypeVar("AnyServer", bound="Server")


class ComfyUIError(RuntimeError):
    """There is no ComfyUI to start, or it stopped; the message is for the user."""


@dataclass(frozen=True)
class Program:
    """A ComfyUI that can be started."""

    folder: Path
    python: str

    @classmethod
    def find(cls) -> "Program":
        """The one of COMFYUI_PATH, or the one in the virtual environment."""
        named = os.environ.get("COMFYUI_PATH")
        folder = Path(named or INSTALLED).expanduser().absolute()
        if not (folder / "main.py").is_file():
            raise ComfyUIError(
                f"COMFYUI_PATH is {named}, where there is no main.py: set it to ComfyUI's folder"
                if named
                else f"there is no ComfyUI in {folder}, where `make canvas` and `make "
                "test` install one, and COMFYUI_PATH names no other"
            )
        return cls(folder, _interpreter(folder))

    def has_gpu(self) -> bool:
        """Whether its PyTorch sees one; without, ComfyUI starts only with `--cpu`."""
        # Before 2.6, PyTorch had no word for any kind of GPU.
        question = "import torch; print(getattr(torch, 'accelerator', torch.cuda).is_available())"
        answer = subprocess.run(
            [self.python, "-c", question],
            capture_output=True,
            text=True,
            env=_environment(),
            check=False,
        )
        if answer.returncode:
            raise ComfyUIError(
                f"{self.python} cannot ask PyTorch for a GPU: set COMFYUI_PYTHON to the "
                f"interpreter that runs ComfyUI\n{answer.stderr}"
            )
        return answer.stdout.strip() == "True"


@dataclass
class Server:
    """A running ComfyUI."""

    program: Path  # the folder of ComfyUI itself
    base: Path  # the folder of its models, inputs and outputs
    port: int
    process: subprocess.Popen
    log: Path

    @classmethod
    @contextmanager
    def running(
        cls: type[AnyServer],
        program: Program,
        base: Path,
        *options: str,
        port: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[AnyServer]:
        """Start it, wait until it answers, and stop it in the end.

        Port 0 is any free one. `options` go to ComfyUI, `environment` is added to ours.
        """
        port = free_port(port)
        log = base / "server.log"
        with log.open("ab") as output:
            _claim(output, base)
            process = subprocess.Popen(
                [*_command(program, base, port), *options],
                cwd=program.folder,
                stdin=subprocess.PIPE,  # what the leash watches
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**_environment(), **(environment or {})},
            )
        server = cls(program.folder, base, port, process, log)
        try:
            server.wait_until_it_answers()
            yield server
        finally:
            server.stop()

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"http://{HOST}:{self.port}"

    def wait_until_it_answers(self) -> None:
        """It does once all nodes are loaded."""
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            self.check_alive()
            if time.monotonic() > deadline:
                raise ComfyUIError(f"no answer within {START_SECONDS} s; its log:\n{self.tail()}")
            time.sleep(0.2)

    def check_alive(self) -> None:
        """Raise ComfyUIError, with the end of its log, if it has stopped."""
        code = self.process.poll()
        if code is not None:
            raise ComfyUIError(f"ComfyUI stopped with code {code}; its log:\n{self.tail()}")

    def tail(self, characters: int = 8000) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-characters:]

    def stop(self) -> None:
        """Ask it to stop, then make it."""
        self.process.terminate()
        try:
            self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        # Not through urllib, which would ask a proxy for it.
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            connection.request("GET", "/object_info/KSampler")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


def furnish(base: Path) -> Path:
    """Lay out ComfyUI's folders in a folder, the pack among its custom nodes; that folder."""
    models = (f"models/{name}" for name in MODELS)
    for folder in ("custom_nodes", "input", "output", "temp", "user", *models):
        (base / folder).mkdir(parents=True, exist_ok=True)
    link = base / "custom_nodes" / "sd2-depth2img"
    link.unlink(missing_ok=True)  # it leads elsewhere when the checkout was moved
    link.symlink_to(PACK, target_is_directory=True)
    return base


def _interpreter(folder: Path) -> str:
    own = (folder / name / "bin" / "python" for name in ("venv", ".venv"))
    default = next((path for path in own if path.is_file()), sys.executable)
    named = os.environ.get("COMFYUI_PYTHON")
    found = shutil.which(os.path.expanduser(named or default))
    if not found:
        raise ComfyUIError(f"COMFYUI_PYTHON is {named}, which is no program that can be run")
    return str(Path(found).absolute())


def free_port(wanted: int = 0) -> int:
    """The port that is wanted, or with 0 any that nobody listens on."""
    try:
        with socket.create_server((HOST, wanted)) as server:
            return server.getsockname()[1]
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "they end at 65535"
        raise ComfyUIError(
            f"port {wanted} cannot be used ({why}): choose another, or none to get a free one"
        ) from error


def _command(program: Program, base: Path, port: int) -> list[str]:
    # No API nodes: they bring nothing to the pack, and their page talks to the internet.
    return [
        program.python,
        str(PACK / "tools" / "leash.py"),
        str(program.folder / "main.py"),
        *("--listen", HOST, "--port", str(port), "--base-directory", str(base)),
        *("--database-url", "sqlite:///:memory:", "--disable-auto-launch", "--disable-api-nodes"),
    ]


def _claim(log: IO[bytes], base: Path) -> None:
    """Empty the log; ComfyUI inherits the open file, and with it the lock, until it ends."""
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ComfyUIError(
            f"a ComfyUI is running in {base}: stop it, or name another --base-directory"
        ) from error
    log.truncate(0)


def _environment() -> dict[str, str]:
    """Ours, without what would leak this interpreter's packages into ComfyUI's."""
    leaks = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    ours = {name: value for name, value in os.environ.items() if name not in leaks}
    return {**ours, "PYTHONDONTWRITEBYTECODE": "1"}


# --- make canvas ---------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ComfyUI in a folder of its own until Ctrl-C."""
    parser = argparse.ArgumentParser(
        description=main.__doc__,
        epilog="All other arguments are ComfyUI's own.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument(
        "--base-directory",
        type=Path,
        default=PACK / "canvas",
        help="the folder of its models, inputs and outputs (default: %(default)s)",
    )
    options, others = parser.parse_known_args(arguments)
    try:
        _run_canvas(options.base_directory.absolute(), options.port, others)
    except ComfyUIError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        _say("ComfyUI has stopped.")


def _run_canvas(base: Path, port: int, options: Sequence[str]) -> None:
    program = Program.find()
    free_port(port)  # before all that takes time
    try:
        furnish(base)
        put_images(program, base / "input")
    except OSError as error:
        raise ComfyUIError(
            f"{base} cannot hold ComfyUI's files ({error}): name another --base-directory"
        ) from error
    _say(f"Starting the ComfyUI in {program.folder}; its log: {base / 'server.log'}")
    device = () if program.has_gpu() else ("--cpu",)
    with Server.running(program, base, *device, *options, port=port) as server:
        _say(f"\n    {server.url}    Ctrl-C stops it\n")
        if _has_desktop():
            webbrowser.open(server.url)
        server.process.wait()
        server.check_alive()


def put_images(program: Program, folder: Path) -> None:
    """Our photo, and the image of ComfyUI's own that new Load Image nodes name."""
    for image in (
        PACK / "example_workflows" / "astronaut.jpg",
        program.folder / "input" / "example.png",
    ):
        if image.is_file() and not (folder / image.name).exists():
            shutil.copy(image, folder)


def _has_desktop() -> bool:
    """Without one, webbrowser would run a text browser in this terminal."""
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, displays))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
