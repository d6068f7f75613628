"""What the pack warns of reaches the node that runs, once, short, and still the console."""

import contextvars
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sd2_depth2img.host import warning_texts
from sd2_depth2img.host.warning_texts import LONGEST, MOST, collected

log = logging.getLogger("sd2_depth2img.depth.test")


def test_a_warning_from_anywhere_in_the_pack_is_collected_and_still_logged(caplog):
    with collected() as warnings:
        log.warning("a map is %s", "flat")
        log.info("this is no warning")
        logging.getLogger("elsewhere").warning("not the pack's")
    assert warnings.texts == ["a map is flat"]
    assert "a map is flat" in caplog.text


def test_the_same_is_said_once_with_the_count():
    with collected() as warnings:
        for flat in range(60):
            log.warning("map %d is flat", flat)
        for part in ("no VAE", "no text encoder", "no VAE"):
            log.warning("%s", part)
    assert warnings.texts == ["map 0 is flat (60 times)", "no VAE (2 times)", "no text encoder"]


def test_their_number_and_length_have_a_limit():
    with collected() as warnings:
        for kind in range(MOST + 5):
            log.warning(f"kind {kind}: " + "long " * 1000)
    assert len(warnings.texts) == MOST + 1
    assert all(len(text) <= LONGEST for text in warnings.texts)
    assert warnings.texts[-1] == "and 5 more warnings, in the console"


def test_a_text_is_one_line_without_the_folders_of_files():
    with collected() as warnings:
        log.warning("%s:\n  %d of %d", Path("/home/me/input/z.exr"), 3, 4)
    assert warnings.texts == ["z.exr: 3 of 4"]


def test_of_nested_nodes_both_get_it_and_others_nothing():
    with collected() as outer:
        log.warning("before")
        with collected() as inner:
            log.warning("inside")
        log.warning("after")
    log.warning("later")
    assert inner.texts == ["inside"]
    assert outer.texts == ["before", "inside", "after"]


def test_what_fails_leaves_its_warnings_to_those_who_listen_otherwise(monkeypatch):
    heard = []
    monkeypatch.setattr(warning_texts._listener, "otherwise", heard.append)
    with pytest.raises(ZeroDivisionError):
        fail(0, "said before it failed")
    assert [record.getMessage() for record in heard] == ["said before it failed", "inside"]
    with collected():
        log.warning("with a result")
    assert len(heard) == 2


def fail(depth, text):
    """A node in a node, of which neither comes to an end."""
    with collected():
        log.warning("%s", text)
        log.warning("%s", text)
        if depth == 0:
            fail(1, "inside")
        raise ZeroDivisionError


def test_nodes_that_run_at_the_same_time_get_their_own():
    found, both = {}, threading.Barrier(2)

    def node(name):
        with collected() as warnings:
            both.wait(10)
            log.warning("from %s", name)
            both.wait(10)
        found[name] = warnings.texts

    threads = [threading.Thread(target=node, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"a": ["from a"], "b": ["from b"]}


def test_a_thread_with_the_nodes_context_belongs_to_it():
    with collected() as warnings:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(log.warning, "from a thread"))
        thread.start()
        thread.join()
    assert warnings.texts == ["from a thread"]


def test_outside_of_nodes_the_host_may_listen(monkeypatch):
    heard = []
    monkeypatch.setattr(warning_texts._listener, "otherwise", heard.append)
    log.warning("outside")
    with collected():
        log.warning("inside")
    assert [record.getMessage() for record in heard] == ["outside"]


def test_what_is_said_elsewhere_is_not_printed_as_well():
    code = (
        "import logging\nfrom sd2_depth2img.host.warning_texts import collected\n"
        "log = logging.getLogger('sd2_depth2img.depth')\n"
        "with collected(quiet=True) as found, collected():\n    log.warning('a map is flat')\n"
        "assert found.texts == ['a map is flat']"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == ""


@pytest.mark.parametrize("setup", ["", "logging.basicConfig()"])
def test_a_program_sees_every_warning_once_whether_it_has_a_handler_or_not(setup):
    code = (
        f"import logging; {setup}\nimport sd2_depth2img.host.warning_texts\n"
        "logging.getLogger('sd2_depth2img.depth').warning('a map is flat')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.count("a map is flat") == 1
