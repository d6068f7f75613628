"""A real ComfyUI for the tests of this folder, talked to as its web page does.

Which one, and how it is started, says tools/comfyui.py. Without any the folder is
skipped; with a COMFYUI_PATH that is none its tests fail.

The server runs on the CPU and lives in a temporary base folder: the pack is linked into its
`custom_nodes`, small checkpoints and images are put into its `models` and `input`.

Every worker of pytest-xdist that is given a file of this folder starts a server of its own.
"""

import base64
import itertools
import json
import os
import runpy
import shutil
import socket
import struct
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import requests
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from sd2_depth2img.tools.comfyui import HOST, PACK, ComfyUIError, Program, Server, furnish

HERE = Path(__file__).parent
RUN_SECONDS = 300
EXTRA_PATHS = "extra_model_paths.yaml"


def _why_not() -> str | None:
    try:
        Program.find()
    except ComfyUIError as error:
        return str(error)
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if reason := _why_not():
        terminalreporter.write_line(f"tests/comfyui (in a real ComfyUI) skipped: {reason}")


# --- the server ----------------------------------------------------------------------------------


class WorkflowError(Exception):
    """A node failed while running: the type and the message that the user sees."""

    def __init__(self, entry: dict[str, Any]) -> None:
        messages = dict(entry["status"]["messages"])
        error = messages.get("execution_error", {})
        self.interrupted = "execution_interrupted" in messages
        self.node = error.get("node_type")
        self.kind = error.get("exception_type")
        self.message = error.get("exception_message", "").strip()
        super().__init__(f"{self.node}: {self.kind}: {self.message}")


class RefusedError(Exception):
    """The server did not accept a workflow; the message is its JSON answer."""


@dataclass
class ComfyUI(Server):
    """A running server."""

    client: str = field(default_factory=lambda: uuid.uuid4().hex)

    def get(self, path: str, **parameters: str) -> Any:
        answer = requests.get(f"{self.url}{path}", params=parameters, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Any) -> requests.Response:
        return requests.post(f"{self.url}{path}", json=body, timeout=60)

    def submit(self, graph: dict, extra: dict | None = None) -> str:
        """Queue a workflow in API format; its id."""
        body = {"prompt": graph, "client_id": self.client, "extra_data": extra or {}}
        answer = self.post("/prompt", body)
        if not answer.ok:
            raise RefusedError(answer.text)
        return answer.json()["prompt_id"]

    def wait(self, prompt_id: str) -> dict[str, dict]:
        """The outputs of a queued workflow by node; raises WorkflowError."""
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            self.check_alive()
            entry = self.get(f"/history/{prompt_id}").get(prompt_id)
            if entry is not None:
                if entry["status"]["status_str"] != "success":
                    raise WorkflowError(entry)
                return entry["outputs"]
            time.sleep(0.05)
        raise TimeoutError(f"the workflow was not done after {RUN_SECONDS} s")

    def run(self, graph: dict, extra: dict | None = None) -> dict[str, dict]:
        return self.wait(self.submit(graph, extra))

    def latents(self, graph: dict) -> dict[str, torch.Tensor]:
        """Run a workflow; what its SaveLatent nodes saved, by node."""
        outputs = self.run(graph)
        return {
            node: load_file(self.file(output["latents"][0]))["latent_tensor"]
            for node, output in outputs.items()
            if "latents" in output
        }

    def latent(self, graph: dict) -> torch.Tensor:
        """The same for a workflow with one SaveLatent."""
        (result,) = self.latents(graph).values()
        return result

    def failure(self, graph: dict) -> WorkflowError:
        """Run a workflow that is expected to fail."""
        with pytest.raises(WorkflowError) as caught:
            self.run(graph)
        return caught.value

    def interrupted(self, prompt_id: str) -> bool:
        """Wait for a workflow; whether it ended because the user cancelled it."""
        with pytest.raises(WorkflowError) as caught:
            self.wait(prompt_id)
        return caught.value.interrupted

    def images(self, output: dict) -> list[np.ndarray]:
        """The images of one node's output, uint8 or uint16 [H, W(, C)]."""
        return [np.asarray(Image.open(self.file(entry))) for entry in output["images"]]

    def folder(self, name: str) -> Path:
        """One of ComfyUI's folders, such as `models/loras` or `input`."""
        return self.base / name

    def file(self, entry: dict) -> Path:
        """Where a file lies that a node's output names."""
        return self.base / entry["type"] / entry["subfolder"] / entry["filename"]

    def events(self) -> "Events":
        return Events(self.port, self.client)


class Event(NamedTuple):
    """A message of the server: JSON with its type, or a preview image (type "preview")."""

    type: str
    data: Any


class Events:
    """The server's websocket, read only (RFC 6455): a server neither masks nor splits frames."""

    def __init__(self, port: int, client: str) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=RUN_SECONDS)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /ws?clientId={client} HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._stream = self._socket.makefile("rb")
        while self._stream.readline().strip():
            pass

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def __iter__(self) -> Iterator[Event]:
        while True:
            opcode, payload = self._frame()
            if opcode == 1:
                message = json.loads(payload)
                yield Event(message["type"], message["data"])
            elif opcode == 2:
                yield Event("preview", payload)

    def until_done(self, prompt_id: str) -> Iterator[Event]:
        """The messages up to the end of a workflow."""
        for event in self:
            yield event
            done = event.type == "executing" and event.data["node"] is None
            if done and event.data.get("prompt_id") == prompt_id:
                return

    def _frame(self) -> tuple[int, bytes]:
        first, length = self._stream.read(2)
        if length == 126:
            (length,) = struct.unpack(">H", self._stream.read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._stream.read(8))
        return first & 0x0F, self._stream.read(length)


@pytest.fixture(scope="session")
def comfyui(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator:
    """The server, started once for all tests."""
    if reason := _why_not():
        (pytest.fail if "COMFYUI_PATH" in os.environ else pytest.skip)(reason)
    base = furnish(tmp_path_factory.mktemp("comfyui"))
    _fill(base, request.getfixturevalue("mini_checkpoint"))
    # One thread: threads that wait for each other cost more than they save on models this small.
    with ComfyUI.running(
        Program.find(), base, *_options(base), environment={"OMP_NUM_THREADS": "1"}
    ) as server:
        yield server


def _options(base: Path) -> list[str]:
    options = ["--cpu", "--preview-method", "latent2rgb"]
    options += ["--extra-model-paths-config", str(base / EXTRA_PATHS)]
    # ComfyUI rounds the text encoder's weights to float16 unless told otherwise, which moves the
    # context, and with it the latents, by 5e-4.
    return [*options, "--fp32-text-enc"]


def _fill(base: Path, checkpoint: Path) -> None:
    for extension in ("small_sd2.py", "tensor_nodes.py", "counting.py"):
        shutil.copy(HERE / extension, base / "custom_nodes")
    shutil.copy(checkpoint, base / "models" / "checkpoints" / DepthGraph.CHECKPOINT)
    for number, name in enumerate(DepthGraph.DEPTH_FILES):
        Image.fromarray(_depth_pixels(number)).save(base / "input" / name)
    _furnish_depth_models(base)


def _furnish_depth_models(base: Path) -> None:
    """One of each make, in every folder that they may lie in."""
    from sd2_depth2img.checkpoints.checkpoint import Checkpoint
    from sd2_depth2img.checkpoints.identify.diagnosis import Part
    from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT

    for file in DepthGraph.DEPTH_MODELS.values():
        (base / file).parent.mkdir(parents=True, exist_ok=True)
    # The trained one: random weights would magnify the hosts' different rounding.
    midas = Checkpoint.open(BUNDLED_CHECKPOINT).read(Part.MIDAS)
    save_file(midas, base / DepthGraph.DEPTH_MODELS["midas.safetensors"])
    torch.save({"model": midas}, base / DepthGraph.DEPTH_MODELS["shared.pt"])
    save_file({"w": torch.zeros(1)}, base / DepthGraph.DEPTH_MODELS["other.safetensors"])
    config = transformers.GLPNConfig(
        hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 1, 1, 1], decoder_hidden_size=16
    )
    folder = base / DepthGraph.DEPTH_MODELS["glpn"]
    transformers.GLPNForDepthEstimation(config).save_pretrained(folder)
    transformers.GLPNImageProcessor().save_pretrained(folder)
    (base / EXTRA_PATHS).write_text(
        f"shared:\n  base_path: {base}/shared\n  depth: depth_networks\n"
    )


@pytest.fixture(autouse=True)
def _log_of_this_test(comfyui: ComfyUI) -> Iterator[None]:
    """What the server logged during a test; pytest shows it when the test fails."""
    start = comfyui.log.stat().st_size
    yield
    with comfyui.log.open("rb") as log:
        log.seek(start)
        sys.stdout.write(log.read().decode("utf-8", errors="replace"))


# --- both hosts ----------------------------------------------------------------------------------


class Pair(NamedTuple):
    """One latent from either host."""

    comfyui: torch.Tensor
    engine: torch.Tensor

    @property
    def error(self) -> float:
        """Relative L2 error."""
        assert self.comfyui.shape == self.engine.shape
        return ((self.engine - self.comfyui).norm() / self.comfyui.norm()).item()


@pytest.fixture(scope="module", autouse=True)
def _seed_of_the_ancestral_noise(comfyui: ComfyUI) -> Iterator[None]:
    """On the CPU, ComfyUI draws the ancestral samplers' noise with seed + 1.

    Older versions, 0.3.64 among them, draw it with the seed itself, which gives the initial noise
    once more. The engine follows the newer rule; where the older one is in force it is told so.
    (Inpainting's second noise is drawn with seed + 1 in every version.)
    """
    from sd2_depth2img.engine import samplers

    source = comfyui.program / "comfy" / "k_diffusion" / "sampling.py"
    with pytest.MonkeyPatch.context() as patch:
        if "seed += 1" not in source.read_text(encoding="utf-8"):
            patch.setattr(samplers, "next_seed", lambda seed: seed)
        yield


@pytest.fixture(scope="module")
def engine(comfyui: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """Runs a workflow in the embedded engine, on ComfyUI's files; gives its outputs by node."""
    # Here, because without the engine's packages the rest of this folder still runs.
    from sd2_depth2img.engine import folders
    from sd2_depth2img.workflows.graph import Runner, parse_workflow

    used = folders.current()
    output = tmp_path_factory.mktemp("engine")
    folders.use(
        folders.Folders(comfyui.folder("input"), output, comfyui.folder("models/checkpoints"))
    )
    runner = Runner()

    def run(graph: Mapping) -> dict:
        # Through JSON, as from a file: a graph's own class is of no importance.
        return runner.run(parse_workflow(json.loads(json.dumps(graph)))).ui

    run.output = output
    yield run
    folders.use(used)


@pytest.fixture(scope="module")
def both(comfyui: ComfyUI, engine: Callable) -> Callable[[Mapping], dict[str, "Pair"]]:
    """Runs a workflow in both hosts: what its SaveLatent nodes saved, by node."""

    def run(graph: Mapping) -> dict[str, Pair]:
        theirs = comfyui.latents(graph)
        ours = {
            node: load_file(
                engine.output / shown["latents"][0]["subfolder"] / shown["latents"][0]["filename"]
            )["latent_tensor"]
            for node, shown in engine(graph).items()
            if "latents" in shown
        }
        assert theirs.keys() == ours.keys()
        return {node: Pair(theirs[node], ours[node]) for node in theirs}

    return run


@pytest.fixture(scope="module")
def runner(engine: Callable) -> Any:
    """The engine, with the nodes that give and keep values."""
    from sd2_depth2img.workflows.graph import Runner, all_nodes

    extension = runpy.run_path(str(HERE / "tensor_nodes.py"))
    return Runner({**all_nodes(), **extension["NODE_CLASS_MAPPINGS"]})


@pytest.fixture(scope="module")
def give(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], dict]:
    """A node that gives a value; a file of its own, as both hosts remember results by path."""
    folder, numbers = tmp_path_factory.mktemp("given"), itertools.count()

    def given(value: Any) -> dict:
        path = folder / str(next(numbers))
        torch.save(value, path)
        return {"class_type": "TestGive", "inputs": {"path": str(path)}}

    return given


@pytest.fixture(scope="module")
def run_both(
    comfyui: ComfyUI, runner: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Mapping], list[tuple]]:
    """Runs a graph in both hosts: what its TestKeep nodes were given, theirs and ours, by node."""

    from sd2_depth2img.workflows.graph import Workflow

    def run(graph: Mapping) -> list[tuple]:
        answers = []
        for host in (comfyui.run, lambda prompt: runner.run(Workflow(prompt))):
            folder = tmp_path_factory.mktemp("kept")
            prompt = json.loads(json.dumps(graph))
            kept = [n for n, node in prompt.items() if node["class_type"] == "TestKeep"]
            for node in kept:
                prompt[node]["inputs"]["path"] = str(folder / node)
            host(prompt)
            answers.append([torch.load(folder / node) for node in kept])
        return list(zip(*answers, strict=True))

    return run


# --- workflows -----------------------------------------------------------------------------------


class Node(str):
    """The id of a node; called, a link to one of its outputs."""

    def __call__(self, slot: int = 0) -> list:
        return [str(self), slot]


class DepthGraph(dict):
    """A workflow in API format, built node by node.

    It begins with what every sampler needs: a checkpoint, two prompts with a depth map, an empty
    latent. The attributes are links to these.
    """

    CHECKPOINT = "mini.safetensors"
    DEPTH_FILES = ("depth 0.png", "depth 1.png", "depth 2.png", "depth 3.png")
    DEPTH_MODELS = {
        "midas.safetensors": "models/depth/midas.safetensors",
        "other.safetensors": "models/geometry_estimation/other.safetensors",
        "glpn": "models/depthanything/glpn",
        "shared.pt": "shared/depth_networks/shared.pt",
    }
    POSITIVE, NEGATIVE = "a (red:1.2) cottage by the sea", "blurry, text"
    SAMPLING = {
        "seed": 7,
        "steps": 2,
        "cfg": 5.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
    }

    def __init__(
        self,
        checkpoint: str = CHECKPOINT,
        width: int = 64,
        height: int = 64,
        batch: int = 1,
        depth_files: Sequence[str] = DEPTH_FILES[:1],
        encode_depth: bool = True,
    ) -> None:
        super().__init__()
        loader = self.add("SD2DepthCheckpointLoader", ckpt_name=checkpoint)
        self.model, self.clip, self.vae, self.depth_model = (loader(slot) for slot in range(4))
        self.depth = self.load_depth(*depth_files)
        self.positive, self.negative = self.prompt(self.POSITIVE), self.prompt(self.NEGATIVE)
        if encode_depth:
            self.positive, self.negative = self.encode(self.positive, self.negative)
        latent = self.add("EmptyLatentImage", width=width, height=height, batch_size=batch)
        self.latent = latent()

    def add(self, class_type: str, /, **inputs: Any) -> Node:
        node = Node(len(self) + 1)
        self[str(node)] = {"class_type": class_type, "inputs": inputs}
        return node

    def load_depth(self, first: str, *others: str) -> list:
        """A batch of depth maps."""
        link = self.add("LoadImage", image=first)()
        for name in others:
            other = self.add("LoadImage", image=name)
            link = self.add("ImageBatch", image1=link, image2=other())()
        return link

    def prompt(self, text: str) -> list:
        return self.add("CLIPTextEncode", clip=self.clip, text=text)()

    def encode(self, positive: list, negative: list) -> tuple[list, list]:
        """Both conditionings with the depth map."""
        node = self.add("SD2DepthEncode", positive=positive, negative=negative, depth=self.depth)
        return node(0), node(1)

    def sample(self, class_type: str = "SD2DepthSampler", /, **changes: Any) -> list:
        """A sampler on what the attributes hold; a link to its latent."""
        links = {
            "model": self.model,
            "positive": self.positive,
            "negative": self.negative,
            "latent_image": self.latent,
        }
        return self.add(class_type, **{**links, **self.SAMPLING, **changes})()

    def save(self, latent: list) -> Node:
        return self.add("SaveLatent", samples=latent, filename_prefix="latents/test")


def _depth_pixels(number: int) -> np.ndarray:
    """A sphere before a slope, elsewhere for every number: uint8 [96, 80]."""
    y, x = np.mgrid[0:96, 0:80] / 96
    sphere = 0.3 - np.hypot(y - 0.3 - 0.1 * number, x - 0.5 + 0.05 * number)
    return (80 * y + 500 * sphere.clip(0, None)).round().astype(np.uint8)


@pytest.fixture(scope="session")
def depth_graph() -> type[DepthGraph]:
    """The class itself: a test may need several workflows."""
    return DepthGraph


@pytest.fixture
def example(comfyui: ComfyUI, photo: torch.Tensor) -> tuple[dict, str]:
    """The example workflow in API format, made small and quick, and the id of its Save Image."""
    # Here, because without the engine's packages the rest of this folder still runs.
    from sd2_depth2img.workflows.graph import read_workflow

    pixels = (photo[0] * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(comfyui.folder("input") / "photo.png")
    graph = read_workflow(PACK / "example_workflows" / "Depth to Image.json").prompt
    changes = {
        "SD2DepthCheckpointLoader": {"ckpt_name": DepthGraph.CHECKPOINT},
        "LoadImage": {"image": "photo.png"},
        "SD2DepthSettings": {"size": 128, "steps": 2},
    }
    for node in graph.values():
        node["inputs"].update(changes.get(node["class_type"], {}))
    (save,) = (key for key, node in graph.items() if node["class_type"] == "SaveImage")
    return graph, save
