"""True depth that several tests measure by."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch


@pytest.fixture(scope="session")
def motorcycle():
    """The Middlebury motorcycle (Scharstein et al. 2014): photograph, true disparity, known.

    [1, 500, 741, 3] in 0..1, [1, 500, 741] stretched to 0..1, and bool where it is known.
    """
    left, _, disparity = skimage.data.stereo_motorcycle()
    holes = ~np.isfinite(disparity)
    measured = np.where(holes, 0, disparity).astype(np.float32)
    filled = cv2.inpaint(measured, holes.astype(np.uint8), 3, cv2.INPAINT_NS)
    truth = (filled - filled.min()) / (filled.max() - filled.min())
    photo = left.astype(np.float32) / 255
    return tuple(torch.from_numpy(part)[None] for part in (photo, truth, ~holes))
