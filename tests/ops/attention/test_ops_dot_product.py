"""Dot-product attention against float64 NumPy, torch's and JAX's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth_attention as truth

import pyneurons_yat as pn

DRAW = np.random.default_rng(3)
B, T, S, N, H, V = 2, 4, 5, 4, 3, 2  # JAX's own wants V to be H
QUERY, WEIGHT = DRAW.normal(size=(B, T, N, H)), DRAW.normal(size=(B, T, N, V))
BIAS = DRAW.normal(size=(N, T, S))
MASK = DRAW.random(size=(B, 1, T, S)) < 0.6
MASK[0, 0, 1] = False  # a query that sees no key


def keys(heads, size=V):
    draw = np.random.default_rng(heads)
    return draw.normal(size=(B, S, heads, H)), draw.normal(size=(B, S, heads, size))


TORCH = {
    "plain": {},
    "scale": {"scale": 0.3},
    "bias": {"bias": BIAS},
    "mask": {"mask": MASK},
    "causal": {"is_causal": True},
    "bias and mask": {"bias": BIAS, "mask": MASK},
    "grouped": {"heads": 2},
    "multi-query mask": {"heads": 1, "mask": MASK},
}


def run(attend, *arrays):
    """The value, and the gradients of its product with fixed weights."""

    def loss(*arrays):
        y = attend(*arrays)
        return jnp.sum(y[..., :V] * WEIGHT.astype(y.dtype)), y

    gradients, y = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(*arrays)
    return [y, *gradients]


@pytest.mark.parametrize("name", TORCH)
def test_values_and_gradients_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    heads, options = TORCH[name].get("heads", N), {**TORCH[name]}
    options.pop("heads", None)
    arrays = QUERY, *keys(heads)
    got = run(lambda q, k, v: pn.dot_product_attention(q, k, v, **options), *arrays)
    bias, mask = options.pop("bias", None), options.pop("mask", None)
    if bias is not None:
        mask = np.where(True if mask is None else mask, bias, -np.inf)
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = torch.nn.functional.scaled_dot_product_attention(
        *(t.transpose(1, 2) for t in tensors),
        attn_mask=None if mask is None else torch.tensor(mask),
        enable_gqa=heads != N,
        **options,
    ).transpose(1, 2)
    (y * torch.tensor(WEIGHT)).sum().backward()
    for one, other in zip(got, [y, *(t.grad for t in tensors)], strict=True):
        np.testing.assert_allclose(one, other.detach().numpy(), 1e-10, 1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"local_window_size": (1, 2)},
        {"local_window_size": 1, "is_causal": True, "key_value_seq_lengths": np.array([5, 4])},
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_values_and_gradients_are_those_of_jax(options, dtype):
    arrays = [a.astype(jnp.dtype(dtype)) for a in (QUERY, *keys(2, H))]
    limits = {name: v.astype(np.int32) for name, v in options.items() if name.endswith("lengths")}
    for got, wanted in zip(
        run(lambda *a: pn.dot_product_attention(*a, **options), *arrays),
        run(lambda *a: jax.nn.dot_product_attention(*a, **{**options, **limits}), *arrays),
        strict=True,
    ):
        unit = 2e-6 if dtype == "float32" else 2e-2
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(
            np.asarray(got, float), np.asarray(wanted, float), 10 * unit, unit
        )


@pytest.mark.parametrize("batch", [(), (2, 1)])
@pytest.mark.parametrize(
    ("seen", "options"),
    [
        ({"offset": 2, "is_causal": True}, {"query_offset": 2, "is_causal": True}),
        ({"offset": 1, "window": (1, 0)}, {"query_offset": 1, "local_window_size": (1, 0)}),
        ({"offset": -3, "is_causal": True}, {"query_offset": -3, "is_causal": True}),
    ],
)
def test_weights_and_values_follow_from_numpy(batch, seen, options):
    draw = np.random.default_rng(0)
    query = draw.normal(size=(*batch, T, N, H))
    key, value = draw.normal(size=(*batch, S, 2, H)), draw.normal(size=(*batch, S, 2, V))
    visible = truth.pattern(T, S, **seen)
    weights = np.zeros((*batch, N, T, S))
    for *b, n, t in np.ndindex(weights.shape[:-1]):
        rows = visible[t]
        if rows.any():
            parts = key[tuple(b)][rows, n // 2] @ query[(*b, t, n)] / np.sqrt(H)
            weights[(*b, n, t)][rows] = np.exp(parts) / np.exp(parts).sum()
    wanted = np.einsum("...nts,...snv->...tnv", weights, np.repeat(value, 2, -2))

    @jax.jit
    def both(query, key, value):
        y = pn.dot_product_attention(query, key, value, **options)
        return pn.dot_product_attention_weights(query, key, **options), y

    for dtype, unit in ((float, 1e-12), (np.float32, 1e-5)):
        got = both(*(a.astype(dtype) for a in (query, key, value)))
        np.testing.assert_allclose(got[0], weights, unit, unit)
        np.testing.assert_allclose(got[1], wanted, unit, unit)


def test_wrong_shapes():
    key, value = keys(N)
    with pytest.raises(ValueError, match=r"dot_product_attention: query must have shape \(\*B, T,"):
        pn.dot_product_attention(QUERY, key[0], value)
    with pytest.raises(ValueError, match="weights: the last axis of query must match"):
        pn.dot_product_attention_weights(QUERY, key[..., :2])
    with pytest.raises(ValueError, match="must be a multiple of the heads of key and value"):
        pn.dot_product_attention(QUERY, *keys(3))
    with pytest.raises(TypeError, match="local_window_size must be an integer or 2 of them"):
        pn.dot_product_attention(QUERY, key, value, local_window_size=1.5)
