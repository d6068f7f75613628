"""Sharing out, and putting together."""

import pytest
import torch

from sd2_depth2img.images.batch import check_shares, gather


@pytest.mark.parametrize(("number", "total"), [(1, 1), (1, 5), (2, 6), (6, 6)])
def test_divisors_can_be_shared_out(number, total):
    check_shares(number, "maps", total, "images")


@pytest.mark.parametrize(("number", "total"), [(2, 1), (4, 6), (12, 6)])
def test_other_numbers_are_refused_with_both(number, total):
    with pytest.raises(ValueError, match=f"{number} maps cannot be shared out to {total} images"):
        check_shares(number, "maps", total, "images")


def test_parts_come_together_in_their_order_one_at_a_time():
    parts = torch.rand(3, 4, 5).split(1)
    taken = []

    def one_at_a_time():
        for index, part in enumerate(parts):
            taken.append(index)
            yield part

    assert torch.equal(gather(one_at_a_time(), 3), torch.cat(parts))
    assert taken == [0, 1, 2]


@pytest.mark.parametrize("count", [2, 4])
def test_another_number_of_parts_is_refused(count):
    with pytest.raises(ValueError, match="zip"):
        gather(iter(torch.rand(3, 4).split(1)), count)
