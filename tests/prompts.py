"""Workflows in the API format, for tests."""


def entry(kind, **inputs):
    """A node of a prompt."""
    return {"class_type": kind, "inputs": inputs}


SCALE = {
    "1": entry("LoadImage", image="photo.png"),
    "2": entry(
        "ImageScale", image=["1", 0], upscale_method="area", width=4, height=4, crop="disabled"
    ),
    "3": entry("SaveImage", images=["2", 0], filename_prefix="small"),
}
