"""One frame: a scene of its own, its photograph and its true disparity."""

import logging
import math
import tempfile
from pathlib import Path

import bpy
import numpy as np

from .develop import develop
from .dice import Dice
from .places import PLACES
from .shapes import look
from .shards import SIDE
from .view import View

FAR = 1e4  # metres; nothing is farther
NARROWEST = 1.15  # nearest disparity to the farthest, below which a frame shows no depth
LEAST_CONTRAST = 12  # deviation of its pixels, below which it shows nothing
ATTEMPTS = 20  # at a frame

log = logging.getLogger(__name__)


def frame(index: int, place: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Frame `index`: uint8 `[side, side, 3]` and disparity 1/z, float16, in 1/m, 0 = sky.

    Decided by the index alone. A scene that shows no depth is thrown again, and so is one that
    cannot be built: hours of rendering do not end over one of them. `place` names one of `PLACES`
    instead of a random one.
    """
    for attempt in range(ATTEMPTS):
        try:
            image, disparity = _render(Dice(index * ATTEMPTS + attempt), place)
        except Exception:
            log.exception("frame %d, attempt %d", index, attempt)
            continue
        low, high = np.quantile(disparity, (0.03, 0.97))
        if high > NARROWEST * low and image.std() > LEAST_CONTRAST:
            return image, disparity
    raise ValueError(f"frame {index}: {ATTEMPTS} scenes in a row failed or showed no depth")


def _render(dice: Dice, place: str | None) -> tuple[np.ndarray, np.ndarray]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    _settings(dice)
    names, shares = zip(*((name, share) for name, (_, share) in PLACES.items()), strict=True)
    name = place or dice.choices(names, shares)[0]
    view = PLACES[name][0](dice)
    camera = _camera(dice, view)
    bpy.context.view_layer.update()
    light = _pixels()
    return develop(dice, light), _disparity(camera)


def _settings(dice: Dice) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.seed = "CPU", 6, dice.getrandbits(30)
    cycles.use_denoising, cycles.use_adaptive_sampling = True, False
    cycles.denoising_prefilter = "FAST"
    cycles.max_bounces, cycles.transmission_bounces = 3, 3
    cycles.sample_clamp_indirect = 4
    cycles.caustics_reflective = cycles.caustics_refractive = False


def _camera(dice: Dice, view: View) -> bpy.types.Object:
    data = bpy.data.cameras.new("camera")
    data.lens, data.clip_start, data.clip_end = view.lens, 0.01, FAR
    camera = bpy.data.objects.new("camera", data)
    camera.matrix_world = look(view.at, view.target)
    roll = dice.gauss(0, 0.03)
    camera.matrix_world @= look((0, 0, 0), (0, 0, -1)).Rotation(roll, 4, "Z")
    scene = bpy.context.scene
    scene.collection.objects.link(camera)
    scene.camera = camera
    distance = math.dist(view.at, view.target)
    if view.blur and dice.chance(view.blur):
        data.dof.use_dof, data.dof.focus_distance = True, distance * dice.uniform(0.9, 1.1)
        # The blur of what is far away, as a share of the image's width.
        share = dice.log(0.006, 0.03)
        data.dof.aperture_fstop = view.lens**2 / (share * 36 * distance * 1000)
    return camera


def _disparity(camera: bpy.types.Object) -> np.ndarray:
    """The same view again, each surface as bright as it is far; nothing blurs it."""
    scene = bpy.context.scene
    material = bpy.data.materials.new("distance")
    if material.node_tree is None:
        material.use_nodes = True
    material.cycles.emission_sampling = "NONE"
    tree = material.node_tree
    tree.nodes.clear()
    emission, seen = tree.nodes.new("ShaderNodeEmission"), tree.nodes.new("ShaderNodeCameraData")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(seen.outputs["View Z Depth"], emission.inputs["Color"])
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    bpy.context.view_layer.material_override = material
    scene.world = bpy.data.worlds.new("nothing")
    scene.world.color = (0, 0, 0)
    if scene.world.node_tree:
        scene.world.node_tree.nodes.clear()
    for thing in scene.objects:
        thing.hide_render = thing.type == "LIGHT"
    camera.data.dof.use_dof = False
    cycles = scene.cycles
    cycles.samples, cycles.max_bounces, cycles.use_denoising = 1, 0, False
    cycles.filter_width = 0.01
    distance = _pixels()[..., 0]
    there = distance > 1e-3
    return np.where(there, 1 / np.where(there, distance, 1), 0).astype(np.float16)


def _pixels() -> np.ndarray:
    """What the camera sees now: linear, float32 `[side, side, 3]`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frame.exr"
        bpy.context.scene.render.filepath = str(file)
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(str(file))
        pixels = np.empty(SIDE * SIDE * image.channels, np.float32)
        image.pixels.foreach_get(pixels)
        return pixels.reshape(SIDE, SIDE, -1)[::-1, :, :3]
