"""Which kinds of image files are read, and what the others are, with how to save them instead."""

# Pillow's names. It reads each by itself, and none has ever run a program or fetched a file: EPS
# and PDF (Ghostscript), WMF (the system's), FITS, HDF5, GRIB and BUFR (stubs) are not among them.
KINDS = "PNG JPEG MPO WEBP TIFF BMP GIF PPM JPEG2000 AVIF TGA".split()
ALL_NAMES = "PNG, JPEG, WebP, TIFF, BMP, GIF, PPM, JPEG 2000, AVIF and TGA"

# How files begin that people give for images, what they are, and what to do.
_EDITOR = "open it in an image editor and export it as PNG"
_HEIC = (
    "a HEIC photo",
    "export it as JPEG or PNG (an iPhone saves JPEG with Settings > Camera > Formats > Most "
    "Compatible)",
)
_PAGE = ("a web page, not the image on it", "save the image itself")
_DEPTH = ("a file of numbers", "only depth maps are read from it; save an image as PNG")
_VIDEO = ("a video", "save one of its frames as PNG")
_OTHERS: tuple[tuple[bytes, tuple[str, str]], ...] = (
    (b"%!", ("PostScript, which is a program", "export it as PNG")),
    (b"\xc5\xd0\xd3\xc6", ("PostScript (EPS), which is a program", "export it as PNG")),
    (b"%PDF", ("a PDF", "export its page as PNG")),
    (b"8BPS", ("a Photoshop file (PSD)", _EDITOR)),
    (b"gimp xcf", ("a GIMP file (XCF)", _EDITOR)),
    (b"\xff\x0a", ("JPEG XL", _EDITOR)),
    (b"\0\0\0\x0cJXL ", ("JPEG XL", _EDITOR)),
    (b"\0\0\1\0", ("an icon (ICO)", _EDITOR)),
    (b"DDS ", ("a texture (DDS)", _EDITOR)),
    (b"qoif", ("a QOI image", _EDITOR)),
    (b"<svg", ("a vector drawing (SVG)", "export it as PNG")),
    (b"<?xml", ("XML, perhaps a vector drawing (SVG)", "export it as PNG")),
    (b"<!doctype html", _PAGE),
    (b"<html", _PAGE),
    (b"version https://git-lfs", ("a pointer of Git LFS, not the file", "run git lfs pull")),
    (b"\x93NUMPY", _DEPTH),
    (b"PK\x03\x04", ("a ZIP archive (or NPZ, KRA, ORA)", "unpack it, or export it as PNG")),
    (b"\x76\x2f\x31\x01", ("an OpenEXR file", "only depth maps are read from it; save it as PNG")),
    (b"\x1aE\xdf\xa3", _VIDEO),
    (b"{", ("JSON", "give the image itself")),
    *(
        (start, (f"a {name} that is damaged or of a rare kind", _EDITOR))
        for start, name in (
            *((b"\x89PNG", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"BM", "BMP")),
            *((b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"II+\0", "TIFF"), (b"MM\0+", "TIFF")),
            *((b"RIFF", "WebP"), (b"\0\0\0\x0cjP", "JPEG 2000")),
        )
    ),
)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def not_read(beginning: bytes) -> str:
    """What a file is that begins like this and what to do, where that is known."""
    if not beginning:
        return "it is empty; get another copy of it"
    if beginning[4:8] == b"ftyp":
        brand = beginning[8:12]
        avif = ("AVIF, which this Pillow cannot read", _EDITOR)
        found = _HEIC if brand in _HEIC_BRANDS else avif if brand[:3] == b"avi" else _VIDEO
    else:
        start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
        matches = (what for first, what in _OTHERS if start.startswith(first.lower()))
        found = next(matches, ("", ""))
    what, remedy = found
    return f"it is {what}; {remedy}" if what else ""
