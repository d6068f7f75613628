"""What nodes have in common: work on a batch (order, sharing out, memory), checks before a run."""

import logging

import numpy as np
import pytest
import torch

from sd2_depth2img.depth.convention import NoDepthMap
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.nodes.node import Node, one_by_one
from sd2_depth2img.nodes.remedies import REMEDIES, answer

log = logging.getLogger("sd2_depth2img.depth.test")


def test_every_entry_meets_its_own_and_fewer_are_shared_out_as_a_whole():
    met = []

    def edit(depth, patch, mask, other):
        met.append((depth.item(), patch.item(), mask.item(), other))
        return depth + patch

    result = one_by_one(
        "Test",
        edit,
        depth=torch.arange(4.0).reshape(4, 1, 1),
        patch=torch.tensor([10.0, 20.0]).reshape(2, 1, 1),
        mask=torch.tensor([7.0]).reshape(1, 1, 1),
        other=None,
    )
    assert met == [(0, 10, 7, None), (1, 20, 7, None), (2, 10, 7, None), (3, 20, 7, None)]
    assert result.flatten().tolist() == [10, 21, 12, 23]


@pytest.mark.parametrize("number", [3, 8])
def test_what_cannot_be_shared_out_is_refused_before_anything_runs(number):
    def edit(depth, mask):
        raise AssertionError("it ran")

    with pytest.raises(ValueError, match=f"{number} entries of mask .* to 4 entries of depth"):
        one_by_one("Test", edit, depth=torch.rand(4, 2, 2), mask=torch.rand(number, 2, 2))


def test_what_an_edit_writes_to_is_its_own():
    image = torch.rand(2, 4, 4, 3)
    depth, before = image[..., 0], image.clone()
    one_by_one("Test", lambda depth: depth.mul_(2), depth=depth)
    assert torch.equal(image, before)


def test_the_size_may_change_and_the_type_too():
    result = one_by_one("Test", lambda t: t[:, :1] > 0.5, t=torch.rand(3, 4, 4))
    assert result.shape == (3, 1, 4)
    assert result.dtype == torch.bool


def test_a_check_before_the_run_answers_with_the_remedy(monkeypatch):
    monkeypatch.setitem(REMEDIES, UnicodeError, "Rename it.")

    errors = {
        "gone": FileNotFoundError("there is no such file"),
        "strange": UnicodeError("a strange name."),
        "bug": ZeroDivisionError(),
    }

    def check(name):
        if name in errors:
            raise errors[name]

    assert answer(check, None) is answer(check, "there") is True
    assert answer(check, "gone") == "there is no such file"
    assert answer(check, "strange") == "a strange name. Rename it."
    assert answer(check, 7) == "a text is expected; found 7"
    with pytest.raises(ZeroDivisionError):
        answer(check, "bug")


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "given", "said"),
    [
        ("SD2DepthParallax", {"grow": -1}, "input grow: -1 is out of range; expected 0 to 64"),
        ("SD2DepthParallax", {"strength": float("nan")}, "input strength: nan is out of range"),
        ("SD2DepthMerge", {"blend": 3.0}, "input blend: 3.0 is out of range; expected 0.0 to 1.0"),
        ("SD2DepthFill", {"x1": float("inf")}, "input x1: inf is out of range"),
        ("SD2DepthFill", {"near": np.float32(2)}, "input near: .*2.0.* is out of range"),
        ("SD2DepthAdjust", {"gamma": 10**400}, "input gamma: .* is out of range"),
    ],
)
def test_numbers_that_come_by_wire_are_held_to_their_inputs_limits(node, given, said):
    depth = torch.rand(1, 8, 8, 3)
    sockets = {"image": depth, "depth": depth, "patch": depth, "mask": depth[..., 0]}
    kind = NODE_CLASS_MAPPINGS[node]
    required = kind.INPUT_TYPES()["required"]
    with pytest.raises(ValueError, match=said):
        kind().run(**{n: sockets[n] for n in required if n in sockets}, **given)


def test_every_number_of_a_list_is_held_to_them():
    image = torch.rand(1, 8, 8, 3)
    grid = NODE_CLASS_MAPPINGS["SD2DepthGrid"]()
    with pytest.raises(ValueError, match="input columns: -1 is out of range"):
        grid.run(images=[image], columns=[-1])


def test_numbers_at_their_limits_are_taken():
    depth = torch.rand(1, 8, 8, 1).repeat(1, 1, 1, 3)
    node = NODE_CLASS_MAPPINGS["SD2DepthMerge"]()
    for blend in (0, 1, np.float64(1.0)):
        assert node.run(depth=depth, patch=depth, blend=blend)[0].shape == depth.shape


# --- what hosts call -----------------------------------------------------------------------------


def node_of(execute, returns=("IMAGE",), names=("image",)):
    kind = {"RETURN_TYPES": returns, "RETURN_NAMES": names, "execute": execute}
    kind["INPUT_TYPES"] = classmethod(lambda cls: {"required": {}})
    return type("Test", (Node,), kind)()


def warns(self, count=1):
    for number in range(count):
        log.warning("map %d is flat", number)
    return (count,)


def test_without_anything_to_show_the_outputs_come_as_they_are():
    assert node_of(lambda self: (1,)).run() == (1,)


def test_warnings_are_shown_beside_the_outputs():
    assert node_of(warns).run() == {"ui": {"warnings": ["map 0 is flat"]}, "result": (1,)}
    assert node_of(warns).run(count=60)["ui"]["warnings"] == ["map 0 is flat (60 times)"]


def test_they_join_what_the_node_shows_itself():
    def execute(self):
        warns(self)
        return {"ui": {"text": ["a report"]}, "result": ("a report",)}

    given = node_of(execute).run()
    assert given["ui"] == {"text": ["a report"], "warnings": ["map 0 is flat"]}
    assert given["result"] == ("a report",)


def test_a_node_without_outputs_keeps_what_it_shows():
    given = node_of(lambda self: {"ui": {"images": []}}, (), ()).run()
    assert given == {"ui": {"images": [], "warnings": []}}


def test_a_later_run_does_not_repeat_them():
    node = node_of(lambda self, flat: warns(self) if flat else (0,))
    assert node.run(flat=True)["ui"]["warnings"]
    assert node.run(flat=False) == (0,)


def test_execute_alone_gives_the_outputs_and_the_packs_own_errors():
    def fails(self):
        raise NoDepthMap("there is no depth map")

    assert node_of(warns).execute() == (1,)
    with pytest.raises(NoDepthMap, match=r"^there is no depth map$"):
        node_of(fails).execute()


def test_errors_leave_as_pythons_own_kinds_and_keep_their_traceback():
    def fails(self):
        raise NoDepthMap("there is no depth map")

    with pytest.raises(ValueError, match="Use Depth Estimation") as told:
        node_of(fails).run()
    assert type(told.value) is ValueError
    assert told.value.__suppress_context__  # one fault, one error
    assert told.traceback[-1].name == "fails"


class Interrupted(Exception):  # noqa: N818 - as ComfyUI names it
    """As ComfyUI's, which it recognises by its class."""


@pytest.mark.parametrize("error", [Interrupted("stop"), torch.OutOfMemoryError("no memory")])
def test_errors_of_others_are_not_touched(error):
    def fails(self):
        raise error

    with pytest.raises(type(error)) as told:
        node_of(fails).run()
    assert told.value is error
