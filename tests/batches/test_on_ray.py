"""Batches on Ray, on a cluster that is started for them."""

import os
import random
import signal

import psutil
import pytest

from sd2_depth2img.cli import main
from sd2_depth2img.tests.batches.painting import (
    check_whole,
    furnish,
    lines,
    start,
    wait_for_more,
)

pytest.importorskip("ray")

RAY = ("--ray", "--workers", "2", "--cores-per-worker", "1")


def actors(driver):
    """The processes that work."""
    return [
        process.pid
        for process in psutil.process_iter(["name"])
        if "MapWorker" in " ".join(_arguments(process)) and _is_below(process, driver)
    ]


def _arguments(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _is_below(process, driver):
    """Ray's processes are children of the driver's, or of its children's."""
    try:
        return driver in {parent.pid for parent in process.parents()}
    except psutil.Error:
        return False


def test_results_are_those_of_the_engine_here_whichever_actor_dies(tmp_path):
    count = 8
    furnish(tmp_path, count)
    assert start(tmp_path, "here").wait() == main.FAILED  # for the damaged one
    process = start(tmp_path, "out", *RAY)
    assert wait_for_more(process, tmp_path, "out", 1)
    os.kill(random.choice(actors(process.pid)), signal.SIGKILL)
    assert process.wait() == main.FAILED
    assert check_whole(tmp_path, "out", count) == check_whole(tmp_path, "here", count)
    assert len(lines(tmp_path, "out")) == count  # the manifest was written once
