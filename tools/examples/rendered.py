"""The Z pass of *Rendered Depth*: a little scene, ray-traced, in an EXR as 3D programs write it."""

from pathlib import Path

import numpy as np

from ...disk.writing import write_whole

SIDE = 384  # pixels
HALF_ANGLE = 0.4  # tangent of half the camera's angle
EYE = np.array([0.0, 1.6, -5.0])  # metres: x to the right, y up, z away from the camera
BALLS = (((0.0, 1.62, 0.0), 0.62), ((1.35, 0.4, 0.9), 0.4), ((-1.5, 0.3, -0.4), 0.3))
BLOCK = ((-0.7, 0.0, -0.7), (0.7, 1.0, 0.7))  # two opposite corners


def write_z_pass(path: Path) -> None:
    """Write the file: one channel of half floats, metres along the camera's axis, sky infinite."""
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    channels = {"ViewLayer.Depth.Z": z_pass().astype(np.float16)}

    def write(unfinished: Path) -> None:
        OpenEXR.File(header, channels).write(str(unfinished))

    write_whole(path, write)


def z_pass() -> np.ndarray:
    """[SIDE, SIDE] metres along the camera's axis; infinite where there is nothing."""
    steps = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    x, y = np.meshgrid(steps * HALF_ANGLE, -steps * HALF_ANGLE - 0.08)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1)  # one metre along the axis each
    hits = [_floor(rays), _block(rays), *(_ball(rays, *ball) for ball in BALLS)]
    return np.minimum.reduce(hits)


def _floor(rays: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        z = -EYE[1] / rays[..., 1]
    return np.where((z > 0) & (z < 40), z, np.inf)


def _ball(rays: np.ndarray, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    away = EYE - np.array(centre)
    a, b = (rays**2).sum(-1), rays @ away
    root = b**2 - a * (away @ away - radius**2)
    return np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)


def _block(rays: np.ndarray) -> np.ndarray:
    """Where a ray is between all three pairs of faces at once."""
    with np.errstate(divide="ignore"):
        faces = np.stack([(np.array(corner) - EYE) / rays for corner in BLOCK])
    near, far = faces.min(0).max(-1), faces.max(0).min(-1)
    return np.where(near < far, near, np.inf)
