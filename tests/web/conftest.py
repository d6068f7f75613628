"""ComfyUI's page in a real browser, in both of its renderers and with two frontends.

Debian's `chromium` is driven by Playwright. Where one of them, or ComfyUI, is missing, the folder
is skipped and says so; where SD2_DEPTH2IMG_BROWSER is `required`, as in `.ci/run`, it fails.

A worker of pytest-xdist starts one server a frontend and opens one page a renderer; all tests that
it is given share them, each on an empty canvas.
"""

import itertools
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image

from sd2_depth2img.tests.web.canvas import Canvas
from sd2_depth2img.tests.web.viewer_page import WATCH, add_viewer, wait_until_shown
from sd2_depth2img.tools.comfyui import PACK, ComfyUIError, Program, Server, furnish, put_images

HERE = Path(__file__).parent
NEWEST = Path(sys.prefix, "frontend", "comfyui_frontend_package", "static")
PAGES = list(itertools.product(("bundled", "newest"), Canvas.RENDERERS))
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Node.AlwaysShowAdvancedWidgets": False}


def _why_not() -> str | None:
    try:
        Program.find()
    except ComfyUIError as error:
        return str(error)
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    if not shutil.which("chromium"):
        return "there is no chromium (on Debian: apt install chromium)"
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if reason := _why_not():
        terminalreporter.write_line(f"tests/web (in a browser) skipped: {reason}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with a canvas runs on the pages that its mark `pages` names; on the first of all."""
    if "canvas" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("pages")
    wanted = mark.args if mark else ("bundled-classic",)
    pages = [page for page in PAGES if "all" in wanted or "-".join(page) in wanted]
    metafunc.parametrize("canvas", pages, ids=["-".join(page) for page in pages], indirect=True)


@pytest.fixture(scope="session")
def browser() -> Iterator:
    if reason := _why_not():
        required = os.environ.get("SD2_DEPTH2IMG_BROWSER") == "required"
        (pytest.fail if required else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Without a sandbox: in a container the browser may run as root.
        yield playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )


@pytest.fixture(scope="session")
def pages(browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """Gives the page of a frontend and a renderer; the servers run until the last test."""
    servers, canvases = {}, {}

    with ExitStack() as running:

        def page(frontend: str, renderer: str) -> Canvas:
            if frontend not in servers:
                base = _base(tmp_path_factory.mktemp(frontend))
                servers[frontend] = running.enter_context(_server(base, frontend))
            if (frontend, renderer) not in canvases:
                server = servers[frontend]
                canvases[frontend, renderer] = Canvas.open(browser, server, renderer)
            return canvases[frontend, renderer]

        yield page


@pytest.fixture
def canvas(pages, request: pytest.FixtureRequest) -> Iterator[Canvas]:
    """An empty canvas. What the page reports as an error fails the test."""
    canvas = pages(*request.param)
    canvas.clear()
    yield canvas
    assert canvas.errors == []


@pytest.fixture
def small_photo(canvas: Canvas) -> str:
    """The example's photo at a quarter of its size, in the input folder.

    Another one for each page: of what is in its cache, ComfyUI tells a page nothing.
    """
    name = f"small {canvas.renderer}.png"
    photo = Image.open(PACK / "example_workflows" / "astronaut.jpg").resize((128, 128))
    photo.putpixel((0, 0), (Canvas.RENDERERS.index(canvas.renderer), 0, 0))
    photo.save(canvas.server.base / "input" / name)
    return name


@pytest.fixture
def viewer(canvas, small_photo):
    """A viewer that has run; its id."""
    canvas.js(WATCH)
    node = add_viewer(canvas, small_photo)
    canvas.succeed()
    wait_until_shown(canvas)
    return node


def _server(base: Path, frontend: str):
    options = ["--cpu"]
    if frontend == "newest":
        if not NEWEST.is_dir():
            pytest.skip(f"there is no {NEWEST}, where `make test` puts the newest frontend")
        options += ["--front-end-root", str(NEWEST)]
    return Server.running(Program.find(), base, *options)


def _base(base: Path) -> Path:
    furnish(base)
    put_images(Program.find(), base / "input")
    shutil.copy(HERE / "warning_nodes.py", base / "custom_nodes")
    user = base / "user" / "default"
    user.mkdir(parents=True)
    (user / "comfy.settings.json").write_text(json.dumps(SETTINGS))
    return base
