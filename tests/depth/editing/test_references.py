"""What is in whole numbers on the page and here."""

import numpy as np
import torch

from sd2_depth2img.depth.editing.references import brightness_steps, depth_steps, whole


def test_depths_are_rounded_to_65536_steps():
    steps = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(depth_steps((steps / 65535).astype(np.float32)), steps)
    assert depth_steps(np.array([0.5 / 65535, 0.49 / 65535, 1.0])).tolist() == [1, 0, 65535]


def test_brightness_is_luma_and_stays_in_range():
    image = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [2, 2, 2], [-1, 0, 0]]])
    assert brightness_steps(image).tolist() == [[54, 182, 18, 255, 255, 0]]


def test_halves_go_up():
    assert [whole(value) for value in (0.5, 1.5, -0.5, 2.49)] == [1, 2, 0, 2]
