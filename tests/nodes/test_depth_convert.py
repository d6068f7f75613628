"""Distances in files: Depth Map Loader, Convert Depth, Save Depth Map, and back."""

import numpy as np
import OpenEXR
import pytest
import tifffile
import torch

from sd2_depth2img.nodes.depth_convert import SD2DepthConvert
from sd2_depth2img.nodes.depth_files import SD2DepthLoad, SD2DepthSave

# Two pixels of sky and a hole; the rest within 2 to 64 metres.
METRES = np.float32([[2, 4, 8, 64], [16, np.inf, 40, np.nan], [3.3, 7.7, np.inf, 63.9]])


def write_floats(path, values):
    """By other writers than the pack's own."""
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".pfm":
        height, width = values.shape
        header = f"Pf\n{width} {height}\n1\n".encode()
        path.write_bytes(header + values[::-1].astype(">f4").tobytes())
    elif path.suffix == ".tiff":
        tifffile.imwrite(path, values)
    else:
        header = {"compression": OpenEXR.PIZ_COMPRESSION, "type": OpenEXR.scanlineimage}
        colours = {name: np.zeros_like(values) for name in "RGB"}
        with OpenEXR.File(header, {"Z": values, **colours}) as file:
            file.write(str(path))


@pytest.mark.parametrize("suffix", [".exr", ".npy", ".pfm", ".tiff"])
def test_metres_of_a_file_become_disparity_and_go_back_to_a_file(base, suffix, caplog):
    write_floats(base / "input" / f"metres{suffix}", METRES)
    (kept,) = SD2DepthLoad().execute(f"metres{suffix}", beyond="keep")
    assert np.array_equal(kept[0, ..., 0], METRES, equal_nan=True)
    assert "1 of 12 pixels is NaN or infinite" in caplog.text

    (disparity,) = SD2DepthConvert().execute(kept)
    seen = np.isfinite(METRES)
    expected = (1 / METRES.astype(np.float64) - 1 / 64) / (1 / 2 - 1 / 64)
    assert np.abs(disparity[0, ..., 0].numpy() - expected)[seen].max() < 1e-6
    assert (disparity[0, ..., 0].numpy()[np.isinf(METRES)] == 0).all()
    assert (disparity.min(), disparity.max()) == (0, 1)

    back = {"direction": "disparity to distance", "near": 2.0, "far": 64.0}
    (distance,) = SD2DepthConvert().execute(disparity, **back)
    assert np.abs(distance[0, ..., 0].numpy() / METRES - 1)[seen].max() < 1e-5
    kind = "tiff float" if suffix == ".tiff" else suffix[1:]
    (saved,) = SD2DepthSave().execute(distance, "metres", file_format=kind)["ui"]["files"]
    (again,) = SD2DepthLoad().execute(f"{saved['filename']} [output]", beyond="keep")
    assert torch.equal(again, distance)


def test_kept_distances_are_not_inverted(base):
    write_floats(base / "input" / "metres.npy", METRES)
    with pytest.raises(ValueError, match=r"1 minus a distance means nothing; turn invert off"):
        SD2DepthLoad().run(image="metres.npy", invert=True, beyond="keep")
    with pytest.raises(ValueError, match=r"beyond: keep, with far 0 and near 1\)\. Convert Depth"):
        SD2DepthLoad().run(image="metres.npy")


# --- masks that come along with distances --------------------------------------------------------

DISTANCES = torch.tensor([[2.0, 4.0, 8.0, 900.0]]).expand(1, 2, 4)[..., None].repeat(1, 1, 1, 3)
AT_THE_END = torch.tensor([[0.0, 0.2, 0.0, 0.7]]).expand(1, 2, 4)  # from 0.5 on it counts


def expected_between(near, far, *distances):
    return [pytest.approx((1 / z - 1 / far) / (1 / near - 1 / far), abs=1e-6) for z in distances]


def test_sky_is_black_and_does_not_count_as_the_farthest():
    (depth,) = SD2DepthConvert().execute(DISTANCES, sky_mask=AT_THE_END)
    (beyond,) = SD2DepthConvert().execute(DISTANCES, sky_mask=AT_THE_END * 1.3)
    assert torch.equal(beyond, depth)
    assert depth[0, 1, :3, 0].tolist() == expected_between(2, 8, 2, 4, 8)
    assert depth[0, 1, 3, 0] == 0


def test_sky_of_disparity_is_black_too():
    (depth,) = SD2DepthConvert().execute(
        DISTANCES, unit="disparity, any range", sky_mask=AT_THE_END
    )
    assert depth[0, 0, :, 0].tolist() == pytest.approx([0, 2 / 6, 1, 0])


def test_pixels_without_confidence_are_filled_from_their_neighbours(caplog):
    (depth,) = SD2DepthConvert().execute(DISTANCES, confidence=1 - AT_THE_END, least_confidence=0.5)
    assert depth[0, 1, :3, 0].tolist() == expected_between(2, 8, 2, 4, 8)
    assert depth[0, 1, 3, 0] < 0.1
    assert "2 of 8 depth pixels are NaN or infinite, and filled" in caplog.text
    (all_count,) = SD2DepthConvert().execute(DISTANCES, confidence=AT_THE_END, least_confidence=0)
    assert all_count[0, 1, :3, 0].tolist() == expected_between(2, 900, 2, 4, 8)


def test_one_mask_serves_all_maps_and_its_size_is_fitted():
    maps = torch.cat([DISTANCES, DISTANCES])
    (depth,) = SD2DepthConvert().execute(
        maps, sky_mask=AT_THE_END.repeat_interleave(2, 1).repeat_interleave(2, 2)
    )
    assert (depth[:, :, 3] == 0).all()
    with pytest.raises(ValueError, match="3 masks cannot be shared out to 2"):
        SD2DepthConvert().execute(maps, sky_mask=AT_THE_END.repeat(3, 1, 1))


def test_they_are_refused_where_they_would_do_nothing():
    back = {"direction": "disparity to distance", "near": 2.0, "far": 64.0}
    with pytest.raises(ValueError, match="expected them with distance to disparity only"):
        SD2DepthConvert().execute(DISTANCES / 900, **back, sky_mask=AT_THE_END)
