"""Films in both hosts: frames and sound to the bit, and saved files that decode to the same."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

FRAMES, HEIGHT, WIDTH, RATE = 5, 48, 64, 8000


def make_film(path, codec="mpeg4", sound="aac", channels=2):
    """Random colours that move, and two tones."""
    random = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=Fraction(24000, 1001))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = film.add_stream(sound, rate=RATE) if sound else None
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(random, index, axis=0), format="rgb24")
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
        if audio:
            times = np.arange(RATE // 4) / RATE
            tones = [np.sin(2 * np.pi * 440 * n * times) / 2 for n in range(1, channels + 1)]
            layout = "mono" if channels == 1 else "stereo"
            frame = av.AudioFrame.from_ndarray(
                np.stack(tones, axis=1).reshape(1, -1).astype(np.float32), "flt", layout
            )
            frame.sample_rate = RATE
            film.mux(audio.encode(frame))
            film.mux(audio.encode(None))


FILMS = {
    "sound.mp4": {},
    "mono.mp4": {"channels": 1},
    "silent.mp4": {"sound": None},
    "film.mkv": {"sound": None},
    "h264.mp4": {"codec": "h264"},
}


@pytest.fixture(scope="module", autouse=True)
def films(comfyui):
    """The newest ComfyUI decodes and encodes colours in a way of its own."""
    source = (comfyui.program / "comfy_extras/nodes_video.py").read_text(encoding="utf-8")
    if "color_space" in source:
        pytest.skip("this ComfyUI handles colour spaces")
    for name, options in FILMS.items():
        make_film(comfyui.folder("input") / name, **options)


def same_sound(theirs, ours):
    if theirs is None or ours is None:
        return theirs is ours
    return theirs["sample_rate"] == ours["sample_rate"] and torch.equal(
        theirs["waveform"], ours["waveform"]
    )


@pytest.mark.parametrize("name", FILMS)
def test_frames_sound_and_rate_are_the_same(run_both, name):
    graph = {
        "load": {"class_type": "LoadVideo", "inputs": {"file": name}},
        "parts": {"class_type": "GetVideoComponents", "inputs": {"video": ["load", 0]}},
    }
    for slot in range(3):
        graph[f"keep {slot}"] = {"class_type": "TestKeep", "inputs": {"value": ["parts", slot]}}
    images, sounds, rates = run_both(graph)
    assert torch.equal(*images)
    assert images[1].shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert same_sound(*sounds)
    assert (sounds[1] is None) == ("sound" in FILMS[name])
    assert rates[0] == rates[1] == pytest.approx(24000 / 1001)


def decoded(path):
    """Frames, sound and the entries of a file."""
    with av.open(str(path)) as film:
        rate = film.streams.video[0].average_rate
        codec = film.streams.video[0].codec.name
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
        film.seek(0)
        sound = [frame.to_ndarray() for frame in film.decode(audio=0)] if film.streams.audio else []
        return frames, np.concatenate(sound, axis=1) if sound else None, rate, codec, film.metadata


@pytest.fixture
def save_both(comfyui, runner, engine):
    """What two hosts' Save Video wrote, decoded."""
    from sd2_depth2img.workflows.graph import Workflow

    def run(graph, name, **inputs):
        graph["save"] = {
            "class_type": "SaveVideo",
            "inputs": {"filename_prefix": f"video/{name}", "format": "auto", "codec": "auto",
                       **inputs},
        }  # fmt: skip
        workflow = {"nodes": [], "links": [], "made": "hère"}
        (theirs,) = comfyui.run(graph, {"extra_pnginfo": {"workflow": workflow}})["save"]["images"]
        shown = runner.run(Workflow(graph, workflow)).ui["save"]
        (ours,) = shown["images"]
        assert theirs == ours
        assert shown["animated"] == [True]
        path = engine.output / ours["subfolder"] / ours["filename"]
        return decoded(comfyui.file(theirs)), decoded(path)

    return run


def check(theirs, ours):
    for one, other in zip(theirs[:2], ours[:2], strict=True):
        assert one is other is None or np.array_equal(one, other)
    assert theirs[2:4] == ours[2:4]
    assert theirs[4].keys() >= {"prompt", "workflow"}
    for key in ("prompt", "workflow"):
        assert json.loads(theirs[4][key]).keys() == json.loads(ours[4][key]).keys()
    assert json.loads(ours[4]["workflow"])["made"] == "hère"


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("codec", ["auto", "h264"])
def test_a_film_is_copied_or_encoded_anew(save_both, name, codec):
    graph = {"load": {"class_type": "LoadVideo", "inputs": {"file": name}}}
    theirs, ours = save_both(graph, name, video=["load", 0], codec=codec)
    check(theirs, ours)
    assert ours[3] == ("h264" if codec == "h264" or name == "h264.mp4" else "mpeg4")


@pytest.mark.parametrize("channels", [0, 1, 2])
@pytest.mark.parametrize("fps", [1.0, 23.976, 30.0])
def test_a_film_of_frames_and_sound(save_both, give, channels, fps):
    images = torch.rand(4, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(1)) * 1.2 - 0.1
    graph = {
        "images": give(images),
        "film": {"class_type": "CreateVideo", "inputs": {"images": ["images", 0], "fps": fps}},
    }
    if channels:
        samples = torch.rand(1, channels, RATE, generator=torch.Generator().manual_seed(2)) - 0.5
        graph["sound"] = give({"waveform": samples, "sample_rate": RATE})
        graph["film"]["inputs"]["audio"] = ["sound", 0]
    theirs, ours = save_both(graph, f"{channels} {fps}", video=["film", 0])
    check(theirs, ours)
    assert len(ours[0]) == 4
