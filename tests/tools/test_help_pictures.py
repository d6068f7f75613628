"""The pictures of the help pages are what the nodes make today."""

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.tools.help_pictures import PAGES, PICTURES, Studio, draw

PAINTED = {"encode", "sampler", "fidelity"}  # which take as long as all others together


@pytest.fixture(scope="module")
def studio():
    return Studio()


@pytest.mark.parametrize("name", sorted(set(PAGES) - PAINTED))
def test_a_picture_is_what_the_node_makes(studio, name):
    made = np.asarray(draw(PAGES[name](studio)), np.float32)
    kept = np.asarray(Image.open(PICTURES / f"{name}.jpg"), np.float32)
    assert made.shape == kept.shape
    assert np.abs(made - kept).mean() < 4  # of 255; a JPEG is no copy
