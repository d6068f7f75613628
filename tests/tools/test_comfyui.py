"""How a ComfyUI is found, started and stopped. A few lines stand in for ComfyUI itself."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from sd2_depth2img.tools import comfyui
from sd2_depth2img.tools.comfyui import PACK, ComfyUIError, Program, Server, furnish

ANSWERS = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
address = options["--listen"], int(options["--port"])
http.server.HTTPServer(address, Handler).serve_forever()
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes the stand-in with the given main.py."""

    def make(source):
        folder = tmp_path / "program"
        folder.mkdir()
        (folder / "main.py").write_text(source)
        monkeypatch.setenv("COMFYUI_PATH", str(folder))
        monkeypatch.delenv("COMFYUI_PYTHON", raising=False)
        return Program.find()

    return make


def test_a_folder_that_is_no_comfyui_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(ComfyUIError, match=rf"COMFYUI_PATH is {tmp_path}, where there is no main"):
        Program.find()


def test_without_any_it_says_where_one_is_expected(tmp_path, monkeypatch):
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    monkeypatch.setattr(comfyui, "INSTALLED", tmp_path / "comfyui")
    with pytest.raises(ComfyUIError, match="`make canvas` and `make test` install one, and"):
        Program.find()


def test_its_own_environment_runs_it(program):
    found = program("")
    assert found.python == sys.executable
    own = found.folder / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.symlink_to(sys.executable)
    assert Program.find().python == str(own)


def test_paths_may_begin_at_home(program, tmp_path, monkeypatch):
    folder = program("").folder
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COMFYUI_PATH", f"~/{folder.name}")
    assert Program.find().folder == folder


def test_an_interpreter_that_cannot_be_run_is_named(program, monkeypatch):
    program("")
    monkeypatch.setenv("COMFYUI_PYTHON", "no-such-python")
    with pytest.raises(ComfyUIError, match="COMFYUI_PYTHON is no-such-python"):
        Program.find()


def test_an_interpreter_without_pytorch_is_named(program, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho No module named torch >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(ComfyUIError, match=r"set COMFYUI_PYTHON to(.|\n)*No module named torch"):
        Program(program("").folder, str(python)).has_gpu()


def test_a_server_runs_until_it_is_no_longer_needed(program, tmp_path):
    with Server.running(program(ANSWERS), tmp_path) as server:
        server.check_alive()
        with socket.create_connection((comfyui.HOST, server.port)):
            pass
    assert server.process.returncode == -signal.SIGTERM


def test_a_server_that_does_not_start_shows_its_log(program, tmp_path):
    failing = program("raise SystemExit('no module named aiohttp')")
    with (
        pytest.raises(ComfyUIError, match="stopped with code 1; its log:\nno module named aiohttp"),
        Server.running(failing, tmp_path),
    ):
        pass


def test_a_server_ends_with_the_process_that_started_it(program, tmp_path):
    program(ANSWERS)
    script = (
        "import time, pathlib, sys\n"
        "from sd2_depth2img.tools.comfyui import Program, Server\n"
        "with Server.running(Program.find(), pathlib.Path(sys.argv[1])) as server:\n"
        "    print(server.port, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE
    ) as starter:
        port = int(starter.stdout.readline())
        starter.kill()
    deadline = time.monotonic() + 20
    while listens(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def listens(port):
    with socket.socket() as client:
        return client.connect_ex((comfyui.HOST, port)) == 0


def test_a_port_in_use_is_answered_in_words():
    with socket.create_server((comfyui.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ComfyUIError, match=f"port {port} cannot be used .*: choose another"):
            comfyui.free_port(port)


def test_the_pack_is_linked_anew_when_the_checkout_was_moved(tmp_path):
    link = furnish(tmp_path) / "custom_nodes" / "sd2-depth2img"
    link.unlink()
    link.symlink_to(tmp_path / "elsewhere")
    furnish(tmp_path)
    assert link.resolve() == PACK


def test_the_canvas_says_its_address_and_stops_at_ctrl_c(program, tmp_path):
    found = program(ANSWERS)
    (found.folder / "input").mkdir()
    (found.folder / "input" / "example.png").touch()
    base = tmp_path / "canvas"
    with canvas("--base-directory", base) as process:
        lines = iter(process.stdout.readline, "")
        port = next(int(line.split()[0].split(":")[-1]) for line in lines if "http:" in line)
        assert listens(port)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().strip() == "ComfyUI has stopped."
    assert process.returncode == 0
    assert not listens(port)
    assert sorted(os.listdir(base / "input")) == ["astronaut.jpg", "example.png"]
    assert (base / "custom_nodes" / "sd2-depth2img").resolve() == PACK


def test_the_canvas_answers_a_wrong_path_in_one_line(monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", "/nowhere")
    with canvas() as process:
        said = process.stdout.read()
    assert process.returncode == 1
    assert said.startswith("COMFYUI_PATH is /nowhere")
    assert said.count("\n") == 1


def test_the_canvas_says_that_its_folder_cannot_be_made(program, tmp_path):
    program(ANSWERS)
    taken = tmp_path / "file"
    taken.touch()
    with canvas("--base-directory", taken) as process:
        said = process.stdout.read()
    assert process.returncode == 1
    assert said.startswith(f"{taken} cannot hold ComfyUI's files (")
    assert said.endswith("name another --base-directory\n")
    assert said.count("\n") == 1


def test_a_second_server_leaves_the_log_of_the_first_alone(program, tmp_path):
    found = program(f"print('first', flush=True){ANSWERS}")
    with Server.running(found, tmp_path) as server:
        with (
            pytest.raises(ComfyUIError, match=f"a ComfyUI is running in {tmp_path}: stop it"),
            Server.running(found, tmp_path),
        ):
            pass
        assert "first" in server.tail()


def canvas(*arguments):
    without_desktop = {
        name: value for name, value in os.environ.items() if not name.endswith("DISPLAY")
    }
    return subprocess.Popen(
        [sys.executable, "-m", "sd2_depth2img.tools.comfyui", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=without_desktop,
    )
