"""Writes the EXR files in `exr/` with OpenEXR, the format's reference library.

    pip install OpenEXR numpy && python tests/data/record_exr.py

It was run with OpenEXR 3.5.3. `values` is what the tests expect to read.
"""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "exr"
HEIGHT, WIDTH = 37, 23  # two full chunks of 16 lines and a part of one


def values(dtype=np.float32):
    """Half slopes and half noise, so that some chunks are compressed and some are not; [H, W]."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    slope = (rows // 4 * WIDTH + columns) / (HEIGHT * WIDTH)
    noise = np.random.default_rng(7).random((HEIGHT, WIDTH))
    return np.where(rows < 18, slope, noise).astype(dtype)


def record():
    import OpenEXR

    def write(name, channels, compression, **header):
        header = {"compression": compression, "type": OpenEXR.scanlineimage, **header}
        with OpenEXR.File(header, channels) as file:
            file.write(str(FOLDER / f"{name}.exr"))

    FOLDER.mkdir(exist_ok=True)
    kinds = {
        "none": OpenEXR.NO_COMPRESSION,
        "rle": OpenEXR.RLE_COMPRESSION,
        "zips": OpenEXR.ZIPS_COMPRESSION,
        "zip": OpenEXR.ZIP_COMPRESSION,
        "piz": OpenEXR.PIZ_COMPRESSION,
    }
    for name, compression in kinds.items():
        write(f"float_{name}", {"Y": values()}, compression)
        write(f"half_{name}", {"Y": values(np.float16)}, compression)
    zip_ = kinds["zip"]
    colours = {name: values(np.float16) for name in "ABGR"}
    write("colours_and_z", {**colours, "Z": values()}, zip_)
    write(
        "blender",
        {"ViewLayer.Depth.Z": values(), **{f"ViewLayer.{n}": values() for n in "RGB"}},
        zip_,
    )
    write("colours", {name: values(np.float16) for name in "BGR"}, zip_)
    write("unclear", {"left": values(), "right": values()}, zip_)
    write("integers", {"Y": (values() * 1000).astype(np.uint32)}, zip_)
    write(
        "tiles",
        {"Y": values()},
        zip_,
        type=OpenEXR.tiledimage,
        tiles=OpenEXR.TileDescription(),
    )
    write("part_of_frame", {"Y": values()}, zip_, displayWindow=((0, 0), (99, 99)))


if __name__ == "__main__":
    record()
