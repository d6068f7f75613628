"""Batches of hundreds: kills at random moments, memory. Takes many minutes."""

import os
import random
import signal
import time

import psutil
import pytest

from sd2_depth2img.batches.engine import Engine
from sd2_depth2img.batches.tasks import Task
from sd2_depth2img.cli import main
from sd2_depth2img.engine import folders
from sd2_depth2img.tests.batches.painting import (
    PAINT,
    check_whole,
    furnish,
    lines,
    start,
    wait_for_more,
    write_noise,
)
from sd2_depth2img.tests.batches.test_on_ray import RAY, actors
from sd2_depth2img.workflows.changes import Changes

pytestmark = pytest.mark.slow

COUNT, KILLS = 200, 10


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """A folder in which nothing was killed, and its results."""
    folder = tmp_path_factory.mktemp("many")
    furnish(folder, COUNT)
    assert start(folder, "calm").wait() == main.FAILED  # for the damaged one
    return folder, check_whole(folder, "calm", COUNT)


def a_while():
    time.sleep(random.random() * 0.5)


def test_the_driver_is_killed_ten_times(calm):
    folder, expected = calm
    for _ in range(KILLS):
        process = start(folder, "driver")
        assert wait_for_more(process, folder, "driver", random.randint(1, 15))
        a_while()
        process.kill()
        process.wait()
    assert start(folder, "driver").wait() == main.FAILED
    assert check_whole(folder, "driver", COUNT) == expected


def test_an_actor_is_killed_ten_times(calm):
    folder, expected = calm
    process = start(folder, "actors", *RAY)
    for _ in range(KILLS):
        assert wait_for_more(process, folder, "actors", random.randint(1, 15))
        a_while()
        os.kill(random.choice(actors(process.pid)), signal.SIGKILL)
    assert process.wait() == main.FAILED
    assert check_whole(folder, "actors", COUNT) == expected
    assert len(lines(folder, "actors")) == COUNT


def test_memory_stays_flat_over_500_pictures(tmp_path, workflow, one_thread):
    engine = Engine(workflow(PAINT), folders.Folders.below(tmp_path), tmp_path / "scratch")
    sizes = []
    for number in range(500):
        photo = write_noise(tmp_path / f"{number}.png", number)
        own = Changes(image=str(photo), prompt=f"a statue {number}", seed=number)
        outcome = engine.work(Task(f"{number}", (Changes(), own), {"image": str(photo)}))
        assert outcome.error == ""
        sizes.append(psutil.Process().memory_info().rss)
    assert max(sizes[100:]) - max(sizes[50:100]) < 30e6
