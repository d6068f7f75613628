"""Which layer of an EXR is the depth: the names of renderers, and what only looks like one."""

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import torch

from sd2_depth2img.depth.colormaps import ColourMap
from sd2_depth2img.depth.depth_files import Reading, read_depth
from sd2_depth2img.depth.files.exr_layers import depth_layer
from sd2_depth2img.depth.files.values import UnclearLayer

BEAUTY = ["A", "B", "G", "R"]
UNREAL = "FinalImageMovieRenderQueue_WorldDepth"


def rgb(layer, alpha=True):
    return [f"{layer}.{channel}" for channel in ("R", "G", "B", "A")[: 4 if alpha else 3]]


def xyz(layer):
    return [f"{layer}.{axis}" for axis in "XYZ"]


def chosen(channels, wanted=""):
    return depth_layer([("", sorted(channels))], wanted, Path("a.exr"))


@pytest.mark.parametrize(
    ("channels", "depth"),
    [
        # V-Ray, Corona, Unreal
        ([*BEAUTY, *rgb("VRayZDepth", alpha=False)], "VRayZDepth"),
        ([*BEAUTY, *rgb("CGeometry_ZDepth"), *rgb("CESSENTIAL_Direct")], "CGeometry_ZDepth"),
        ([*BEAUTY, *rgb(UNREAL)], UNREAL),
        ([*rgb("beauty"), *rgb("SceneDepth")], "SceneDepth"),
        # Arnold, Redshift, RenderMan, Houdini, Octane
        ([*BEAUTY, "Z", *xyz("N"), *xyz("P"), *rgb("albedo")], "Z"),
        ([*BEAUTY, *rgb("Z")], "Z"),
        ([*BEAUTY, "Z.Z", *rgb("DiffuseLighting")], "Z"),
        (["r", "g", "b", "a", "z", "zback"], "z"),
        ([*BEAUTY, "Z", "ZBack"], "Z"),
        ([*BEAUTY, "Pz", *xyz("P")], "Pz"),
        ([*BEAUTY, *rgb("Z-Depth")], "Z-Depth"),
        ([*BEAUTY, *rgb("z_buffer")], "z_buffer"),
        # Nuke, Blender
        ([*BEAUTY, "depth.Z", "forward.u", "forward.v"], "depth"),
        ([*rgb("Image"), "Depth.V"], "Depth"),
        (
            [
                *rgb("ViewLayer.Combined"),
                *("ViewLayer.Depth.Z", "ViewLayer.Mist.Z", "ViewLayer.Denoising Depth.Z"),
                *(*xyz("ViewLayer.Normal"), *xyz("ViewLayer.Vector"), "ViewLayer.Vector.W"),
                *("ViewLayer.IndexOB.X", *rgb("ViewLayer.CryptoObject00")),
            ],
            "ViewLayer.Depth",
        ),
        ([*rgb("Depth of Field"), "Depth.Z"], "Depth"),
    ],
)
def test_the_layer_that_calls_itself_depth_is_taken(channels, depth):
    layer = chosen(channels)
    assert layer.name == depth
    assert not any(name in BEAUTY for name in layer.channels)
    cased = chosen([name.swapcase() for name in channels])
    assert cased.name == depth.swapcase()


@pytest.mark.parametrize(
    "channels",
    [
        [*BEAUTY, "Mist.Z"],
        [*BEAUTY, *xyz("N")],
        [*rgb("ViewLayer.Combined"), "ViewLayer.Mist.Z"],
        [*BEAUTY, *rgb("diffuse"), *rgb("DepthOfField")],
        ["Y", "RY", "BY"],
        ["Depth.Z", "Mask", "left.Depth.Z"],
        [],
    ],
)
def test_where_none_or_several_do_the_layers_are_listed(channels):
    with pytest.raises(UnclearLayer, match=r"a\.exr has the layers .*; expected one") as told:
        chosen(channels)
    for name in {name.rpartition(".")[0] for name in channels}:
        assert name in str(told.value)


def test_a_layer_is_wanted_by_its_name_or_a_part_of_it():
    channels = [*rgb("Fg.Combined"), "Fg.Depth.Z", "Bg.Depth.Z", "Bg.Mist.Z", *BEAUTY]
    with pytest.raises(UnclearLayer, match=r"Bg\.Depth, Bg\.Mist, Fg\.Combined, Fg\.Depth"):
        chosen(channels)
    for wanted, channel in {
        "Fg.Depth": "Fg.Depth.Z",
        "bg.depth.z": "Bg.Depth.Z",
        "Fg": "Fg.Depth.Z",
        "Bg.Mist": "Bg.Mist.Z",
        "mist": "Bg.Mist.Z",
        "Fg.Combined.G": "Fg.Combined.G",
        "rgb": "R",
    }.items():
        assert chosen(channels, wanted).channels[0] == channel
    for wanted in ("Fg.Dep", "Foreground", "Depth"):
        with pytest.raises(UnclearLayer, match="expected one"):
            chosen(channels, wanted)


def test_a_long_list_of_strange_names_stays_one_line():
    with pytest.raises(UnclearLayer, match=r"a\?b, c{100}, .* and 12 more; expected one") as told:
        chosen(["a\nb", "c" * 255, *(f"n{number:02}" for number in range(40))])
    assert "\n" not in str(told.value)


def test_parts_are_layers_and_nuke_repeats_their_names():
    parts = [("rgba", ["R", "G", "B"]), ("depth", ["depth.Z"]), ("other", ["Z"])]
    assert depth_layer(parts, "depth", Path("a.exr")).part == 1
    with pytest.raises(UnclearLayer, match=r"rgba\.RGB, depth, other\.Z"):
        depth_layer(parts, "", Path("a.exr"))
    assert (
        depth_layer([("beauty", BEAUTY), ("Depth", ["R", "G", "B"])], "", Path("a.exr")).part == 1
    )


# --- with values ---------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    return tmp_path / "render.exr"


@pytest.fixture(scope="module")
def slope():
    return np.tile(np.linspace(0, 1, 24, dtype=np.float32), (16, 1))


def write(path, channels):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, channels) as file:
        file.write(str(path))


def assert_reads_as(path, expected, **reading):
    assert torch.equal(read_depth(path, Reading(**reading))[0], torch.from_numpy(expected))


def test_colours_alone_are_no_depth_unless_they_are_named(path, slope, caplog):
    write(path, {"R": slope, "G": slope, "B": 1 - slope})
    with pytest.raises(UnclearLayer, match="has colours in its layer RGB, which are no depth"):
        read_depth(path)
    assert_reads_as(path, 1 - slope, layer="B")
    luma = read_depth(path, Reading(layer="RGB"))[0].numpy()
    assert np.abs(luma - (0.9278 * slope + 0.0722 * (1 - slope))).max() < 1e-6
    assert "is coloured" in caplog.text
    with pytest.raises(ValueError, match="no colour of the map turbo"):
        read_depth(path, Reading(colours=ColourMap.TURBO))


def test_depth_in_the_red_channel_of_its_layer_is_not_darkened(path, slope):
    zero = np.zeros_like(slope)
    write(path, {"R": 1 - slope, "D_Depth.R": slope, "D_Depth.G": zero, "D_Depth.B": zero})
    assert_reads_as(path, slope)


def test_which_layer_was_taken_is_said_where_there_was_a_choice(path, slope, caplog):
    write(path, {"R": slope, "G": slope, "B": slope, "VRayZDepth.R": 1 - slope})
    assert_reads_as(path, 1 - slope)
    assert "takes the layer VRayZDepth as the depth, of RGB, VRayZDepth" in caplog.text
    caplog.clear()
    assert_reads_as(path, slope, layer="RGB")
    assert not caplog.text


def test_mist_alone_is_read_with_a_warning(path, slope, caplog):
    write(path, {"ViewLayer.Mist.Z": slope})
    assert_reads_as(path, slope)
    assert "its only layer ViewLayer.Mist is taken, though it is called no depth" in caplog.text
