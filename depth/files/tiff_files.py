"""What a TIFF says of itself before its pixels are decoded (TIFF 6.0; Adobe's technical note 3)."""

import io
import warnings
from dataclasses import dataclass

from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    IMAGELENGTH,
    IMAGEWIDTH,
    PHOTOMETRIC_INTERPRETATION,
    SAMPLEFORMAT,
    SAMPLESPERPIXEL,
    ImageFileDirectory_v2,
)

BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # of either byte order; + is BigTIFF

WHITE_IS_ZERO, FLOATS = 0, 3  # values of the tags PhotometricInterpretation and SampleFormat


@dataclass(frozen=True)
class Tags:
    """The first page's entries that matter for its pixels, and whether there are more pages."""

    width: int
    height: int
    samples: int
    bits: int
    floats: bool
    white_is_zero: bool
    more_pages: bool


def read_tags(data: bytes) -> Tags:
    """Of a file that begins as a TIFF does. Raises what Pillow does for a damaged one."""
    size = 16 if b"+" in data[:4] else 8
    file = io.BytesIO(data)
    tags = ImageFileDirectory_v2(data[:size])
    file.seek(tags.next)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # entries that Pillow cannot read; missing ones are noticed
        tags.load(file)
    if IMAGEWIDTH not in tags or IMAGELENGTH not in tags:
        raise ValueError("its header does not say how large it is")
    return Tags(
        width=int(tags[IMAGEWIDTH]),
        height=int(tags[IMAGELENGTH]),
        samples=int(tags.get(SAMPLESPERPIXEL, 1)),
        bits=int(tags.get(BITSPERSAMPLE, (1,))[0]),
        floats=tags.get(SAMPLEFORMAT, (1,))[0] == FLOATS,
        white_is_zero=tags.get(PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO,
        more_pages=tags.next != 0,
    )
