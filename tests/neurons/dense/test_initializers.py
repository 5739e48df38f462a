"""What an initializer returns: the shape and dtype asked for, in every layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn


def key():
    return jax.random.key(0)


LAYERS = {
    "Linear": (pn.Linear, (3, 2), ("kernel_init", "bias_init")),
    "YatDense": (pn.YatDense, (3, 2), ("kernel_init", "bias_init", "alpha_init")),
    "Conv": (pn.Conv, (3, 2, 3), ("kernel_init", "bias_init")),
    "ConvTranspose": (pn.ConvTranspose, (3, 2, (3, 3)), ("kernel_init", "bias_init")),
    "YatConv": (pn.YatConv, (3, 2, (3, 3)), ("kernel_init", "bias_init", "alpha_init")),
    "YatConvTranspose": (pn.YatConvTranspose, (3, 2, 3), ("kernel_init", "alpha_init")),
    "Embed": (pn.Embed, (3, 2), ("embedding_init",)),
    "YatEmbed": (pn.YatEmbed, (3, 2), ("embedding_init", "bias_init", "alpha_init")),
    "GraphConv": (pn.GraphConv, (3, 2), ("kernel_init", "bias_init")),
    "YatGraphConv": (pn.YatGraphConv, (3, 2), ("kernel_init", "bias_init", "alpha_init")),
    "YatGraphAttention": (pn.YatGraphAttention, (3, 2), ("bias_init", "alpha_init")),
}
CASES = [(name, option) for name, (_, _, options) in LAYERS.items() for option in options]


def made(name, **options):
    layer, sizes, _ = LAYERS[name]
    return layer(key(), *sizes, **options)


@pytest.mark.parametrize(("name", "option"), CASES)
def test_an_initializer_that_returns_another_shape_is_refused(name, option):
    def wrong(key, shape, dtype):
        return jnp.ones((*shape, 1), dtype)

    with pytest.raises(ValueError, match=rf"{name}: {option} must return shape \(.*, got shape"):
        made(name, **{option: wrong})


@pytest.mark.parametrize(("name", "option"), CASES)
def test_what_is_drawn_has_the_dtype_asked_for_and_a_strong_type(name, option):
    def weak(key, shape, dtype):
        return jnp.full(shape, jnp.log(2.0))  # weakly typed, and float64 where that is enabled

    model = made(name, **{option: weak}, dtype=jnp.bfloat16)
    for leaf in jax.tree.leaves(model):
        assert leaf.dtype == jnp.bfloat16
        assert not leaf.weak_type


def test_an_array_of_numpy_becomes_one_of_jax():
    model = pn.Linear(key(), 3, 2, kernel_init=lambda key, shape, dtype: np.ones(shape))
    assert isinstance(model.kernel, jax.Array)
    assert model.kernel.dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pn.YatDense(key(), 3, 2, kernel_init="normal"), TypeError, "must be a function"),
        (
            lambda: pn.Linear(key(), 3, 2, kernel_init=lambda *_: "w"),
            TypeError,
            "of kernel_init must",
        ),
        (lambda: pn.Linear(key(), 3, 2, kernel_init=lambda *_: 1j), TypeError, "must be real"),
        (
            lambda: pn.Linear(key(), 3, 2, use_bias="no"),
            TypeError,
            "use_bias must be True or False",
        ),
        (
            lambda: pn.YatDense(key(), 3, 2, use_alpha=1),
            TypeError,
            "use_alpha must be True or False",
        ),
        (lambda: pn.YatConv(key(), 3, 2, 3, use_bias="no"), TypeError, "use_bias must be True"),
        (
            lambda: pn.YatDense(key(), 3, 2, epsilon=np.inf),
            ValueError,
            "epsilon must be above 0 and",
        ),
        (
            lambda: pn.yat_normal(key(), (3, 4), epsilon=-100.0),
            ValueError,
            "epsilon must be at least",
        ),
        (
            lambda: pn.YatConv(key(), 3, 2, 3, transpose_kernel=True),
            TypeError,
            "unexpected keyword",
        ),
        (
            lambda: pn.YatEmbed(key(), 3, 2)(jnp.arange(2), epsilom=1),
            TypeError,
            "unexpected keyword",
        ),
        (lambda: pn.LayerNorm(key(), 8), TypeError, "LayerNorm: .* takes no key"),
        (lambda: pn.Dropout(key(), 0.5), TypeError, "Dropout: .* takes no key"),
        (lambda: pn.Linear(3, 2), TypeError, "Linear: .* the first argument is a key"),
        (lambda: pn.Linear(0, 3, 2), TypeError, "Linear: key must be a PRNG key"),
    ],
)
def test_malformed_calls_name_the_layer_and_the_cure(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_options_that_stand_on_one_function_are_told_by_every_layer():
    for layer in (pn.YatDense, pn.YatConv, pn.YatConvTranspose, pn.YatGraphConv):
        for option in ("use_bias", "learnable_epsilon", "alpha_init", "kernel_init", "dtype"):
            assert f"\n    {option}: " in layer.__doc__, (layer.name, option)
        assert "Options of the call:\n" in layer.__doc__
        assert "\n    distance: " in layer.__doc__
    assert "1 for `kernel_size=3`" in pn.YatConv.__doc__.splitlines()[0]
    assert "`(3, 3)` slides over images" in pn.YatConv.__doc__
