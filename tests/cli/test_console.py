"""What is printed in any code page, into closed pipes, and onto full disks."""

import io
import json
import os
import sys

import pytest

from sd2_depth2img.cli import main
from sd2_depth2img.engine import folders

CODE_PAGES = ("cp1252", "cp437", "ascii", "utf-8")
IMAGE = {"width": 8, "height": 8, "batch_size": 1, "color": 0}
WORKFLOW = {
    "1": {"class_type": "EmptyImage", "inputs": IMAGE},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "карта"}},
    "3": {"class_type": "PreviewAny", "inputs": {"source": "深度\x1b[2J\ttext"}},
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.json").write_text(json.dumps(WORKFLOW), encoding="utf-8")
    before = folders.current()
    yield tmp_path
    folders.use(before)


@pytest.fixture
def streams(monkeypatch):
    """stdout and stderr of a code page, as a pipe or a file gives them; what came into them."""

    def of(encoding):
        raw = io.BytesIO(), io.BytesIO()
        for name, one in zip(("stdout", "stderr"), raw, strict=True):
            stream = io.TextIOWrapper(one, encoding=encoding, write_through=True)
            monkeypatch.setattr(sys, name, stream)
        return lambda: [one.getvalue().decode(encoding) for one in raw]

    return of


def escaped(text, encoding):
    return text.encode(encoding, "backslashreplace").decode(encoding)


@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_a_finished_run_prints_its_path_in_every_code_page(here, streams, encoding):
    said = streams(encoding)
    assert main.main(["run", "w.json", "--output", "выход"]) == main.OK
    out, err = said()
    assert escaped("выход/карта_00001_.png", encoding) in out.splitlines()
    assert escaped("深度\\x1b[2J\ttext", encoding) in out  # and no escape code reaches the terminal
    assert "node 2 (SaveImage)" in err
    assert (here / "выход" / "карта_00001_.png").is_file()


@pytest.mark.parametrize("encoding", CODE_PAGES)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_inspect_prints_its_report_in_every_code_page(here, streams, encoding, options):
    (here / "модель.safetensors").write_bytes(b"\0" * 64)
    said = streams(encoding)
    assert main.main(["inspect", "модель.safetensors", *options]) == main.FAILED
    out, err = said()
    assert not err
    if options:
        assert json.loads(out)["file"] == "модель.safetensors"
    else:
        assert out.startswith(escaped("модель.safetensors: ", encoding))


@pytest.mark.skipif(sys.platform != "linux", reason="others take only names that are text")
def test_names_that_are_no_text(here, streams):
    name = os.fsdecode(b"\xff\xfe.safetensors")
    (here / name).write_bytes(b"\0" * 64)
    said = streams("utf-8")
    assert main.main(["inspect", name]) == main.FAILED
    assert main.main(["run", name]) == main.FAILED
    out, err = said()
    assert out.startswith("\\udcff\\udcfe.safetensors: ")
    assert "\\udcff\\udcfe.safetensors" in err


def test_help_and_warnings_too(here, streams):
    said = streams("ascii")
    with pytest.raises(SystemExit) as ended:
        main.main(["run", "--help"])
    assert ended.value.code == main.OK
    with pytest.raises(SystemExit):
        main.main(["run", "w.json", "--карта"])
    out, err = said()
    assert out.startswith("usage: depth2img run")
    assert escaped("--карта", "ascii") in err


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_reader_that_has_gone_changes_nothing(here, monkeypatch, name):
    """Such as `| head`: the work is done, and the code is the one it would have been."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, name, pipe)
        assert main.main(["run", "w.json"]) == main.OK
        assert main.main(["run", "missing.json"]) == main.FAILED
        assert getattr(sys, name) is pipe
    assert len(list((here / "output").iterdir())) == 1


def test_a_closed_stdout_too(here, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main.main(["run", "w.json"]) == main.OK
    assert main.main(["inspect", "w.json"]) == main.FAILED


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a disk that is full")
def test_a_full_disk_below_stdout_is_an_error(here, monkeypatch, capsys):
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main.main(["run", "w.json"]) == main.FAILED
    assert "error: what is written: the disk is full; make room" in capsys.readouterr().err
