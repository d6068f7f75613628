"""The editor's arithmetic in the browser: against Python's, and against itself."""

import json
import logging
import re

import numpy as np
import pytest
import torch

from sd2_depth2img.depth.editing import work
from sd2_depth2img.depth.editing.ground import Ground
from sd2_depth2img.depth.editing.painting import paint
from sd2_depth2img.depth.editing.state import UnusableEdits, read_state
from sd2_depth2img.tests.depth.editing.random_states import Scene, broken, scene
from sd2_depth2img.tests.web.paintings import MODULES, Paintings, map_of

BOUNDS = {"plain": 1 / 1024, "edges": 1 / 256}
SCENES = range(40)
STATES = range(300)


@pytest.fixture(scope="module")
def paintings(pages, browser):
    page = browser.new_context().new_page()
    page.goto(f"{pages('bundled', 'classic').server.url}{MODULES}/painting.js")
    yield Paintings(page)
    page.context.close()


def in_python(one: Scene) -> list[np.ndarray]:
    depth = torch.from_numpy((one.steps / 65535).astype(np.float32))[None]
    image = None
    if one.guide is not None:
        image = torch.from_numpy(one.guide / np.float32(255))[None, ..., None].expand(-1, -1, -1, 3)
    planes = paint(depth, read_state(json.dumps(one.state)), image)
    return [plane[0].numpy() for plane in planes]


@pytest.mark.parametrize("kind", BOUNDS)
def test_gives_what_python_gives(paintings, kind):
    for seed in SCENES:
        one = scene(seed, edges=kind == "edges")
        here = paintings.planes("return loaded(map, state);", one)
        for browser, python in zip(here, in_python(one), strict=True):
            assert np.abs(browser - python).max() <= BOUNDS[kind], seed


def test_a_state_without_edits_leaves_every_bit(paintings):
    one = scene(1, edges=True)
    for text in ("", '{"version": 1, "size": [5, 5], "layers": []}'):
        script = "const painting = new Painting(map); painting.load(text); return painting;"
        depth, touched = paintings.planes(script, one, text=text)
        assert (depth == (one.steps / 65535).astype(np.float32)).all()
        assert not touched.any()


# Draws a state edit by edit. `seen` has the bits after each step; whatever changed lies in the
# rectangles that were to be drawn again.
SITTING = """
    const painting = new Painting(map);
    const seen = [];
    const look = () => seen.push(bits(painting));
    look();
    for (const [i, { edits, ...look_ }] of state.layers.entries()) {
        if (i) (painting.addLayer(), look());
        for (const edit of edits) {
            const before = painting.result.slice();
            const boxes = make(painting, edit).filter(Boolean);
            look();
            const outside = before.findIndex((depth, at) => {
                const [x, y] = [at % map.width, Math.floor(at / map.width)];
                const inside = ({ x: left, y: top, width, height }) =>
                    left <= x && x < left + width && top <= y && y < top + height;
                return depth !== painting.result[at] && !boxes.some(inside);
            });
            if (outside >= 0) return `${JSON.stringify(edit)} changed ${outside}`;
        }
        painting.changeLayer(painting.activeLayer, look_);
        look();
    }
"""


@pytest.mark.parametrize("kind", BOUNDS)
def test_what_is_seen_live_is_what_is_loaded(paintings, kind):
    compare = "return [seen.at(-1), bits(loaded(map, painting.state))];"
    for seed in SCENES:
        live, loaded = paintings.run(SITTING + compare, scene(seed, edges=kind == "edges"))
        assert live == loaded, seed


@pytest.mark.parametrize("patches", ["kept", "given up"])
def test_undo_and_redo_bring_every_bit_back(paintings, patches):
    script = """
        if (patches === "given up") painting.changeMap(map);
        const back = seen.toReversed().slice(1).map(() => (painting.undo(), bits(painting)));
        const none = painting.undo() === null && !painting.canUndo;
        const forth = seen.slice(1).map(() => (painting.redo(), bits(painting)));
        const end = painting.redo() === null && !painting.canRedo;
        return { seen, back, forth, none, end };
    """
    for seed in SCENES[:20]:
        sitting = paintings.run(SITTING + script, scene(seed, edges=True), patches=patches)
        assert sitting["back"] == sitting["seen"][-2::-1], seed
        assert sitting["forth"] == sitting["seen"][1:], seed
        assert sitting["none"]
        assert sitting["end"]


def test_edits_below_other_layers_and_layers_that_move_go_through_all_of_them(paintings):
    script = """
        const painting = loaded(map, state);
        const before = bits(painting);
        const differ = [];
        const compare = (what) => {
            if (bits(painting) !== bits(loaded(map, painting.state))) differ.push(what);
        };
        const { layers } = painting;
        for (let i = 0; i < layers.length; i++) {
            painting.activeLayer = i;
            for (const edit of layers.at(-1).edits) make(painting, edit);
            compare(`edits in layer ${i}`);
        }
        painting.moveLayer(0, layers.length - 1);
        compare("moved up");
        painting.moveLayer(layers.length - 1, 0);
        compare("moved down");
        painting.showLayer(0, !layers[0].visible);
        compare("shown");
        painting.changeLayer(0, { opacity: 0.3, frames: [0, 1] });
        compare("mixed");
        painting.removeLayer(layers.length - 1);
        compare("removed");
        painting.clear();
        compare("cleared");
        while (painting.canUndo) painting.undo();
        return { differ, same: bits(painting) === before };
    """
    for seed in SCENES[:20]:
        assert paintings.run(script, scene(seed, edges=True)) == {"differ": [], "same": True}, seed


def test_an_edit_that_is_given_up_leaves_nothing(paintings):
    script = """
        const painting = loaded(map, state);
        const before = [bits(painting), JSON.stringify(painting.state)];
        for (const end of ["cancel", "undo"]) {
            painting.begin({ ...stroke, points: [[3, 4]] });
            painting.extend([[30, 20, 0.5], [10, 40, 1]]);
            painting.extend({ radius: 4 });
            if (bits(painting) === before[0]) return "nothing was drawn";
            painting[end]();
            if (painting.isLive) return "still live";
        }
        return String([bits(painting), JSON.stringify(painting.state)]) === String(before);
    """
    stroke = {"tool": "stroke", "does": "nearer", "amount": 0.4, "radius": 30, "edges": True}
    one = Scene(*scene(3, edges=True)[:2], {"version": 1, "size": [50, 50], "layers": []})
    assert paintings.run(script, one, stroke=stroke) is True


def test_another_map_keeps_edits_and_history(paintings):
    """As after a run with another photo: edits scale with the map."""
    one, other = scene(5, edges=True), scene(6, edges=True)
    script = SITTING + "painting.changeMap(read(other)); return "
    same = "bits(painting) === bits(loaded(read(other), painting.state))"
    assert paintings.run(script + same, one, other=map_of(other))
    base = """(() => {
        while (painting.canUndo) painting.undo();
        return painting.result.every((depth, i) => depth === painting.base[i]);
    })()"""
    assert paintings.run(script + base, one, other=map_of(other))


def test_changes_of_a_slider_are_one_step(paintings):
    script = """
        const painting = loaded(map, state);
        const opacities = [];
        const note = () => opacities.push(painting.layers[0].opacity);
        for (const opacity of [0.9, 0.5, 0.2])
            painting.changeLayer(0, { opacity }, { merge: true });
        note();
        painting.undo();
        note();
        painting.redo();
        note();
        return [...opacities, painting.canRedo];
    """
    one = scene(2, edges=False)
    one.state["layers"][0]["opacity"] = 1
    assert paintings.run(script, one) == [0.2, 1, 0.2, False]


def test_needs_no_page(paintings):
    """A worker has no document."""
    script = """
        const source = `
            const { Painting } = await import("${location.href}");
            const painting = new Painting({ width: 9, height: 9, base: new Uint16Array(81) });
            painting.begin(${JSON.stringify(stroke)});
            painting.commit();
            postMessage([painting.at(5, 5), typeof document]);
        `;
        const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
        const worker = new Worker(url, { type: "module" });
        return new Promise((done, failed) => {
            worker.onmessage = ({ data }) => done(data);
            worker.onerror = ({ message }) => failed(new Error(message));
        });
    """
    stroke = {**_nearer(), "amount": 0.25}
    assert paintings.run(script, scene(0, edges=False), stroke=stroke) == [0.25, "undefined"]


# --- States as they come --------------------------------------------------------------------------


def test_a_state_of_a_newer_version_is_refused_and_changes_nothing(paintings):
    script = """
        const painting = loaded(map, state);
        const before = [bits(painting), painting.state];
        try {
            painting.load({ ...state, version: 2 });
        } catch (error) {
            const same = bits(painting) === before[0] && painting.state === before[1];
            return [error instanceof stateModule.StateError, error.message, same];
        }
    """
    is_state_error, message, same = paintings.run(script, scene(4, edges=False))
    assert is_state_error
    assert "version 2" in message
    assert "version 1" in message
    assert same


def test_what_it_does_not_know_is_kept(paintings):
    one = scene(7, edges=False)
    one.state["by"] = {"hand": [1]}
    one.state["layers"][0]["colour"] = "red"
    one.state["layers"][0]["edits"] = [{**_nearer(), "mood": 3}]
    script = """
        const painting = loaded(map, state);
        make(painting, state.layers[0].edits[0]);
        return stateModule.serialise(painting.state);
    """
    kept = json.loads(paintings.run(script, one))
    assert kept["by"] == {"hand": [1]}
    assert kept["layers"][0]["colour"] == "red"
    assert kept["layers"][0]["edits"][0]["mood"] == 3


def test_clamps_and_refuses_what_python_clamps_and_refuses(paintings, caplog):
    script = """
        return states.map((text) => {
            try {
                return stateModule.parse(text).clamped;
            } catch (error) {
                if (error instanceof stateModule.StateError) return null;
                throw error;
            }
        });
    """
    states = [json.dumps(broken(seed)) for seed in STATES]
    found = paintings.run(script, scene(0, edges=False), states=states)
    assert {None, 0, 1} <= set(found)
    for text, clamped in zip(states, found, strict=True):
        assert clamped == _clamped_by_python(text, caplog), text


def _clamped_by_python(text: str, caplog: pytest.LogCaptureFixture) -> int | None:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        try:
            read_state(text)
        except UnusableEdits:
            return None
    counted = re.search(r"(\d+) numbers? of the edits", caplog.text)
    return int(counted[1]) if counted else 0


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"radius": "x"}, 'layers[0].edits[0].radius is "x"; expected a number.'),
        ({"points": [[1, 2], [3]]}, "layers[0].edits[0].points[1] is [3]; expected a list of 3."),
        ({"does": "paint"}, 'layers[0].edits[0].does is "paint"; expected one of nearer, '),
        ({"tool": "saw"}, 'layers[0].edits[0].tool is "saw"; expected one of stroke, '),
        ({"radius": None}, "layers[0].edits[0].radius is null; expected a number."),
    ],
)
def test_says_where_a_state_is_wrong(paintings, state, said):
    script = """
        try {
            loaded(map, state);
        } catch ({ message }) {
            return message;
        }
    """
    one = scene(0, edges=False)
    layers = [{"edits": [{**_nearer(), **state}]}]
    message = paintings.run(script, one._replace(state={**one.state, "layers": layers}))
    assert message.startswith(said)


def test_keeps_no_more_edits_than_there_may_be(paintings):
    script = """
        const [layer] = loaded(map, state).layers;
        const edits = Array(stateModule.LIMITS.edits).fill(layer.edits[0]);
        const painting = new Painting(map);
        painting.load({ ...state, layers: [{ ...layer, visible: false, edits }] });
        try {
            painting.begin(edits[0]);
        } catch ({ message }) {
            return [message, painting.isLive];
        }
    """
    one = scene(0, edges=False)
    one = one._replace(state={**one.state, "layers": [{"edits": [_nearer()]}]})
    message, is_live = paintings.run(script, one)
    assert message == "There are 10001 edits; at most 10000 are kept."
    assert not is_live


def test_counts_work_as_python_does(paintings):
    script = """
        return state.layers.flatMap(({ edits }) => edits).map((edit) => {
            const sizes = new Sizes(map, state.size);
            return workOf(stateModule.checkEdit(edit), sizes);
        });
    """
    for seed in SCENES:
        one = scene(seed, edges=True)
        here = paintings.run(script, one)
        edits = [edit for layer in read_state(json.dumps(one.state)).layers for edit in layer.edits]
        ground = Ground(np.float32(one.steps), None, one.state["size"])
        assert here == pytest.approx([work.work_of(edit, ground) for edit in edits]), seed


def test_refuses_what_would_take_too_long(paintings):
    """A node would refuse it, after it has been drawn."""
    script = """
        const [width, height] = [2000, 2000];
        const painting = new Painting({ width, height, base: new Uint16Array(width * height) });
        try {
            painting.load({ version: 1, size: [width, height], layers: [{ edits }] });
        } catch ({ message }) {
            return [message, painting.layers[0].edits.length];
        }
    """
    edit = {**_nearer(), "radius": 4000, "does": "smooth", "reach": 1024}
    message, count = paintings.run(script, scene(0, edges=False), edits=[edit] * 9000)
    assert re.fullmatch(r"The edits would take about [\d.]+ times as long as they may .*", message)
    assert count == 0


def _nearer() -> dict:
    return {"tool": "stroke", "does": "nearer", "amount": 0.5, "points": [[5, 5, 1]], "radius": 4}
