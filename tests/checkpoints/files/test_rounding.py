"""Rounding to another type never loses a value in silence, whatever torch makes of it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.checkpoints.files.rounding import DtypeOverflow, rounded

FP16, BF16, FP32 = torch.float16, torch.bfloat16, torch.float32
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
# The first number that is too large: half a step beyond the largest (IEEE 754, and OCP's fp8).
ENDS = {FP16: 65520.0, E4M3: 464.0, E5M2: 61440.0, BF16: (2 - 2**-8) * 2.0**127}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", ENDS)
def test_the_first_value_that_is_too_large_is_an_error(dtype, sign):
    end = sign * torch.tensor([1.0, ENDS[dtype]], dtype=FP32)
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(DtypeOverflow, match=rf"w has values up to .*, and {name} ends at "):
        rounded(end, dtype, "w")
    below = torch.nextafter(end, torch.zeros(()))
    assert rounded(below, dtype, "w").double().abs().max() == torch.finfo(dtype).max


@pytest.mark.parametrize("source", [FP32, FP16, BF16, torch.float64, E5M2])
@pytest.mark.parametrize("dtype", ENDS)
def test_every_type_is_rounded_to_every_other(source, dtype):
    values = torch.tensor([0.0, -1.5, 100.0, 448.0], dtype=FP32).to(source)
    assert torch.equal(rounded(values, dtype, "w").float(), values.float().to(dtype).float())
    large = torch.tensor([50000.0]).to(source)
    if large.float() >= ENDS[dtype]:
        with pytest.raises(DtypeOverflow):
            rounded(large, dtype, "w")


@pytest.mark.parametrize("dtype", [FP16, BF16, E5M2])
def test_what_is_not_finite_stays_so(dtype):
    values = torch.tensor([math.inf, -math.inf, math.nan])
    result = rounded(values, dtype, "w").float()
    assert torch.equal(result.isnan(), values.isnan())
    assert torch.equal(result[:2], values[:2])


@given(st.floats(-1e6, 1e6, width=32))
def test_rounding_moves_a_value_by_half_a_step_at_most(value):
    for dtype in (FP16, E4M3, E5M2):
        if abs(value) >= ENDS[dtype]:
            with pytest.raises(DtypeOverflow):
                rounded(torch.tensor([value]), dtype, "w")
        else:
            got = rounded(torch.tensor([value]), dtype, "w").double().item()
            limits = torch.finfo(dtype)
            step = max(abs(value), limits.smallest_normal) * limits.eps
            assert abs(got - value) <= step
