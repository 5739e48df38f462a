"""Attention against the functions of nmn 0.3.5."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pyneurons_yat import ops

# The peer promotes ranks and imports modules that warn.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def peers_promote_ranks():
    with jax.numpy_rank_promotion("allow"):
        yield


def draw(*shapes):
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)


def assert_same(ours, theirs, arguments, weights):
    """Values and gradients in all arguments agree to 2e-5 of the largest."""
    found = []
    for function in (ours, theirs):

        def loss(*arguments, function=function):
            y = function(*arguments)
            return jnp.vdot(y, weights), y

        gradient = jax.grad(loss, range(len(arguments)), has_aux=True)
        found.append(jax.tree.leaves(jax.jit(gradient)(*arguments)))
    for got, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(got, wanted, 0, 2e-5 * float(np.max(np.abs(wanted))))


LENGTHS = [(6, 6, ()), (5, 9, (2,)), (9, 4, (1, 2))]


@pytest.mark.parametrize(("queries", "keys", "batch"), LENGTHS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
def test_the_fused_path(queries, keys, batch, masked, shifted):
    fused = pytest.importorskip("nmn.nnx.layers.attention.fused_yat_attention")
    shapes = (*batch, queries, 2, 4), (*batch, keys, 2, 4), (*batch, keys, 2, 3)
    arguments = (*draw(*shapes), np.float32(0.5), *(draw((2,)) if shifted else ()))
    mask = np.tril(np.ones((queries, keys), bool)) if masked else None

    def ours(query, key, value, epsilon, shift=None):
        options = {"shift": shift, "epsilon": epsilon, "is_causal": masked}
        blocks = {"normalizer": "softermax", "block_size": (4, 3)}
        return ops.yat_attention(query, key, value, **options, **blocks)

    def theirs(query, key, value, epsilon, shift=None):
        bias = None if shift is None else shift[:, None, None]
        return fused.fused_yat_l1_attention(
            query, key, value, bias=bias, epsilon=epsilon, mask=mask
        )

    assert_same(ours, theirs, arguments, draw((*shapes[0][:-1], 3))[0])


@pytest.mark.parametrize(("queries", "keys", "batch"), LENGTHS)
@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({}, {}),
        ({"normalizer": "softermax"}, {"normalization": "softermax"}),
        ({"normalizer": "softermax", "power": 2.0}, {"normalization": "softermax", "power": 2.0}),
    ],
)
@pytest.mark.parametrize("masked", [False, True])
def test_the_plain_path(queries, keys, batch, options, theirs, masked):
    peer = pytest.importorskip("nmn.nnx.layers.attention.yat_attention")
    shapes = (*batch, queries, 2, 4), (*batch, keys, 2, 4), (*batch, keys, 2, 3)
    query, key, value, bias = draw(*shapes, (2, queries, keys))
    bias, alpha = np.abs(bias), np.float32(1.3)
    mask = np.tril(np.ones((queries, keys), bool)) if masked else None
    assert_same(
        lambda q, k, v, b, a: ops.yat_attention(
            q, k, v, b, mask, alpha=a, epsilon=0.5, block_size=(4, 3), **options
        ),
        lambda q, k, v, b, a: peer.yat_attention(
            q, k, v, b, mask, alpha=a, epsilon=0.5, deterministic=True, **theirs
        ),
        (query, key, value, bias, alpha),
        draw((*shapes[0][:-1], 3))[0],
    )


@pytest.mark.parametrize("window", [None, (2, 1)])
@pytest.mark.parametrize("causal", [False, True])
def test_masks_are_those_of_jax(window, causal):
    # With scores of 0 both are the mean of the values a query sees.
    query, key, value = draw((2, 7, 2, 4), (2, 7, 2, 4), (2, 7, 2, 4))
    lengths = np.array([7, 3], np.int32)
    options = {"is_causal": causal, "local_window_size": window, "key_value_seq_lengths": lengths}

    @jax.jit
    def attend(query, key, value):
        wanted = jax.nn.dot_product_attention(query, key, value, **options)
        weights = ops.yat_attention_weights(query, key, **options)
        return ops.yat_attention(query, key, value, **options), wanted, weights

    got, wanted, weights = map(np.asarray, attend(query * 0, key, value))
    seen = np.any(weights, -1).swapaxes(1, 2)
    np.testing.assert_allclose(got[seen], wanted[seen], 1e-5, 1e-6)
