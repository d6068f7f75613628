"""Who watches a run is known within the block alone."""

import pytest

from sd2_depth2img.sampling.steps import watched, watcher


def test_the_watcher_of_the_innermost_block_counts():
    def first(*_):
        pass

    assert watcher() is None
    with watched(first):
        assert watcher() is first
        with watched(None):
            assert watcher() is None
        assert watcher() is first
    assert watcher() is None


def test_nobody_watches_after_an_error():
    with pytest.raises(ZeroDivisionError), watched(print):
        raise ZeroDivisionError
    assert watcher() is None
