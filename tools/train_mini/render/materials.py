"""Procedural materials in the colours of real surfaces."""

from collections.abc import Sequence
from typing import TypeAlias

import bpy
import numpy as np

from .dice import Colour, Dice

Material: TypeAlias = bpy.types.Material

WOODS: tuple[Colour, ...] = (
    *((0.33, 0.17, 0.07), (0.5, 0.31, 0.15), (0.16, 0.08, 0.04), (0.6, 0.45, 0.27)),
    *((0.09, 0.05, 0.03), (0.4, 0.22, 0.12)),
)
FABRICS: tuple[Colour, ...] = (
    *((0.03, 0.05, 0.12), (0.02, 0.02, 0.025), (0.35, 0.34, 0.32), (0.7, 0.68, 0.63)),
    *((0.3, 0.04, 0.04), (0.06, 0.16, 0.08), (0.45, 0.33, 0.18), (0.06, 0.14, 0.35)),
    *((0.6, 0.2, 0.04), (0.25, 0.3, 0.36), (0.5, 0.12, 0.2), (0.55, 0.42, 0.08)),
    *((0.14, 0.06, 0.16), (0.08, 0.25, 0.27), (0.8, 0.25, 0.03), (0.15, 0.11, 0.08)),
)
WALLS: tuple[Colour, ...] = (
    *((0.8, 0.78, 0.72), (0.7, 0.66, 0.55), (0.55, 0.6, 0.62), (0.6, 0.5, 0.38)),
    *((0.35, 0.42, 0.4), (0.25, 0.32, 0.4), (0.5, 0.28, 0.2), (0.15, 0.17, 0.2)),
    *((0.75, 0.62, 0.35), (0.45, 0.5, 0.35), (0.05, 0.05, 0.06)),
)
SKINS: tuple[Colour, ...] = (
    *((0.62, 0.36, 0.25), (0.7, 0.45, 0.34), (0.5, 0.27, 0.17), (0.3, 0.14, 0.08)),
    *((0.14, 0.06, 0.035), (0.58, 0.36, 0.22), (0.09, 0.04, 0.025)),
)
HAIRS: tuple[Colour, ...] = (
    *((0.02, 0.013, 0.01), (0.06, 0.03, 0.015), (0.15, 0.08, 0.035), (0.4, 0.27, 0.11)),
    *((0.3, 0.1, 0.03), (0.35, 0.34, 0.33), (0.75, 0.72, 0.68)),
)
PAINTS: tuple[Colour, ...] = (
    *((0.55, 0.02, 0.02), (0.02, 0.08, 0.4), (0.03, 0.03, 0.035), (0.8, 0.8, 0.78)),
    *((0.75, 0.5, 0.03), (0.02, 0.2, 0.1), (0.3, 0.32, 0.34), (0.7, 0.22, 0.02)),
    *((0.1, 0.35, 0.45), (0.35, 0.05, 0.2)),
)
LEAVES: tuple[Colour, ...] = (
    *((0.05, 0.13, 0.02), (0.1, 0.2, 0.03), (0.03, 0.08, 0.02), (0.2, 0.22, 0.04)),
    *((0.4, 0.16, 0.02), (0.3, 0.05, 0.02), (0.12, 0.17, 0.08)),
)
STONES: tuple[Colour, ...] = (
    *((0.4, 0.38, 0.35), (0.25, 0.24, 0.23), (0.5, 0.42, 0.32), (0.6, 0.6, 0.58)),
    *((0.12, 0.12, 0.125), (0.35, 0.26, 0.2)),
)
METALS: tuple[Colour, ...] = (
    *((0.7, 0.7, 0.72), (0.45, 0.45, 0.47), (0.75, 0.5, 0.2), (0.6, 0.32, 0.2), (0.2, 0.2, 0.21)),
)


def plain(colour: Colour, roughness: float = 0.6, metallic: float = 0.0, **more: float) -> Material:
    """One colour all over; `more` are other inputs of the Principled BSDF by name."""
    material, bsdf = _principled()
    bsdf.inputs["Base Color"].default_value = (*colour, 1)
    bsdf.inputs["Roughness"].default_value = roughness
    bsdf.inputs["Metallic"].default_value = metallic
    for name, value in more.items():
        bsdf.inputs[name.replace("_", " ")].default_value = value
    return material


def patterned(
    dice: Dice,
    kind: str,
    colours: Sequence[Colour],
    scale: float,
    stretch: tuple[float, float, float] = (1, 1, 1),
    roughness: float = 0.6,
    metallic: float = 0.0,
    bump: float = 0.0,
    stains: float = 0.3,
) -> Material:
    """A texture node's pattern through a ramp of colours, in metres of the object."""
    material, bsdf = _principled()
    tree = material.node_tree
    place = tree.nodes.new("ShaderNodeTexCoord")
    mapping = tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Scale"].default_value = [scale * s for s in stretch]
    mapping.inputs["Location"].default_value = [dice.uniform(-9, 9) for _ in range(3)]
    tree.links.new(place.outputs["Object"], mapping.inputs[0])
    texture = tree.nodes.new(f"ShaderNodeTex{kind}")
    texture.inputs["Scale"].default_value = 1.0
    tree.links.new(mapping.outputs[0], texture.inputs["Vector"])
    if kind == "Noise":
        texture.inputs["Detail"].default_value = dice.uniform(1, 6)
        texture.inputs["Distortion"].default_value = dice.choice((0, 0, 0.5, 2))
    if kind == "Wave":
        texture.inputs["Distortion"].default_value = dice.uniform(1, 8)
        texture.inputs["Detail Scale"].default_value = dice.uniform(0.5, 2)
    if kind == "Brick":
        colour = _bricks(dice, texture, colours)
    else:
        name = "Distance" if kind == "Voronoi" else "Factor"
        colour = _ramped(tree, texture.outputs[name], colours)
    if stains:
        colour = _stained(dice, tree, place, colour, stains)
    tree.links.new(colour, bsdf.inputs["Base Color"])
    bsdf.inputs["Roughness"].default_value = roughness
    bsdf.inputs["Metallic"].default_value = metallic
    if bump:
        node = tree.nodes.new("ShaderNodeBump")
        node.inputs["Strength"].default_value = bump
        node.inputs["Distance"].default_value = 0.02
        height = "Factor" if kind != "Voronoi" else "Distance"
        tree.links.new(texture.outputs[height], node.inputs["Height"])
        if kind == "Brick":
            node.invert = True
        tree.links.new(node.outputs[0], bsdf.inputs["Normal"])
    return material


def wood(dice: Dice) -> Material:
    """Planks, raw or varnished."""
    base = dice.choice(WOODS)
    colours = [dice.shade(base, 0.3) for _ in range(4)]
    stretch = dice.choice(((1, 12, 12), (12, 1, 12), (1, 8, 4)))
    rough = dice.uniform(0.15, 0.7)
    kind = dice.choice(("Noise", "Noise", "Wave"))
    return patterned(
        dice, kind, colours, dice.log(0.8, 4), stretch, rough, bump=dice.uniform(0, 0.2)
    )


def planks(dice: Dice) -> Material:
    """A floor of boards or a parquet."""
    base = dice.choice(WOODS)
    colours = [dice.shade(base, 0.2), dice.shade(base, 0.35), dice.shade((0.03, 0.02, 0.01))]
    return patterned(
        dice, "Brick", colours, dice.log(0.6, 2.5), dice.choice(((1, 2, 1), (2, 1, 1))),
        dice.uniform(0.1, 0.6), stains=0.4,
    )  # fmt: skip


def brick(dice: Dice) -> Material:
    """Masonry on a panel."""
    base = dice.choice(
        ((0.35, 0.11, 0.06), (0.45, 0.25, 0.15), (0.5, 0.45, 0.38), (0.7, 0.68, 0.64))
    )
    mortar = dice.choice(((0.4, 0.38, 0.34), (0.15, 0.14, 0.13), (0.6, 0.57, 0.5)))
    colours = [dice.shade(base), dice.shade(base, 0.4), mortar]
    return patterned(dice, "Brick", colours, dice.log(2.5, 5), (1, 1, 1), 0.9, bump=0.6)


def tiles(dice: Dice) -> Material:
    """Squares or a chessboard, glazed."""
    base = dice.choice(WALLS)
    other = dice.choice((base, (0.8, 0.8, 0.77), dice.choice(PAINTS)))
    rough, scale = dice.uniform(0.05, 0.4), dice.log(2, 8)
    if dice.chance(0.3):
        return patterned(dice, "Checker", (base, other), scale, roughness=rough)
    colours = [base, dice.shade(base, 0.1), dice.choice(STONES)]
    return patterned(dice, "Brick", colours, scale, (1, 0.5, 1), rough, bump=0.3)


def plaster(dice: Dice) -> Material:
    """A painted or papered wall."""
    base = dice.shade(dice.choice(WALLS), 0.2)
    if dice.chance(0.5):
        return patterned(
            dice, "Noise", [dice.shade(base, 0.04), dice.shade(base, 0.04)], dice.log(3, 60),
            roughness=0.9, bump=dice.uniform(0, 0.2), stains=dice.uniform(0, 0.25),
        )  # fmt: skip
    if dice.chance(0.3):
        kind = dice.choice(("Voronoi", "Checker", "Wave"))
        colours = [dice.shade(base, 0.2), dice.shade(base, 0.2), dice.choice(FABRICS)]
        return patterned(dice, kind, colours, dice.log(3, 12), roughness=0.9, stains=0.1)
    return plain(base, 0.9)


def stone(dice: Dice) -> Material:
    """Rock, concrete, gravel, marble."""
    base = dice.choice(STONES)
    colours = [dice.shade(base, 0.35) for _ in range(dice.randint(2, 4))]
    kind = dice.choice(("Noise", "Noise", "Voronoi"))
    rough = dice.choice((0.9, 0.9, 0.25))
    return patterned(
        dice, kind, colours, dice.log(1, 20), roughness=rough, bump=dice.uniform(0, 0.6)
    )


def fabric(dice: Dice, base: Colour | None = None) -> Material:
    """Cloth: plain, mottled, striped or chequered."""
    base = dice.shade(base or dice.choice(FABRICS), 0.3)
    kind = dice.choice(("plain", "plain", "plain", "Noise", "Noise", "Wave", "Checker", "Voronoi"))
    if kind == "plain":
        return plain(base, 0.9, Sheen_Weight=dice.uniform(0, 0.4))
    second = dice.shade(base, 0.25) if dice.chance(0.6) else dice.choice(FABRICS)
    stretch = dice.choice(((1, 1, 1), (0.1, 0.1, 3), (3, 3, 0.1), (3, 3, 3)))
    return patterned(
        dice, kind, [base, second], dice.log(3, 40), stretch, 0.9, bump=0.1, stains=0.15
    )


def leather(dice: Dice) -> Material:
    """Worn leather or vinyl."""
    base = dice.choice(
        ((0.12, 0.05, 0.02), (0.02, 0.02, 0.02), (0.3, 0.12, 0.05), (0.4, 0.35, 0.28))
    )
    colours = [dice.shade(base, 0.2) for _ in range(2)]
    return patterned(dice, "Voronoi", colours, 60, roughness=dice.uniform(0.25, 0.6), bump=0.2)


def ceramic(dice: Dice) -> Material:
    """Glazed white or coloured."""
    base = dice.choice(((0.8, 0.8, 0.78), (0.8, 0.8, 0.78), (0.7, 0.66, 0.58), dice.choice(PAINTS)))
    return plain(dice.shade(base, 0.15), dice.uniform(0.05, 0.35), Coat_Weight=0.3)


def metal(dice: Dice) -> Material:
    """Polished, brushed or dull."""
    base = dice.shade(dice.choice(METALS), 0.15)
    if dice.chance(0.3):
        colours = [base, dice.shade(base, 0.4), dice.shade((0.25, 0.1, 0.05))]
        return patterned(dice, "Noise", colours, dice.log(3, 15), roughness=0.5, metallic=0.8)
    return plain(base, dice.uniform(0.08, 0.5), 1.0)


def paint(dice: Dice) -> Material:
    """Lacquer on metal or plastic."""
    return plain(dice.shade(dice.choice(PAINTS)), dice.uniform(0.1, 0.6), Coat_Weight=dice.random())


def glass(dice: Dice) -> Material:
    """Clear or tinted; light passes, depth does not."""
    tint = dice.choice(((0.95, 0.97, 0.96), (0.95, 0.97, 0.96), (0.1, 0.4, 0.15), (0.4, 0.2, 0.05)))
    return plain(tint, dice.choice((0.02, 0.02, 0.2)), Transmission_Weight=1.0, IOR=1.3)


def leaf(dice: Dice) -> Material:
    """Foliage and grass."""
    base = dice.choice(LEAVES[:4] * 3 + LEAVES)
    colours = [dice.shade(base, 0.35) for _ in range(3)]
    return patterned(dice, "Noise", colours, dice.log(1, 12), roughness=0.7, stains=0.4)


def earth(dice: Dice) -> Material:
    """Soil, meadow, sand, snow seen from a distance."""
    base = dice.choice((*LEAVES[:4], (0.2, 0.13, 0.08), (0.5, 0.4, 0.25), (0.75, 0.76, 0.8)))
    colours = [
        dice.shade(base, 0.3),
        dice.shade(base, 0.3),
        dice.shade(dice.choice((base, STONES[0]))),
    ]
    return patterned(dice, "Noise", colours, dice.log(0.3, 3), roughness=0.95, bump=0.5)


def asphalt(dice: Dice) -> Material:
    """Road, pavement, concrete."""
    base = dice.choice(((0.05, 0.05, 0.055), (0.12, 0.12, 0.12), (0.3, 0.29, 0.27)))
    if dice.chance(0.35):
        colours = [dice.shade(base), dice.shade(base), dice.shade(base, 0.5)]
        return patterned(dice, "Brick", colours, dice.log(0.5, 3), (1, 0.5, 1), 0.9, bump=0.2)
    return patterned(
        dice, "Noise", [dice.shade(base), dice.shade(base)], dice.log(1, 40), roughness=0.85
    )


def painted(roughness: float = 0.5, **more: float) -> Material:
    """Colours that the mesh or its strands bring along."""
    material = plain((1, 1, 1), roughness, **more)
    tree = material.node_tree
    node = tree.nodes.new("ShaderNodeAttribute")
    node.attribute_name = "paint"
    tree.links.new(node.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
    return material


def printed(pixels: np.ndarray, roughness: float = 0.7, glow: float = 0.0) -> Material:
    """An image `[h, w, 3]`, sRGB in 0..1, by the mesh's UV map; `glow` makes it a screen."""
    material = plain((1, 1, 1), roughness)
    tree, bsdf = material.node_tree, material.node_tree.nodes["Principled BSDF"]
    height, width = pixels.shape[:2]
    image = bpy.data.images.new("print", width, height)
    filled = np.concatenate((pixels[::-1], np.ones((height, width, 1))), -1).astype(np.float32)
    image.pixels.foreach_set(filled.ravel())
    image.update()
    image.pack()
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    tree.links.new(node.outputs["Color"], bsdf.inputs["Base Color"])
    if glow:
        tree.links.new(node.outputs["Color"], bsdf.inputs["Emission Color"])
        bsdf.inputs["Emission Strength"].default_value = glow
    return material


def glowing(colour: Colour, strength: float) -> Material:
    """A lamp's shade, a window, a screen."""
    material = plain(colour, 0.8)
    bsdf = material.node_tree.nodes["Principled BSDF"]
    bsdf.inputs["Emission Color"].default_value = (*colour, 1)
    bsdf.inputs["Emission Strength"].default_value = strength
    return material


def anything(dice: Dice) -> Material:
    """Whatever a small object may be made of."""
    kinds = (wood, fabric, ceramic, metal, paint, stone, leather, paint, plaster)
    return dice.choice(kinds)(dice)


def _principled() -> tuple[Material, bpy.types.Node]:
    material = bpy.data.materials.new("material")
    if material.node_tree is None:
        material.use_nodes = True
    return material, material.node_tree.nodes["Principled BSDF"]


def _bricks(dice: Dice, texture: bpy.types.Node, colours: Sequence[Colour]) -> bpy.types.NodeSocket:
    for name, colour in zip(("Color1", "Color2", "Mortar"), colours, strict=True):
        texture.inputs[name].default_value = (*colour, 1)
    texture.inputs["Mortar Size"].default_value = dice.uniform(0.004, 0.03)
    texture.offset = dice.choice((0, 0.5, 0.5))
    return texture.outputs["Color"]


def _ramped(
    tree: bpy.types.NodeTree, value: bpy.types.NodeSocket, colours: Sequence[Colour]
) -> bpy.types.NodeSocket:
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    elements = ramp.color_ramp.elements
    while len(elements) < len(colours):
        elements.new(0.5)
    for index, colour in enumerate(colours):
        elements[index].position = 0.3 + 0.4 * index / max(1, len(colours) - 1)
        elements[index].color = (*colour, 1)
    tree.links.new(value, ramp.inputs[0])
    return ramp.outputs[0]


def _stained(
    dice: Dice,
    tree: bpy.types.NodeTree,
    place: bpy.types.Node,
    colour: bpy.types.NodeSocket,
    stains: float,
) -> bpy.types.NodeSocket:
    """The colour with large patches that are darker or lighter."""
    patches = tree.nodes.new("ShaderNodeTexNoise")
    patches.inputs["Scale"].default_value = dice.log(0.5, 4)
    patches.inputs["Detail"].default_value = 4
    tree.links.new(place.outputs["Object"], patches.inputs["Vector"])
    factor = tree.nodes.new("ShaderNodeMapRange")
    factor.inputs["From Min"].default_value, factor.inputs["From Max"].default_value = 0.3, 0.7
    factor.inputs["To Min"].default_value = 1 - stains
    factor.inputs["To Max"].default_value = 1 + stains / 2
    tree.links.new(patches.outputs["Factor"], factor.inputs["Value"])
    scaled = tree.nodes.new("ShaderNodeVectorMath")
    scaled.operation = "SCALE"
    tree.links.new(colour, scaled.inputs[0])
    tree.links.new(factor.outputs[0], scaled.inputs["Scale"])
    return scaled.outputs[0]
