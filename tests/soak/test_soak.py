"""Many runs in one process: what they take does not grow, and nothing is left lying about."""

import gc
import logging
import os
import tempfile

import psutil
import pytest

from sd2_depth2img.cli.demo import PHOTO, WORKFLOW
from sd2_depth2img.workflows.edits import Editor
from sd2_depth2img.workflows.graph import Runner, read_workflow

log = logging.getLogger(__name__)

RUNS = 500
FRESH = 50  # runs of a Runner, after which a new one loads the checkpoint again
SMALL = 64  # pixels: the least that the miniature's MiDaS and VAE take with a margin
MOST_GROWTH = 8e6  # bytes, of the last third over the middle one: 50 kB a run


@pytest.fixture
def temporary(tmp_path_factory, monkeypatch):
    """Where Python makes temporary files."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def one_run(runner, seed):
    """The example workflow at its smallest: depth is estimated, sampled in one step, and saved."""
    editor = Editor(read_workflow(WORKFLOW), runner.nodes)
    editor.image(str(PHOTO))
    editor.everywhere(["seed"], seed)
    editor.everywhere(["steps"], 1)
    editor.everywhere(["width", "height"], SMALL)
    editor.everywhere(["resolution"], SMALL + 32 * (seed % 2))  # so that depth is estimated anew
    editor.text("positive", f"a statue, number {seed}")
    return runner.run(editor.workflow).files


def mean(values):
    return sum(values) / len(values)


@pytest.mark.slow
def test_500_runs_take_no_more_memory_and_descriptors(base, temporary):
    process = psutil.Process()
    memory, descriptors, files = [], [], []
    for seed in range(RUNS):
        if seed % FRESH == 0:
            runner = Runner()
            gc.collect()
        files += one_run(runner, seed)
        memory.append(process.memory_info().rss)
        descriptors.append(process.num_fds() if os.name == "posix" else process.num_handles())
    third = RUNS // 3
    middle, last = mean(memory[third : 2 * third]), mean(memory[2 * third :])
    figures = {
        "memory, MB": [round(value / 1e6) for value in (middle, last, max(memory))],
        "descriptors": [max(descriptors[third : 2 * third]), max(descriptors[2 * third :])],
    }
    log.info("%s", figures)
    assert last - middle < MOST_GROWTH, figures
    assert max(descriptors[2 * third :]) <= max(descriptors[third : 2 * third]), figures
    assert len(set(files)) == len(files) >= RUNS
    assert {path for path in base.rglob("*") if path.is_file()} == set(files)
    assert not list(temporary.iterdir())
