"""Lamps, suns and skies."""

import math

import bpy

from .dice import Colour, Dice
from .shapes import Point, look


def lamp(
    dice: Dice,
    at: Point,
    target: Point,
    power: float,
    size: float = 1.0,
    colour: Colour | None = None,
) -> None:
    """An area light that shines on a target; cameras do not see it."""
    light = bpy.data.lights.new("lamp", "AREA")
    light.energy, light.size = power, size
    _link(light, at, target, colour or warm(dice))


def bulb(dice: Dice, at: Point, power: float) -> None:
    """A small light all around."""
    light = bpy.data.lights.new("bulb", "POINT")
    light.energy, light.shadow_soft_size = power, 0.05
    _link(light, at, (at[0], at[1], 0), warm(dice))


def sun(dice: Dice, elevation: float, azimuth: float, strength: float) -> None:
    """Sunlight; an azimuth of 0 comes from behind the viewer, +90° from the right."""
    light = bpy.data.lights.new("sun", "SUN")
    light.energy, light.angle = strength, dice.log(0.008, 0.2)
    flat = math.cos(elevation)
    way = (math.sin(azimuth) * flat, -math.cos(azimuth) * flat, math.sin(elevation))
    low = max(0.0, 1 - elevation / 0.9)
    _link(light, way, (0, 0, 0), (1, 1 - 0.35 * low, 1 - 0.7 * low))


def warm(dice: Dice) -> Colour:
    """White between a candle's and a cloudy sky's."""
    warmth = dice.gauss(0.1, 0.18)
    return 1, min(1, 0.95 - 0.2 * warmth), min(1, max(0.4, 0.9 - 0.55 * warmth))


def ambient(dice: Dice, strength: float) -> None:
    """Even light from everywhere, as in a room or a studio."""
    background, _ = _world()
    background.inputs[0].default_value = (*warm(dice), 1)
    background.inputs[1].default_value = strength


def sky(dice: Dice, strength: float, clouds: float, dusk: float = 0.0) -> None:
    """A gradient from the horizon up, with clouds over the share `clouds` of it."""
    background, tree = _world()
    high: Colour = (0.12, 0.27, 0.62)
    low: Colour = (0.62, 0.75, 0.9)
    if dice.chance(0.25):
        high, low = (0.55, 0.58, 0.62), (0.75, 0.76, 0.78)
    if dusk:
        low = (0.95, 0.5 + 0.2 * dice.random(), 0.3)
        high = (0.1, 0.13, 0.3)
    high, low = dice.shade(high, 0.25), dice.shade(low, 0.15)
    place = tree.nodes.new("ShaderNodeTexCoord")
    parts = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(place.outputs["Generated"], parts.inputs[0])
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].color = (*low, 1)
    ramp.color_ramp.elements[1].color = (*high, 1)
    ramp.color_ramp.elements[1].position = dice.uniform(0.25, 0.8)
    tree.links.new(parts.outputs["Z"], ramp.inputs[0])
    noise = tree.nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = dice.log(1.5, 6)
    noise.inputs["Detail"].default_value = 6
    mapping = tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Scale"].default_value = (1, 1, dice.uniform(2, 5))
    mapping.inputs["Location"].default_value = [dice.uniform(-9, 9) for _ in range(3)]
    tree.links.new(place.outputs["Generated"], mapping.inputs[0])
    tree.links.new(mapping.outputs[0], noise.inputs["Vector"])
    cover = tree.nodes.new("ShaderNodeMapRange")
    cover.inputs["From Min"].default_value = 0.75 - 0.5 * clouds
    cover.inputs["From Max"].default_value = 0.95 - 0.4 * clouds
    tree.links.new(noise.outputs["Factor"], cover.inputs["Value"])
    mixed = tree.nodes.new("ShaderNodeMixRGB")
    tree.links.new(cover.outputs[0], mixed.inputs[0])
    tree.links.new(ramp.outputs[0], mixed.inputs[1])
    mixed.inputs[2].default_value = (*dice.shade((0.8, 0.8, 0.82), 0.2), 1)
    tree.links.new(mixed.outputs[0], background.inputs[0])
    background.inputs[1].default_value = strength


def daylight(dice: Dice) -> None:
    """A sky with its sun: bright, overcast or low."""
    dusk = dice.chance(0.15)
    clouds = dice.random()
    sky(dice, dice.uniform(0.5, 1.1), clouds, float(dusk))
    azimuth = dice.gauss(0, 1.2)
    if clouds < 0.75:
        elevation = dice.uniform(0.1, 0.25) if dusk else dice.uniform(0.3, 1.3)
        sun(dice, elevation, azimuth, dice.uniform(1.5, 5))


def _world() -> tuple[bpy.types.Node, bpy.types.NodeTree]:
    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    if world.node_tree is None:
        world.use_nodes = True
    # Measuring out a sky for its brightest places would take longer than the frame.
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 64
    return world.node_tree.nodes["Background"], world.node_tree


def _link(light: bpy.types.Light, at: Point, target: Point, colour: Colour) -> None:
    light.color = colour
    thing = bpy.data.objects.new("light", light)
    thing.matrix_world = look(at, target)
    thing.visible_camera = False
    bpy.context.scene.collection.objects.link(thing)
