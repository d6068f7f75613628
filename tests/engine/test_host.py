"""The host functions outside ComfyUI, and the folders they look in."""

import os
import re
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.engine import folders, host


@pytest.fixture
def base(base):
    (base / "models" / "checkpoints" / "sd2").mkdir(parents=True)
    return base


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


# --- finding files -------------------------------------------------------------------------------


def test_checkpoints_are_found_by_name_and_by_path(base):
    place = base / "models" / "checkpoints"
    touch(place / "b.ckpt", place / "sd2" / "a.safetensors", place / "notes.txt", base / "c.ckpt")
    assert host.checkpoint_names() == ["b.ckpt", "sd2/a.safetensors"]
    assert host.checkpoint_path("sd2/a.safetensors") == place / "sd2" / "a.safetensors"
    assert host.checkpoint_path(str(base / "c.ckpt")) == base / "c.ckpt"


def test_diffusers_folders_are_found_by_name_and_by_path(base):
    files, diffusers = base / "models/checkpoints", base / "models/diffusers"
    touch(files / "a.ckpt", files / "b", diffusers / "a.ckpt/model_index.json")
    touch(diffusers / "author/b/model_index.json", diffusers / "author/b/unet/config.json")
    touch(base / "c/model_index.json")
    assert host.checkpoint_names() == ["a.ckpt", "a.ckpt/", "author/b/"]
    assert host.checkpoint_path("a.ckpt") == files / "a.ckpt"
    assert host.checkpoint_path("a.ckpt/") == diffusers / "a.ckpt"
    assert host.checkpoint_path("author/b/") == diffusers / "author/b"
    assert host.checkpoint_path(str(base / "c")) == base / "c"
    assert host.checkpoint_path("author/b") == diffusers / "author/b"
    for name in ("b/", "author", ""):
        with pytest.raises(FileNotFoundError, match="no checkpoint"):
            host.checkpoint_path(name)


def test_a_missing_checkpoint_says_where_it_was_looked_for(base):
    place = re.escape(str(base / "models" / "checkpoints"))
    with pytest.raises(FileNotFoundError, match=f"no checkpoint 'x.ckpt', neither in {place} nor"):
        host.checkpoint_path("x.ckpt")


def test_images_are_found_by_name_by_path_and_by_folder(base):
    touch(base / "input" / "b.PNG", base / "input" / "a.jpg", base / "input" / "x.latent")
    touch(base / "output" / "sub" / "o.png", base / "output" / "temp" / "t.png", base / "p.png")
    assert host.input_names() == ["a.jpg", "b.PNG"]
    assert folders.input_names((".latent",), images=False) == ["x.latent"]
    assert host.input_path("a.jpg") == base / "input" / "a.jpg"
    assert host.input_path(str(base / "p.png")) == base / "p.png"
    assert host.input_path("sub/o.png [output]") == base / "output" / "sub" / "o.png"
    assert host.input_path("t.png [temp]") == base / "output" / "temp" / "t.png"
    assert host.input_path("a.jpg [input]") == base / "input" / "a.jpg"
    with pytest.raises(FileNotFoundError, match=r"no file 'z\.png', neither in"):
        host.input_path("z.png")


def test_what_is_being_written_is_not_listed(base):
    place = base / "models" / "checkpoints"
    touch(
        place / ".peer.0-1-2.part" / "unet" / "a.safetensors", place / ".b.safetensors.0-1-2.part"
    )
    touch(place / ".hidden" / "c.safetensors")
    assert host.checkpoint_names() == [".hidden/c.safetensors"]


def test_no_folders_no_files(tmp_path):
    before = folders.current()
    folders.use(folders.Folders.below(tmp_path / "nowhere"))
    assert host.input_names() == host.checkpoint_names() == []
    folders.use(before)


# --- names for results ---------------------------------------------------------------------------


def firsts(prefix, count, width=1, height=1, suffix=".png"):
    """The names that files get where no other program writes, and the subfolder."""
    series, subfolder = host.output_paths(prefix, count, width, height, suffix)
    return [next(paths) for paths in series], subfolder


def test_numbers_go_on_where_they_stopped(base):
    touch(
        base / "output" / "pic_00007_.png",
        base / "output" / "pic_00009_.jpg",  # counts as well, as in ComfyUI
        base / "output" / "pic_abc_.png",
        base / "output" / "image_00050_.png",
    )
    paths, subfolder = firsts("pic", 2)
    assert [path.name for path in paths] == ["pic_00010_.png", "pic_00011_.png"]
    assert subfolder == ""
    assert firsts("new", 1, suffix=".latent")[0][0].name == "new_00001_.latent"


def test_prefixes_with_marks_and_subfolders(base):
    paths, subfolder = firsts("%year%/%width%x%height%_%batch_num%", 2, 640, 48)
    year = time.strftime("%Y")
    assert subfolder == year
    assert paths == [base / "output" / year / f"640x48_{n}_0000{n + 1}_.png" for n in (0, 1)]
    assert paths[0].parent.is_dir()


def test_a_prefix_from_windows_names_its_subfolder(base):
    assert firsts("maps\\new\\depth", 1) == (
        [base / "output" / "maps" / "new" / "depth_00001_.png"],
        os.path.join("maps", "new"),
    )


@pytest.mark.parametrize("prefix", ["../out", "a/../../b", "/tmp/x", "..\\out", "a\\..\\..\\b"])
def test_prefixes_do_not_lead_out_of_the_output_folder(base, prefix):
    with pytest.raises(ValueError, match="outside the output folder"):
        host.output_paths(prefix, 1, 1, 1)
    assert sorted(path.name for path in base.iterdir()) == ["input", "models"]


def test_a_link_in_the_output_folder_may_lead_elsewhere(base, tmp_path_factory):
    """Its owner made it, to have maps on another disk."""
    (base / "output").mkdir()
    (base / "output" / "maps").symlink_to(tmp_path_factory.mktemp("other disk"))
    assert firsts("maps/depth", 1) == ([base / "output" / "maps" / "depth_00001_.png"], "maps")


@given(st.lists(st.integers(0, 99999), max_size=5), st.integers(1, 3))
def test_paths_are_always_free(tmp_path_factory, taken, count):
    before, there = folders.current(), folders.Folders.below(tmp_path_factory.mktemp("out"))
    there.output.mkdir()
    for number in taken:
        (there.output / f"p_{number:05}_.png").touch()
    folders.use(there)
    paths, _ = firsts("p", count)
    folders.use(before)
    assert len(set(paths)) == count
    assert not any(path.exists() for path in paths)


def test_png_text():
    assert host.png_text(None, None) == {}
    text = host.png_text({"1": {}}, {"workflow": {"nodes": []}})
    assert text == {"prompt": '{"1": {}}', "workflow": '{"nodes": []}'}


# --- models and sampling -------------------------------------------------------------------------


def test_on_device_moves_the_network_where_it_says():
    network = torch.nn.Linear(2, 2)
    device = host.on_device(network)
    assert network.weight.device.type == device.type


def test_names_of_samplers_and_schedulers_are_comfyuis():
    assert {"euler", "euler_ancestral", "heun", "dpmpp_2m", "ddim"} <= set(host.sampler_names())
    assert {"normal", "karras", "exponential", "simple"} <= set(host.scheduler_names())


class FourChannels:
    in_channels = 4


def test_sample_refuses_a_model_that_takes_no_depth():
    with pytest.raises(ValueError, match="4 input channels and takes no depth map"):
        host.sample(FourChannels(), 0, 1, 1.0, "euler", "normal", [], [], {}, 1.0)


def test_progress_gives_every_item_and_lets_an_interrupt_through():
    assert list(host.progress(["a", "b"], "letters")) == ["a", "b"]
    seen = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the loop is what is interrupted
        for item in host.progress(range(5), "numbers"):
            seen.append(item)
            if item == 2:
                raise KeyboardInterrupt
    assert seen == [0, 1, 2]


def test_relative_folders_count_from_the_current_directory():
    assert folders.Folders.below(Path()).input == Path("input")


# --- names from other systems -------------------------------------------------------------------


def test_either_slash_finds_a_file(base):
    touch(base / "input" / "sub" / "a.png", base / "models" / "checkpoints" / "sd2" / "m.ckpt")
    assert host.input_path("sub\\a.png") == base / "input" / "sub" / "a.png"
    checkpoint = base / "models" / "checkpoints" / "sd2" / "m.ckpt"
    assert host.checkpoint_path("sd2\\m.ckpt") == checkpoint
    touch(base / "models" / "depth" / "v2" / "d.pth")
    assert host.depth_model_path("v2\\d.pth").samefile(base / "models" / "depth" / "v2" / "d.pth")


def test_either_slash_leads_into_a_subfolder(base):
    (paths,), subfolder = host.output_paths("maps\\depth", 1, 1, 1)
    assert (next(paths), subfolder) == (base / "output" / "maps" / "depth_00001_.png", "maps")


@pytest.mark.parametrize("prefix", ["", ".", "./"])
def test_without_a_prefix_files_are_not_hidden(base, prefix):
    (paths,), _ = host.output_paths(prefix, 1, 1, 1)
    touch(next(paths))
    assert [file.name for file in (base / "output").iterdir()] == ["_00001_.png"]
    (paths,), _ = host.output_paths(prefix, 1, 1, 1)
    assert next(paths).name == "_00002_.png"


@pytest.mark.parametrize(
    "prefix", ["..\\out", "C:\\x", "c:x", "\\x", "\\\\server\\share\\x", "a\\..\\b"]
)
def test_prefixes_of_windows_do_not_lead_out_of_the_output_folder(base, prefix):
    with pytest.raises(ValueError, match="outside the output folder"):
        host.output_paths(prefix, 1, 1, 1)


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000, "C:\\Users\\me\\a.png"])
def test_names_that_cannot_be_files_are_refused_like_missing_ones(base, name):
    for path_of in (host.input_path, host.checkpoint_path, host.depth_model_path):
        with pytest.raises(FileNotFoundError) as caught:
            path_of(name)
        assert len(str(caught.value)) < 1000
