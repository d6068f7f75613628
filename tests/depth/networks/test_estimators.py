"""From image to depth map: MiDaS's own way, precision, laziness, bad input."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.depth.estimate import Precision, Settings, estimate
from sd2_depth2img.depth.networks.estimators import DepthModel
from sd2_depth2img.depth.networks.midas_hybrid import DPTHybrid, Widths
from sd2_depth2img.depth.networks.network import MidasNetwork, network_size
from sd2_depth2img.images.crop import HasAlpha

pytestmark = pytest.mark.usefixtures("one_thread")

SIDES = st.integers(1, 5000)
RESOLUTIONS = st.integers(1, 40).map(lambda n: 32 * n)
WIDTHS = Widths(
    stem=32,
    stages=(128, 128, 128),
    tokens=64,
    mlp=64,
    grid=4,
    neck=(32, 32),
    fusion=32,
    head=(16, 16),
)


@pytest.fixture(scope="module")
def weights():
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in DPTHybrid(WIDTHS).state_dict().items()}
    generator = torch.Generator().manual_seed(5)
    weights = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        scale = values[0].numel() ** -0.5 if len(shape) > 1 else 0.1
        weights[name] = scale * values + ("norm" in name and name.endswith("weight"))
    weights["scratch.output_conv.4.weight"].abs_()  # or the last ReLU would leave little
    return weights


@pytest.fixture(scope="module")
def network(weights):
    return DPTHybrid.from_state_dict(weights)


@pytest.fixture(scope="module")
def photo():
    """Middlebury's motorcycle, [1, 500, 741, 3]."""
    return image_of(skimage.data.stereo_motorcycle()[0])


def image_of(pixels):
    return torch.from_numpy(pixels.astype(np.float32) / 255).unsqueeze(0)


def midas_depth(network, image, resolution):
    """MiDaS's own way, in NumPy and OpenCV: float64, cv2.INTER_CUBIC, one image at a time."""
    rgb = image[0].double().numpy()
    height, width = midas_size(*rgb.shape[:2], resolution)
    small = (cv2.resize(rgb, (width, height), interpolation=cv2.INTER_CUBIC) - 0.5) / 0.5
    pixels = torch.from_numpy(small.transpose(2, 0, 1).astype(np.float32)).unsqueeze(0)
    disparity = network(pixels)[0].detach().double().numpy()
    depth = cv2.resize(disparity, rgb.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return (depth - depth.min()) / (depth.max() - depth.min())


def midas_size(height, width, resolution):
    """MiDaS's rule called minimal, as its transforms.py words it, but never below 32."""
    scale_height, scale_width = resolution / height, resolution / width
    fit_width = abs(1 - scale_width) < abs(1 - scale_height)
    scale = scale_width if fit_width else scale_height
    return tuple(max(int(np.round(scale * side / 32) * 32), 32) for side in (height, width))


@given(SIDES, SIDES, RESOLUTIONS)
def test_network_size_is_midas_rule(height, width, resolution):
    assert network_size(height, width, resolution) == midas_size(height, width, resolution)


@pytest.mark.parametrize(
    ("image", "seen"),
    [
        ((512, 512), (384, 384)),
        ((480, 640), (384, 512)),
        ((1080, 1920), (384, 672)),
        ((1920, 1080), (672, 384)),
        ((256, 320), (320, 384)),
        ((20, 5000), (32, 384)),
    ],
)
def test_network_size_at_384(image, seen):
    assert network_size(*image) == seen


@pytest.mark.parametrize("resolution", [-32, 16, 500])
def test_resolution_that_is_no_multiple_of_32_is_refused(network, photo, resolution):
    with pytest.raises(ValueError, match=f"resolution is {resolution}; .* multiple of 32"):
        estimate(network, photo, Settings(resolution))


@pytest.mark.parametrize("resolution", [64, 128])
def test_depth_of_a_photograph_is_midas_depth(network, photo, resolution):
    depth = estimate(network, photo, Settings(resolution))
    reference = midas_depth(network, photo, resolution)
    assert depth.shape == (1, 500, 741)
    assert depth.dtype == torch.float32
    assert (depth.min(), depth.max()) == (0, 1)
    assert depth.std() > 0.05
    assert np.abs(depth[0].numpy() - reference).max() < 1e-4


def test_depth_follows_the_network(photo):
    """With a network that sees brightness, the depth is the photograph in grey, made coarser."""

    class Brightness(MidasNetwork):
        def forward(self, pixels):
            assert pixels.shape == (1, 3, 256, 384)
            assert pixels.min() < -0.9
            assert pixels.max() > 0.9
            return pixels.mean(dim=1) + 1

    depth = estimate(Brightness(), photo, Settings(256))[0].numpy()
    grey = photo[0].mean(dim=-1).numpy()
    assert np.corrcoef(depth.ravel(), grey.ravel())[0, 1] > 0.95


def test_every_image_of_a_batch_is_stretched_by_itself(network, photo):
    dark = photo * 0.3
    both = estimate(network, torch.cat([photo, dark]), Settings(64))
    assert torch.allclose(both[0], estimate(network, photo, Settings(64))[0], atol=1e-4)
    assert torch.allclose(both[1], estimate(network, dark, Settings(64))[0], atol=1e-4)
    assert both.amax(dim=(1, 2)).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("precision", "bound"), [(Precision.FLOAT16, 0.01), (Precision.BFLOAT16, 0.1)]
)
def test_half_precision_is_used_and_close(network, photo, precision, bound):
    seen = []
    hook = network.scratch.layer1_rn.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    try:
        half = estimate(network, photo, Settings(128, precision))
    finally:
        hook.remove()
    full = estimate(network, photo, Settings(128))
    assert seen == [getattr(torch, precision.value)]
    assert half.dtype == torch.float32
    assert 0 < (half - full).abs().mean() < bound


def test_precision_names_are_pytorchs():
    assert all(isinstance(getattr(torch, p.value), torch.dtype) for p in Precision)


def test_estimate_keeps_no_graph_and_leaves_its_input_alone(network, photo):
    image = photo.clone().requires_grad_()
    depth = estimate(network, image, Settings(64))
    assert not depth.requires_grad
    assert torch.equal(image, photo)


def test_half_precision_image_gives_float32_depth(network, photo):
    depth = estimate(network, photo.half(), Settings(64))
    assert depth.dtype == torch.float32
    assert (depth - estimate(network, photo, Settings(64))).abs().max() < 0.02


def test_alpha_is_refused_by_name(network, photo):
    rgba = torch.cat([photo, torch.rand_like(photo[..., :1])], dim=-1)
    with pytest.raises(HasAlpha, match=r"4\]; expected RGB"):
        estimate(network, rgba, Settings(64))


@pytest.mark.parametrize("shape", [[8, 8, 3], [1, 8, 8, 1], [1, 3, 8, 8], [0, 8, 8, 3]])
def test_image_of_another_shape_is_refused_with_its_shape(network, shape):
    with pytest.raises(ValueError, match="expected RGB") as error:
        estimate(network, torch.zeros(shape), Settings(64))
    assert str(shape) in str(error.value)


def test_image_of_integers_is_refused(network):
    with pytest.raises(ValueError, match=r"torch\.uint8"):
        estimate(network, torch.zeros(1, 8, 8, 3, dtype=torch.uint8), Settings(64))


@pytest.mark.parametrize(
    ("value", "said"),
    [(255.0, "to 255"), (-1.0, "from -1"), (torch.nan, "3 NaN"), (torch.inf, "3 NaN or inf")],
)
def test_image_on_another_scale_is_refused_with_its_range(network, photo, value, said):
    image = photo.clone()
    image[0, 7, 7] = value
    with pytest.raises(ValueError, match=said):
        estimate(network, image, Settings(64))


def test_overshoot_of_an_earlier_resize_is_accepted(network, photo):
    depth = estimate(network, photo * 1.2 - 0.1, Settings(64))
    assert depth.isfinite().all()


def test_map_without_depth_is_black_with_a_warning(weights, photo, caplog):
    flat = {**weights, "scratch.output_conv.4.weight": torch.zeros(1, 16, 1, 1)}
    depth = estimate(DPTHybrid.from_state_dict(flat), photo, Settings(64))
    assert depth.abs().max() == 0
    assert "the depth map is black: the network found no depth at all" in caplog.text


def test_overflow_is_an_error_that_names_the_precision(weights, photo):
    huge = {**weights, "scratch.layer1_rn.weight": weights["scratch.layer1_rn.weight"] * 1e6}
    network = DPTHybrid.from_state_dict(huge)
    assert estimate(network, photo, Settings(64)).isfinite().all()
    with pytest.raises(FloatingPointError, match=r"at precision float16.* choose float32"):
        estimate(network, photo, Settings(64, Precision.FLOAT16))


def test_depth_model_reads_its_weights_once_and_only_when_used(weights):
    calls = []

    def read():
        calls.append(None)
        return weights

    model = DepthModel("miniature.safetensors", read)
    assert "miniature.safetensors" in repr(model)
    assert not calls
    assert isinstance(model.network, DPTHybrid)
    assert model.network is model.network
    assert len(calls) == 1


def test_depth_model_without_weights_says_so_when_used():
    def read():
        raise LookupError("this file has no depth network")

    model = DepthModel("unet-only.safetensors", read)
    with pytest.raises(LookupError, match="no depth network"):
        _ = model.network


def test_what_reading_says_is_not_said_twice():
    def read():
        raise ValueError("mini.safetensors has no MiDaS depth network inside.")

    model = DepthModel("mini.safetensors", read)
    with pytest.raises(ValueError, match=r"^mini\.safetensors has no MiDaS"):
        _ = model.network
