"""A page with the model on it, and the parts that several example workflows have."""

from typing import Any

from ...nodes.load import BUNDLED_CHECKPOINT
from .layout import Group
from .node import Node, Output
from .page import BLUE, GREEN, GREEN_NODE, RED, RED_NODE, VIOLET, YELLOW, Page

# Of the sampler; the rest comes from Model Settings.
SAMPLER = {"sampler_name": "dpmpp_2m", "scheduler": "karras"}
TOP, BOTTOM = 0, 1  # rows: how it is painted; the images


ABOUT_THE_MODEL = """

---

**The real checkpoint** (512-depth-ema) goes into **models/checkpoints**. Choose it in *Depth \
Checkpoint Loader* and write a negative prompt; size, steps and cfg follow by themselves (*Model \
Settings*). **sd2-depth-mini**, which comes with the pack, paints simple shapes, colours and \
materials only, no photographs.
"""


class Example(Page):
    """A page on which models are loaded; methods open the groups they name."""

    model: Node
    loaded: Group  # where the model is
    size: Output
    sampling: dict[str, Output]

    # --- the model

    def load(self, width: int = 260) -> None:
        """The checkpoint, and what suits it."""
        self.loaded = self.group("Model", BLUE, width)
        self.model = self.checkpoint()
        settings = self.add("SD2DepthSettings", model=self.model)
        self.size = settings["size"]
        self.sampling = {name: settings[name] for name in ("steps", "cfg")}

    def checkpoint(self) -> Node:
        """The one that comes with the pack."""
        return self.add("SD2DepthCheckpointLoader", ckpt_name=BUNDLED_CHECKPOINT.name)

    # --- photo and depth map

    def photo(self) -> Node:
        """An image that every ComfyUI has, in a group of its own."""
        self.group("Photo", GREEN, 270, row=BOTTOM)
        return self.add("LoadImage", "Your photo", image="example.png")

    def prepared(self, photo: Node) -> Output:
        """The photo at the model's size."""
        return self.add("SD2DepthPrepare", image=photo, size=self.size)["image"]

    def photo_and_depth(self) -> tuple[Output, Node]:
        """Both at the model's size, in a group each."""
        photo = self.prepared(self.photo())
        return photo, self.depth(photo)

    def depth(self, image: Node | Output) -> Node:
        """The estimated depth map, in a group of its own."""
        self.group("Depth map", GREEN, 260, row=BOTTOM)
        return self.estimate(image)

    def estimate(self, image: Node | Output, **settings: Any) -> Node:
        """The depth map."""
        depth_model = self.model["depth_model"]
        return self.add("SD2DepthEstimate", image=image, depth_model=depth_model, **settings)

    # --- prompts and latents

    def prompts(self, text: str, width: int = 290) -> dict[str, Node]:
        """Both prompts, in a group of their own."""
        self.group("What to paint", YELLOW, width)
        return {"positive": self.prompt("Prompt", text), "negative": self.negative_prompt()}

    def prompt(self, title: str, text: str | Node) -> Node:
        """What is to be seen."""
        return self.add("CLIPTextEncode", title, GREEN_NODE, clip=self.model["clip"], text=text)

    def negative_prompt(self) -> Node:
        """What is not."""
        clip = self.model["clip"]
        return self.add("CLIPTextEncode", "Negative prompt", RED_NODE, clip=clip, text="")

    def encode(self, title: str = "Encode", /, **inputs: Any) -> Node:
        """The depth map in the conditioning, in a group that the latent joins."""
        self.group(title, VIOLET, 250)
        return self.add("SD2DepthEncode", **inputs)

    def latent_of(self, image: Node | Output) -> Node:
        """An image as latent."""
        return self.add("VAEEncode", pixels=image, vae=self.model["vae"])

    def decoded(self, latent: Node) -> Node:
        """A latent as image."""
        return self.add("VAEDecode", samples=latent, vae=self.model["vae"])

    # --- results

    def paint(self, encoded: Node, latent: Node, group: str = "Sampling", **settings: Any) -> Node:
        """Sampled and decoded, in a group of their own."""
        self.group(group, RED, 280)
        return self.decoded(self.sample(encoded, latent, **settings))

    def sample(self, encoded: Node, latent: Node, **settings: Any) -> Node:
        """A sampler as the model likes it; `seed` says what happens to it after a run."""
        sides = {side: encoded[side] for side in ("positive", "negative")}
        given = {"model": self.model["model"], "latent_image": latent, **sides, **self.sampling}
        return self.add("SD2DepthSampler", **{**given, **SAMPLER, **settings})

    def result(self, image: Node | Output, prefix: str) -> None:
        """Saved, in a group of its own beside photo and depth map, as wide as there is room."""
        self.group("Result", RED, 280, row=BOTTOM)
        self.add("SaveImage", images=image, filename_prefix=prefix)

    def grid(self, prefix: str, **inputs: Any) -> None:
        """Many images as one, saved."""
        self.group("Result", RED, 228, row=BOTTOM)
        grid = self.add("SD2DepthGrid", **inputs)
        self.column(280)
        self.add("SaveImage", images=grid, filename_prefix=prefix)

    def about(self, text: str, title: str = "What it shows", model: str = ABOUT_THE_MODEL) -> None:
        """What the workflow is for, what to try, and what changes with the real checkpoint."""
        self.notes((title, text.strip() + model))
