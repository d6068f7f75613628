"""A page with the model on it, and the parts that several example workflows have."""

from typing import Any

from ...nodes.load import BUNDLED_CHECKPOINT
from .page import (
    BLUE,
    GREEN,
    GREEN_NODE,
    GREY,
    NOTES,
    RED,
    RED_NODE,
    VIOLET,
    YELLOW,
    Node,
    Output,
    Page,
)

SIZE = 256  # pixels; what the bundled checkpoint was trained at
LARGE = 384  # the largest at which it paints well
SAMPLING = {"steps": 20, "cfg": 3.0, "sampler_name": "dpmpp_2m", "scheduler": "karras"}
REAL_SIZES = "**size** of *Prepare Image* to 512, **resolution** to 384"


ABOUT_THE_MODEL = """
### Model and size

**sd2-depth-mini** comes with the pack, to try the nodes with: a small model that paints simple \
shapes, colours and materials at 256 x 256, no photographs. It likes **cfg** 3.

The real checkpoint, usually called **512-depth-ema**, goes into **models/checkpoints**. Choose it \
in *Depth Checkpoint Loader*, set {sizes} and **cfg** to 7 to 9, and write a negative prompt. \
Sides are best multiples of 64, the shorter one 512.
"""


class Example(Page):
    """A page that begins with the bundled checkpoint; methods open the groups they name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.group("Model", BLUE, 360)
        checkpoint = BUNDLED_CHECKPOINT.name
        self.model = self.add("SD2DepthCheckpointLoader", ckpt_name=checkpoint)

    # --- photo and depth map

    def photo(self) -> Node:
        """An image that every ComfyUI has, in a group of its own."""
        self.group("Photo", GREEN, 360, below=True)
        return self.add("LoadImage", "Your photo", image="example.png")

    def prepared(self, photo: Node, size: int = SIZE) -> Output:
        """The photo at the model's size."""
        return self.add("SD2DepthPrepare", image=photo, size=size)["image"]

    def photo_and_depth(self) -> tuple[Output, Node]:
        """Both at the model's size, in one group."""
        photo = self.prepared(self.photo())
        self.column()
        return photo, self.estimate(photo)

    def estimate(self, image: Node | Output) -> Node:
        """The depth map, and a look at it."""
        depth_model = self.model["depth_model"]
        depth = self.add("SD2DepthEstimate", image=image, depth_model=depth_model, resolution=SIZE)
        self.add("PreviewImage", "Depth map: white = near", images=depth)
        return depth

    def near(self, title: str, depth: Node, near: float = 1.0, **limits: float) -> Node:
        """A mask of what is near; with `near` 0 of what is far."""
        strengths = {"near_strength": near, "far_strength": 1.0 - near}
        return self.add("SD2DepthStrengthMap", title, depth=depth, **strengths, **limits)

    def ball(self, size: int) -> tuple[Node, Node]:
        """A ball as depth map, and the disc that it fills: a pyramid without corners and tip."""
        square = self.add("SolidMask", "Size of the ball", value=1.0, width=size, height=size)
        sides = dict.fromkeys(("left", "top", "right", "bottom"), size // 2)
        pyramid = self.add("FeatherMask", "Nearest in the middle", mask=square, **sides)
        disc = self.add("ThresholdMask", "Without the corners", mask=pyramid, value=0.25)
        self.column()
        hollow = self.add("InvertMask", mask=pyramid)
        round_ = self.add("MaskComposite", "Without the tip", destination=hollow, source=hollow)
        return self.add("InvertMask", "Ball", mask=round_), disc

    def add_shape(self, title: str, scene: Node, shape: Node, x: int, y: int) -> Node:
        """A shape in a scene of masks, its corner at (x, y)."""
        masks = {"destination": scene, "source": shape}
        return self.add("MaskComposite", title, x=x, y=y, operation="add", **masks)

    # --- prompts and latents

    def prompts(self, text: str) -> dict[str, Node]:
        """Both prompts, in a group of their own."""
        self.group("What to paint", YELLOW, 400)
        return {"positive": self.prompt("Prompt", text), "negative": self.negative_prompt()}

    def prompt(self, title: str, text: str | Node) -> Node:
        """What is to be seen."""
        return self.add("CLIPTextEncode", title, GREEN_NODE, clip=self.model["clip"], text=text)

    def negative_prompt(self) -> Node:
        """What is not."""
        clip = self.model["clip"]
        return self.add("CLIPTextEncode", "Negative prompt", RED_NODE, clip=clip, text="")

    def encode(self, title: str = "Depth and latent", /, **inputs: Any) -> Node:
        """The depth map in the conditioning, in a group that the latent joins."""
        self.group(title, VIOLET, 400, below=True)
        return self.add("SD2DepthEncode", **inputs)

    def latent_of(self, image: Node | Output) -> Node:
        """An image as latent."""
        return self.add("VAEEncode", pixels=image, vae=self.model["vae"])

    def decoded(self, latent: Node) -> Node:
        """A latent as image."""
        return self.add("VAEDecode", samples=latent, vae=self.model["vae"])

    # --- results

    def paint(
        self, encoded: Node, latent: Node, group: str = "Sample and save", **settings: Any
    ) -> Node:
        """Sampled and decoded, in a group of their own."""
        self.group(group, RED)
        return self.decoded(self.sample(encoded, latent, **settings))

    def sample(self, encoded: Node, latent: Node, **settings: Any) -> Node:
        """A sampler as the bundled checkpoint likes it."""
        sides = {side: encoded[side] for side in ("positive", "negative")}
        given = {"model": self.model["model"], "latent_image": latent, **sides}
        return self.add("SD2DepthSampler", **given, **SAMPLING, **settings)

    def save(self, image: Node | Output, prefix: str) -> None:
        """To the right of what made it."""
        self.column(480)
        self.add("SaveImage", images=image, filename_prefix=prefix)

    def notes(self, text: str, sizes: str = REAL_SIZES, title: str = "What it shows") -> None:
        """What the workflow is for, and what changes with the real checkpoint."""
        self.group(NOTES, GREY, 480)
        self.note(title, text)
        self.note("Model and size", ABOUT_THE_MODEL.format(sizes=sizes))
