"""How shares are told."""

import pytest

from sd2_depth2img.images.numbers import percent


@pytest.mark.parametrize(
    ("share", "told"), [(1, "100%"), (0.5, "50%"), (0.01, "1%"), (0.004, "less than 1%")]
)
def test_a_share_of_something_never_reads_as_none(share, told):
    assert percent(share) == told
