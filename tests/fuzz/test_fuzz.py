"""Two thousand odd inputs; `make fuzz` tries many more.

An input is refused with an answer, or read. It fails when

- an error is neither an OSError, a ValueError nor of a type of the package, or was not raised by a
  `raise` of the package (but for the system's own errors of a file that they name);
- the message names neither the file nor, for workflows and nodes, the node or one of its inputs;
  or is of more than 20,000 characters;
- it takes more than 10 s of processor time or 2 GB of memory, or the worker dies of it;
- anything is started, imported for a pickle, sent over the network, or written outside of the
  folders for it; or a file stays behind that is no result.

`make fuzz ARGS="--only KIND:NUMBER --keep DIR"` makes a failing one again.
"""

import sys

import pytest

from sd2_depth2img.tests.fuzz.kinds import KINDS, SHARES
from sd2_depth2img.tests.fuzz.runner import groups, run

INPUTS = 2_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches workers through /proc")


@pytest.mark.parametrize("kind", KINDS)
def test_every_odd_input_has_an_answer(kind, tmp_path):
    report = run(kind, KINDS[kind], range(INPUTS * SHARES[kind] // 1000), tmp_path / "work")
    found = [f"{len(alike)} like {alike[0]}" for alike in groups(report.failures).values()]
    assert not found, "\n".join([str(report), *found])
    assert report.inputs == INPUTS * SHARES[kind] // 1000
    assert 0 < report.refused < report.inputs  # neither all of it noise, nor all of it whole


def test_two_thousand_inputs_are_shared_out():
    assert sum(SHARES.values()) == 1000
    assert SHARES.keys() == KINDS.keys()
