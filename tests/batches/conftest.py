"""Small pictures, and workflows that do something with them."""

import json

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.batches.batch import Batch
from sd2_depth2img.batches.engine import Engine
from sd2_depth2img.batches.items import Item, ItemList
from sd2_depth2img.batches.results import OutputFolder
from sd2_depth2img.batches.tasks import WorkflowFile
from sd2_depth2img.engine import folders
from sd2_depth2img.tests.prompts import SCALE
from sd2_depth2img.workflows.changes import Changes


@pytest.fixture(autouse=True)
def _keep_folders():
    before = folders.current()
    yield
    folders.use(before)


@pytest.fixture
def picture(tmp_path):
    """Makes a picture of one grey, at a path below the test's folder; returns it."""

    def make(name, grey=0, size=(8, 8)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((size[1], size[0], 3), grey, np.uint8)).save(path)
        return path

    return make


@pytest.fixture
def workflow(tmp_path):
    """Makes a workflow file of nodes in the API format."""

    def make(nodes):
        path = tmp_path / "workflow.json"
        path.write_text(json.dumps(nodes), encoding="utf-8")
        return WorkflowFile.of(path)

    return make


@pytest.fixture
def scale(workflow):
    """A workflow that makes a picture smaller and saves it."""
    return workflow(SCALE)


@pytest.fixture
def items():
    """An item for each of some pictures, as the pictures are called."""

    def make(*paths, **changes):
        return ItemList(Item.of(path.stem, Changes(image=str(path), **changes)) for path in paths)

    return make


@pytest.fixture
def run(tmp_path):
    """Runs items through a workflow on the engine, into a folder; the steps."""

    def go(items, workflow, common=None, draws_seeds=False, output="out", precision=None):
        with OutputFolder.opened(tmp_path / output) as opened:
            places = folders.Folders.below(tmp_path)
            batch = Batch(items, workflow, common or Changes(), opened, draws_seeds, precision)
            return list(batch.run(Engine(workflow, places, opened.scratch)))

    return go
