"""Films through PyAV (FFmpeg): frames and sound in, H.264 and AAC in MP4 out, as in ComfyUI."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ..disk.packages import needed

if TYPE_CHECKING:
    import av.container

FORMATS = ["auto", "mp4"]
CODECS = ["auto", "h264"]

_PLANAR = "fltp"  # samples as float32 [channels, samples]
_LAYOUTS = {1: "mono", 2: "stereo"}


class UnreadableFilm(ValueError):  # noqa: N818 - names what is wrong
    """A file without a film in it, or one that FFmpeg does not decode; the message names it."""


class Sound(NamedTuple):
    """Samples float32 [channels, samples] in −1..1, and how many of them are a second."""

    samples: Tensor
    rate: int


@dataclass(frozen=True, eq=False)
class Components:
    """What a film consists of."""

    images: Tensor  # float32 [B, H, W, 3] in 0..1
    frame_rate: Fraction  # frames a second
    sound: Sound | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.images.shape[2], self.images.shape[1]

    def components(self) -> "Components":
        """Itself: a film that was made here."""
        return self

    def save(self, path: Path, metadata: Mapping[str, Any], format: str, codec: str) -> None:
        """Encode to an MP4 file. Raises ValueError for what H.264 or AAC does not take."""
        width, height = self.size
        if width % 2 or height % 2 or not len(self.images):
            raise ValueError(
                f"{len(self.images)} frames of {width}×{height} pixels make no film: H.264 takes "
                "one or more with even sides; scale or crop them"
            )
        av = _av()
        rate = Fraction(round(self.frame_rate * 1000), 1000)
        with _written(path, metadata) as film:
            stream = film.add_stream("h264", rate=rate)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            sound = film.add_stream("aac", rate=self.sound.rate) if self.sound else None
            for image in self.images:
                pixels = (image[..., :3] * 255).clamp(0, 255).byte().cpu().numpy()
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                film.mux(stream.encode(frame.reformat(format="yuv420p")))
            film.mux(stream.encode(None))
            if sound is not None and self.sound is not None:
                film.mux(sound.encode(_audio_frame(self.sound, len(self.images) / rate)))
                film.mux(sound.encode(None))


@dataclass(frozen=True)
class FilmFile:
    """A film on the disk, not read yet."""

    path: Path

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        with _opened(self.path) as film:
            return film.streams.video[0].width, film.streams.video[0].height

    def components(self) -> Components:
        """All frames, in memory, and the sound."""
        with _opened(self.path) as film:
            frames = [_pixels(frame) for frame in film.decode(video=0)]
            if not frames:
                raise UnreadableFilm(f"{self.path.name} has no frames that can be decoded")
            rate = film.streams.video[0].average_rate or 1
            return Components(torch.stack(frames), Fraction(rate), _sound(film))

    def save(self, path: Path, metadata: Mapping[str, Any], format: str, codec: str) -> None:
        """Copy it to an MP4 file, every packet as it is; encoded anew where that is asked for."""
        with _opened(self.path) as film:
            is_format = format == "auto" or format in film.format.name.split(",")
            if not is_format or codec not in ("auto", film.streams.video[0].codec.name):
                self.components().save(path, metadata, format, codec)
                return
            with _written(path, {**film.metadata, **metadata}) as copy:
                taken = [s for s in film.streams if s.type in ("video", "audio", "subtitle")]
                streams = {s: copy.add_stream_from_template(template=s, opaque=True) for s in taken}
                for packet in film.demux(taken):
                    if packet.dts is not None:  # the last one of a stream is empty
                        packet.stream = streams[packet.stream]
                        copy.mux(packet)


Film = Components | FilmFile


def _av() -> Any:
    with needed("av", "Films"):
        import av
    return av


def _opened(path: Path) -> "av.container.InputContainer":
    """Raises UnreadableFilm."""
    av = _av()
    try:
        film = av.open(str(path), mode="r")
    except av.FFmpegError as error:
        raise UnreadableFilm(
            f"{path.name} is no film that FFmpeg reads ({error.strerror or error})"
        ) from error
    if not film.streams.video:
        film.close()
        raise UnreadableFilm(f"{path.name} has no pictures in it, only sound or text")
    return film


def _written(path: Path, metadata: Mapping[str, Any]) -> "av.container.OutputContainer":
    # Only with this option does MP4 keep entries of any name, such as the workflow.
    options = {"movflags": "use_metadata_tags"}
    film = _av().open(str(path), mode="w", format="mp4", options=options)
    for key, value in metadata.items():
        film.metadata[key] = value if isinstance(value, str) else json.dumps(value)
    return film


def _pixels(frame: Any) -> Tensor:
    return torch.from_numpy(frame.to_ndarray(format="rgb24")) / 255.0


def _sound(film: "av.container.InputContainer") -> Sound | None:
    """That of the last audio stream, as in ComfyUI, at its own rate."""
    found = None
    for stream in film.streams.audio:
        film.seek(0)
        parts = [torch.from_numpy(part) for part in _samples(film, stream)]
        if parts:
            found = Sound(torch.cat(parts, dim=1), stream.sample_rate or 1)
    return found


def _samples(film: "av.container.InputContainer", stream: Any) -> Iterator[Any]:
    resampler = _av().AudioResampler(format=_PLANAR)
    for frame in film.decode(stream):
        yield from (one.to_ndarray() for one in resampler.resample(frame))
    yield from (one.to_ndarray() for one in resampler.resample(None))


def _audio_frame(sound: Sound, seconds: Fraction) -> Any:
    """All of the sound that belongs to the pictures, in one frame."""
    channels = len(sound.samples)
    if channels not in _LAYOUTS:
        raise ValueError(
            f"the sound has {channels} channels; one or two can be saved, so mix it down"
        )
    samples = sound.samples[:, : math.ceil(sound.rate * seconds)]
    together = samples.movedim(1, 0).reshape(1, -1).float().contiguous().numpy()
    frame = _av().AudioFrame.from_ndarray(together, format="flt", layout=_LAYOUTS[channels])
    frame.sample_rate = sound.rate
    frame.pts = 0
    return frame
