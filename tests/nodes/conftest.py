"""What tests of several nodes use: the miniature, a photograph, the host's progress bars."""

import signal
from dataclasses import dataclass

import pytest
import torch

from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.host import host
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader

PROMPT = "a red clay statue on a blue background"


@pytest.fixture(scope="module")
def miniature():
    return SD2DepthCheckpointLoader().execute(str(BUNDLED_CHECKPOINT))


@pytest.fixture(scope="module")
def prompts(miniature):
    clip = miniature[1]
    return [[[clip.encode(clip.tokenize(text)), {}]] for text in (PROMPT, "")]


@pytest.fixture
def image(photo):
    """[1, 160, 224, 3] of a photograph."""
    return photo[:, 40:200, 140:364].contiguous()


@pytest.fixture
def mask():
    mask = torch.zeros(1, 160, 224)
    mask[:, 50:110, 70:130] = 1
    return mask


@pytest.fixture
def depth():
    y, x = torch.meshgrid(torch.linspace(0, 1, 160), torch.linspace(0, 1, 224), indexing="ij")
    return to_image((0.7 * y + 0.3 * x)[None])


@dataclass
class Bar:
    """One progress bar: of how many items, and after how many it stands."""

    description: str
    total: int
    done: int = 0


class Bars(list):
    """All bars there were; with `cancel_after` the user presses Ctrl-C after so many items."""

    cancel_after: int | None = None


@pytest.fixture
def progress_bars(monkeypatch):
    """The engine's own progress, looked at."""
    bars, progress = Bars(), host.progress

    def watched(items, description):
        bars.append(Bar(description, len(items)))
        for item in progress(items, description):
            yield item
            bars[-1].done += 1
            if bars[-1].done == bars.cancel_after:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(host, "progress", watched)
    return bars
