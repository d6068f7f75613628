"""Two eyes' views of a scene in one image."""

from enum import Enum


class Show(str, Enum):
    """How the views of two eyes are shown."""

    IMAGE = "image"  # one eye's alone
    SIDE_BY_SIDE = "side by side"  # the left eye's on the left
    CROSS_EYED = "cross-eyed"  # the left eye's on the right
    RED_CYAN = "red-cyan"  # both at one place, for glasses that are red on the left
