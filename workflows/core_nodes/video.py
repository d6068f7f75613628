"""ComfyUI's nodes for films."""

# ruff: noqa: D102, N802 - ComfyUI's methods under ComfyUI's names

from fractions import Fraction
from functools import partial
from typing import Annotated, Any

from ...disk.writing import write_whole
from ...engine import folders, host
from ...engine.video import CODECS, FORMATS, Components, Film, FilmFile, Sound
from ...nodes.remedies import answer
from .node_class import CORE_NODES, Image, PngInfo, Prompt, Shown, node, number, string

Video = Annotated[Film, ("VIDEO",)]
Audio = Annotated[dict[str, Any] | None, ("AUDIO",)]  # `waveform` [1, C, samples], `sample_rate`
Rate = Annotated[float, ("FLOAT",)]


class LoadVideo:
    """Load Video: a film of the input folder, which is read when something is asked of it."""

    DISPLAY_NAME = "Load Video"
    RETURN_TYPES = ("VIDEO",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"file": (folders.film_names(), {"video_upload": True})}}

    def load(self, file: str) -> tuple[Film]:
        return (FilmFile(folders.film_path(file)),)

    @classmethod
    def IS_CHANGED(cls, file: str) -> float:
        return folders.film_path(file).stat().st_mtime

    @classmethod
    def VALIDATE_INPUTS(cls, file: str) -> bool | str:
        return answer(folders.film_path, file)


CORE_NODES["LoadVideo"] = LoadVideo


@node("GetVideoComponents", "Get Video Components", "images", "audio", "fps")
def get_video_components(video: Video) -> tuple[Image, Audio, Rate]:
    """A film's frames, its sound, and how many frames are a second."""
    parts = video.components()
    sound = parts.sound and {
        "waveform": parts.sound.samples.unsqueeze(0),
        "sample_rate": parts.sound.rate,
    }
    return parts.images, sound, float(parts.frame_rate)


@node("CreateVideo", "Create Video")
def create_video(
    images: Image, fps: Annotated[float, number(30.0, 1.0, 120.0, 1.0)], audio: Audio = None
) -> Video:
    """A film of frames and sound."""
    sound = audio and Sound(audio["waveform"][0], int(audio["sample_rate"]))
    return Components(images, Fraction(fps), sound or None)


@node("SaveVideo", "Save Video", "video")
def save_video(
    video: Video,
    filename_prefix: Annotated[str, string("video/ComfyUI")],
    format: Annotated[str, (FORMATS, {"default": "auto"})],
    codec: Annotated[str, (CODECS, {"default": "auto"})],
    prompt: Prompt = None,
    extra_pnginfo: PngInfo = None,
) -> tuple[Video, Shown]:
    """A film to an MP4 file in the output folder, with the workflow inside."""
    (path,), subfolder = host.output_paths(filename_prefix, 1, *video.size, ".mp4")
    text = host.png_text(prompt, extra_pnginfo)
    file = write_whole(path, partial(video.save, metadata=text, format=format, codec=codec))
    saved = {"filename": file.name, "subfolder": subfolder, "type": "output"}
    return video, {"images": [saved], "animated": (True,)}
