"""Films through PyAV: what is not one, and what cannot become one.

`tests/comfyui/test_in_comfyui_video.py` compares frames, sound and saved files with ComfyUI's.
"""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from sd2_depth2img.engine.video import Components, FilmFile, Sound, UnreadableFilm
from sd2_depth2img.workflows.core_nodes import CORE_NODES
from sd2_depth2img.workflows.graph import Runner, Workflow


def ramp(frames=3, height=32, width=48):
    """Grey that rises from frame to frame; flat, so that no codec changes it much."""
    return torch.linspace(0.2, 0.8, frames)[:, None, None, None].expand(frames, height, width, 3)


def save(film, path, **choices):
    film.save(path, **{"metadata": {}, "format": "auto", "codec": "auto", **choices})
    return FilmFile(path)


def test_what_is_saved_comes_back(tmp_path):
    tone = torch.sin(torch.arange(4000) / 8000 * 2 * torch.pi * 440)[None] / 2
    made = Components(ramp(), Fraction(12), Sound(tone, 8000))
    film = save(made, tmp_path / "a.mp4", metadata={"prompt": "{}", "made": {"by": "hand"}})
    assert film.size == made.size == (48, 32)
    parts = film.components()
    assert parts.frame_rate == 12
    assert torch.allclose(parts.images, made.images, atol=0.02)
    assert parts.sound.rate == 8000
    length = min(2000, parts.sound.samples.shape[1])  # three frames: a quarter of a second
    # AAC begins and ends softly.
    error = parts.sound.samples[0, :length] - tone[0, :length]
    assert error.norm() < 0.4 * tone[0, :length].norm()
    with av.open(str(film.path)) as file:
        assert file.metadata["prompt"] == "{}"
        assert file.metadata["made"] == '{"by": "hand"}'


def test_a_copied_film_has_the_same_packets(tmp_path):
    source = save(Components(ramp(), Fraction(25)), tmp_path / "a.mp4", metadata={"old": "1"})
    copied = save(source, tmp_path / "b.mp4", metadata={"new": "2"})
    packets = []
    for film in (source, copied):
        with av.open(str(film.path)) as file:
            packets.append([bytes(packet) for packet in file.demux(video=0)])
            metadata = file.metadata
    assert packets[0] == packets[1]
    assert metadata["old"] == "1"
    assert metadata["new"] == "2"


@pytest.mark.parametrize("size", [(31, 48), (32, 47), (0, 0)])
def test_odd_sides_are_refused(tmp_path, size):
    images = ramp(3, *size) if size[0] else torch.zeros(0, 32, 48, 3)
    with pytest.raises(ValueError, match=r"make no film: H\.264 takes one or more with even sides"):
        save(Components(images, Fraction(25)), tmp_path / "a.mp4")


def test_more_than_two_channels_are_refused(tmp_path):
    film = Components(ramp(), Fraction(25), Sound(torch.zeros(6, 100), 8000))
    with pytest.raises(ValueError, match="6 channels"):
        save(film, tmp_path / "a.mp4")


def test_what_is_no_film_is_named(tmp_path):
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(UnreadableFilm, match=r"text\.mp4 is no film that FFmpeg reads"):
        FilmFile(tmp_path / "text.mp4").components()
    with av.open(str(tmp_path / "sound.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.float32), "flt", "mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with pytest.raises(UnreadableFilm, match="has no pictures"):
        _ = FilmFile(tmp_path / "sound.mp4").size


def test_a_workflow_takes_a_film_apart_and_makes_one(base):
    """Frames out of a film, upside down into another, which keeps rate and sound."""
    tone = Sound(torch.zeros(2, 4000), 8000)
    save(Components(ramp(), Fraction(24000, 1001), tone), base / "input" / "in.mp4")
    results = Runner().run(
        Workflow(
            {
                "1": entry("LoadVideo", file="in.mp4"),
                "2": entry("GetVideoComponents", video=["1", 0]),
                "3": entry("ImageInvert", image=["2", 0]),
                "4": entry("CreateVideo", images=["3", 0], audio=["2", 1], fps=["2", 2]),
                "5": entry("SaveVideo", video=["4", 0], filename_prefix="films/out", format="auto",
                           codec="auto"),
            }
        )
    )  # fmt: skip
    (path,) = results.files
    assert path == base / "output" / "films" / "out_00001_.mp4"
    parts = FilmFile(path).components()
    assert float(parts.frame_rate) == pytest.approx(23.976)
    assert torch.allclose(parts.images, 1 - ramp(), atol=0.03)
    assert parts.sound.samples.shape[0] == 2
    assert list((base / "output" / "films").iterdir()) == [path]


def test_a_missing_film_is_reported_before_the_run(base):
    load = CORE_NODES["LoadVideo"]
    assert "there is no file 'gone.mp4'" in load.VALIDATE_INPUTS(file="gone.mp4")
    (base / "input" / "there.mp4").touch()
    (base / "input" / "photo.png").touch()
    assert load.INPUT_TYPES()["required"]["file"][0] == ["there.mp4"]
    assert load.VALIDATE_INPUTS(file="there.mp4") is True


def entry(name, **inputs):
    return {"class_type": name, "inputs": inputs}
