"""A residual network and a vision transformer: what they compute, and that they learn to see."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.data import digits
from pyneurons_yat.zoo import ResidualBlock, ResNet, VisionTransformer

YAT = {"conv": pn.YatConv, "activation": pn.identity}
PATCHES = {"image_size": 8, "patch_size": 4, "features": 16, "blocks": 1, "heads": 2}
MODELS = {
    "relu": lambda key, **o: ResNet(key, 1, 2, widths=(4, 8), **o),
    "yat": lambda key, **o: ResNet(key, 1, 2, widths=(4, 8), **YAT, **o),
    "token": lambda key, **o: VisionTransformer(key, 1, 2, **PATCHES, **o),
    "mean": lambda key, **o: VisionTransformer(key, 1, 2, class_token=False, **PATCHES, **o),
}
every = pytest.mark.parametrize("name", MODELS)


def stripes(seed, count=64):
    """Noisy images of stripes that lie or stand, at random places."""
    draw = np.random.default_rng(seed)
    phase = draw.integers(0, 4, count)
    wave = np.sin(np.pi / 2 * (np.arange(8) + phase[:, None]))[:, None, :]
    lies = draw.integers(0, 2, count)
    image = np.where(lies[:, None, None], np.swapaxes(wave, 1, 2), wave)
    image = image + 0.3 * draw.normal(size=(count, 8, 8))
    return image[..., None].astype(np.float32), lies


@every
def test_it_learns_which_way_stripes_lie(name):
    model = MODELS[name](jax.random.key(0))
    x, y = stripes(0)
    options = {"loss": pn.cross_entropy, "epochs": 12, "batch_size": 16, "progress": False}
    model, _ = pn.fit(optax.adam(1e-2), model, x, y, key=jax.random.key(1), **options)
    x, y = stripes(1)
    assert float(pn.accuracy(jax.jit(model.__call__)(x), y)) > 0.95


@every
def test_any_batch_axes(name):
    model = MODELS[name](jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype(np.float32)

    @jax.jit
    def run(model, x):
        return model(x), model(x.reshape(2, 3, 8, 8, 1)), jax.vmap(model)(x)

    y, deep, each = run(model, x)
    assert y.shape == (6, 2)
    np.testing.assert_allclose(deep.reshape(6, 2), y, 1e-4, 1e-5)
    np.testing.assert_allclose(each, y, 1e-4, 1e-5)


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize("strides", [1, 2])
def test_a_residual_block_is_its_formula(strides):
    """With windows whose middle alone counts, each place is a row of its own."""
    block = ResidualBlock(
        jax.random.key(0), 3, 5 if strides > 1 else 3, strides=strides, dtype=float
    )
    draw = np.random.default_rng(0)
    outputs = block.second.kernel.shape[-1]
    one, two, past = draw.normal(size=(3, outputs)), draw.normal(size=(outputs, outputs)), None
    kernels = {"first.kernel": one, "second.kernel": two}
    for path, middle in kernels.items():
        kernel = np.zeros((3, 3, *middle.shape))
        kernel[1, 1] = middle
        block = pn.replace(block, path, kernel)
    if block.shortcut is not None:
        past = draw.normal(size=(3, outputs))
        block = pn.replace(block, "shortcut.kernel", past[None, None])
    x = draw.normal(size=(2, 5, 5, 3))  # of an odd size, strided windows have their middle on rows
    rows = x[:, ::strides, ::strides]
    norm = np.sqrt(1 + 1e-5)  # fresh statistics are 0 and 1
    y = relu((relu(rows / norm) @ one) / norm) @ two
    np.testing.assert_allclose(block(x), y + (rows if past is None else rows @ past), 1e-6, 1e-8)


def test_the_class_token_is_read_and_the_mean_is_the_mean():
    token = MODELS["token"](jax.random.key(0))
    assert token.token.shape == (1, 16)
    assert token.positions.embedding.shape == (5, 16)
    mean = MODELS["mean"](jax.random.key(0))
    assert mean.token is None
    same = np.tile(np.random.default_rng(0).normal(size=(1, 4, 4, 1)), (1, 2, 2, 1))
    flat = pn.replace(mean, "positions.embedding", np.zeros((4, 16), np.float32))
    turned = np.roll(same, 4, 1)
    np.testing.assert_allclose(flat(same), flat(turned), 1e-5, 1e-6)


def test_wrong_sizes():
    with pytest.raises(
        ValueError, match=r"patch_size must divide image_size \(8, 8\), got \(3, 3\)"
    ):
        VisionTransformer(jax.random.key(0), 1, 2, **{**PATCHES, "patch_size": 3})
    with pytest.raises(ValueError, match=r"ResNet: widths\[1\] must be at least 1"):
        ResNet(jax.random.key(0), 1, 2, widths=(4, 0))
    with pytest.raises(TypeError, match="class_token must be True or False"):
        VisionTransformer(jax.random.key(0), 1, 2, class_token=2, **PATCHES)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "yat"])
def test_a_residual_network_learns_digits(name):
    (x, y), (x_test, y_test) = digits()
    images, tests = (np.asarray(a).reshape(-1, 8, 8, 1) for a in (x, x_test))
    more = YAT if name == "yat" else {}
    model = ResNet(jax.random.key(0), 1, 10, widths=(16, 32), **more)
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, 15 * 22))
    options = {"loss": pn.cross_entropy, "epochs": 15, "batch_size": 64, "progress": False}
    model, _ = pn.fit(optimizer, model, images, y, key=jax.random.key(1), **options)
    assert float(pn.accuracy(model(jnp.asarray(tests)), y_test)) > 0.97
