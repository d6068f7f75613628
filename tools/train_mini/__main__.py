"""`python -m sd2_depth2img.tools.train_mini`: draw the data, train, write the checkpoint."""

import argparse
import functools
import json
import logging
import subprocess
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from ...checkpoints.checkpoint import Checkpoint
from ...checkpoints.identify.diagnosis import Part
from ...depth.networks.midas_hybrid import DPTHybrid
from ...disk.writing import written_whole
from ...engine import networks
from ...sampling.latents import SCALE_FACTOR
from .dataset import DATA_VERSION, HELD_OUT, PAINTINGS, SIZES, Dataset, prepare
from .export import export
from .frames import Frames
from .midas import MiDaSStage, new_midas
from .render.shards import FRAMES_VERSION
from .structure import STRUCTURE
from .trainer import Schedule, train
from .unet import PromptToNoise, UNetStage, new_network
from .vae import LATENTS, VAEStage, moments, new_vae, restore_finest, skip_finest, whiten

STAGES = ("data", "vae", "midas", "latents", "unet", "export")
SHIPPED = Path("models/sd2-depth-mini.safetensors")
LICENCE = "GPL-3.0-or-later"


log = logging.getLogger("train_mini")


@dataclass(frozen=True)
class Recipe:
    """How much of everything; a step of the UNet costs half a second to a second of one core."""

    scenes: int
    vae: Schedule
    midas: Schedule
    unet: Schedule
    batches: dict[str, int]
    small_share: float = 0.5  # of the UNet's steps, the first ones: small images only
    frames_share: float = 0.5  # of MiDaS's images, if there are rendered frames


CPU = Recipe(
    scenes=4000,
    vae=Schedule(800, 8e-4),
    midas=Schedule(3200, 1e-3),
    unet=Schedule(4500, 1e-3, ema=0.999),
    batches={"vae": 8, "midas": 16, "unet": 16},
)
RECIPES = {
    # Two CPU cores, about two hours.
    "cpu": CPU,
    # Two CPU cores, about an hour and a half, to go on from a trained file (--start).
    "cpu-more": replace(
        CPU,
        vae=Schedule(0, 0.0),
        midas=Schedule(2400, 6e-4),
        unet=Schedule(5000, 6e-4, ema=0.999),
        small_share=0.0,
    ),
    # One GPU: more scenes, more steps, larger batches.
    "gpu": Recipe(
        scenes=12000,
        vae=Schedule(6000, 8e-4),
        midas=Schedule(6000, 1e-3),
        unet=Schedule(12000, 1e-3, ema=0.999),
        batches={"vae": 16, "midas": 32, "unet": 64},
    ),
    # Everything once, to see that it runs.
    "smoke": Recipe(
        scenes=12,
        vae=Schedule(2, 8e-4),
        midas=Schedule(2, 1e-3),
        unet=Schedule(2, 1e-3),
        batches={"vae": 1, "midas": 2, "unet": 2},
    ),
}


class Training:
    """The stages, each of which finds what the ones before it left in the folder.

    The networks of the file `start` are trained further; its autoencoder stays as it is, because
    the latents depend on it. MiDaS also learns from the rendered frames of the folder `frames`;
    a training that is gone on with takes those that there were when it began. Raises ValueError
    when the folder holds a training of another recipe, seed or start, or the file to start from
    has other widths.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        start: Path | None = None,
        frames: Path | None = None,
    ) -> None:
        self.folder, self.recipe, self.seed, self.device = folder, recipe, seed, device
        self.start = None if start is None else _trained(start)
        self.facts = {
            "seed": seed,
            "data_version": DATA_VERSION,
            "recipe": asdict(recipe),
            "start": None if start is None else sha256(start.read_bytes()).hexdigest(),
        }
        self.frames = None
        if frames:
            self.frames = Frames(frames, _shards(folder))
            self.facts["frames"] = {"version": FRAMES_VERSION, "shards": self.frames.shards}
        folder.mkdir(parents=True, exist_ok=True)
        _claim(folder, self.facts)

    def data(self) -> Dataset:
        """Draw the scenes, or open them."""
        return prepare(self.folder / "data", self.recipe.scenes, self.seed)

    def vae(self) -> AutoencoderKL:
        """The autoencoder, whitened, without the blocks of full resolution."""
        if self.start:
            network = networks.EngineVAE(self.start.file, STRUCTURE.vae, self.device).network
            skip_finest(network)
            return network
        data = self.data()
        network = new_vae(self.seed)
        skip_finest(network)
        stage = VAEStage(network, data, self.seed, self.recipe.batches["vae"], self.device)
        train(stage, self.recipe.vae, self.folder / "vae.pt")
        network.eval()
        every_fortieth = range(0, len(data), 40)
        whiten(network, (_tensor(data.images[256][scene], self.device) for scene in every_fortieth))
        return network

    def midas(self) -> DPTHybrid:
        """The depth network."""
        if self.start:
            network = DPTHybrid.from_state_dict(self.start.read(Part.MIDAS))
        else:
            network = new_midas(self.seed)
        batch = self.recipe.batches["midas"]
        stage = MiDaSStage(
            *(network, self.data(), self.seed + 1, batch, self.device),
            *(self.frames, self.recipe.frames_share),
        )
        train(stage, self.recipe.midas, self.folder / "midas.pt")
        return network.eval()

    def latents(self, side: int) -> np.ndarray:
        """Every painting's latent, of unit size, from the encoder that will not change again."""
        file = self.folder / f"latents-{side}.npy"
        if not file.exists():
            latents = _latents(self.vae(), self.data(), side, self.device)
            with written_whole(file) as unfinished, unfinished.open("wb") as opened:
                np.save(opened, latents)
        return np.load(file, mmap_mode="r")

    def unet(self) -> PromptToNoise:
        """Text tower and UNet."""
        if self.start:
            cpu = torch.device("cpu")
            model = networks.EngineModel(self.start, cpu)
            clip = networks.EngineCLIP(self.start.file, STRUCTURE.text, cpu)
            network = PromptToNoise(model.network, clip.network)
        else:
            network = new_network(self.seed)
        steps = self.recipe.unet.steps
        stage = UNetStage(
            network,
            self.data(),
            functools.cache(self.latents),
            round(self.recipe.small_share * steps),
            self.seed + 2,
            self.recipe.batches["unet"],
            self.device,
        )
        train(stage, self.recipe.unet, self.folder / "unet.pt")
        return network.eval()

    def export(self, path: Path) -> None:
        """All parts, trained to the end if they are not yet, as one file."""
        facts = {
            "title": "sd2-depth-mini",
            "description": "a miniature of Stable Diffusion 2 depth-to-image, trained on synthetic "
            "scenes: it knows shapes, colours and materials, not photographs",
            "license": LICENCE,
            "commit": _commit(),
            **self.facts,
        }
        vae = self.vae()
        restore_finest(vae, self.seed)
        export(path, vae, self.midas(), self.unet(), facts)
        log.info("%s: %.1f MB", path, path.stat().st_size / 1e6)


def _trained(path: Path) -> Checkpoint:
    """A file to start from, of the widths that are trained here."""
    checkpoint = Checkpoint.open(path)
    found = (checkpoint.unet, checkpoint.vae, checkpoint.text)
    if found != (STRUCTURE.unet, STRUCTURE.vae, STRUCTURE.text):
        raise ValueError(
            f"{path} has other widths than are trained here ({found}); start from a file that "
            "this tool made"
        )
    return checkpoint


def _shards(folder: Path) -> int | None:
    """How many shards of frames the folder's training began with; None where none has begun."""
    file = folder / "training.json"
    facts = json.loads(file.read_text()) if file.exists() else {}
    return facts["frames"]["shards"] if "frames" in facts else None


def _claim(folder: Path, facts: dict[str, object]) -> None:
    """Mark a folder as this training's, or see that it is."""
    file = folder / "training.json"
    if not file.exists():
        file.write_text(json.dumps(facts))
    found = json.loads(file.read_text())
    if found != facts:
        raise ValueError(
            f"{folder} holds a training with {found}, not {facts}; go on with its options, or "
            "name another --folder"
        )


@torch.no_grad()
def _latents(network: AutoencoderKL, data: Dataset, side: int, device: torch.device) -> np.ndarray:
    latents = np.empty((len(data), PAINTINGS, LATENTS, side // 8, side // 8), np.float16)
    for scene in range(0, len(data), 8):
        if scene % 400 == 0:
            log.info("latents at %d: scene %d of %d", side, scene, len(data))
        images = _tensor(data.images[side][scene : scene + 8], device)
        with torch.autocast(device.type, torch.bfloat16):
            found = moments(network, images.flatten(0, 1))[:, :LATENTS].float() * SCALE_FACTOR
        latents[scene : scene + 8] = found.unflatten(0, (-1, PAINTINGS)).cpu()
    return latents


def _tensor(images: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.tensor(images, device=device).movedim(-1, -3) / 127.5 - 1


def _commit() -> str:
    """The commit of this checkout, marked when files differ from it; "unknown" outside one."""
    command = "git describe --always --dirty --exclude=* --abbrev=40".split()
    answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    if answer.returncode:
        log.warning("no commit goes into the file: %s", answer.stderr.strip())
        return "unknown"
    return answer.stdout.strip()


def main() -> None:
    """Run the stages that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m sd2_depth2img.tools.train_mini")
    parser.add_argument(
        "stage", nargs="?", choices=STAGES, default="export", help="default: all of them"
    )
    parser.add_argument("--folder", type=Path, default=Path("training"))
    parser.add_argument("--output", type=Path, default=SHIPPED)
    parser.add_argument("--recipe", choices=RECIPES, help="default: what the device suits")
    parser.add_argument(
        "--start", type=Path, metavar="FILE", help="train this file further, its VAE excepted"
    )
    parser.add_argument(
        "--frames", type=Path, metavar="FOLDER", help="rendered frames for MiDaS: see render/"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="CPU threads of this process")
    options = parser.parse_args()
    if not 0 <= options.seed < HELD_OUT:
        parser.error(f"the seed is {options.seed}; give one from 0 to {HELD_OUT - 1}")
    if options.recipe == "smoke" and options.output == SHIPPED:
        parser.error(f"the smoke recipe would replace {SHIPPED} by noise; name another --output")
    if not options.output.parent.is_dir():
        parser.error(f"there is no folder {options.output.parent} to write into")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    recipe = RECIPES[options.recipe or ("gpu" if device.type == "cuda" else "cpu")]
    training = Training(options.folder, recipe, options.seed, device, options.start, options.frames)
    if options.stage == "export":
        training.export(options.output)
    elif options.stage == "latents":
        for side in SIZES:
            training.latents(side)
    else:
        getattr(training, options.stage)()


if __name__ == "__main__":
    main()
