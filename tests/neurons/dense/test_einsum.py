"""Einsum: values against NumPy and flax, its scale, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

CASES = [  # equation, shapes of the kernel, of its bias and of x
    ("btd,dhk->bthk", (3, 2, 4), (2, 4), (2, 5, 3)),
    ("...thk,hkd->...td", (2, 4, 3), (3,), (5, 2, 4)),
    ("...gd,gde->g...e", (2, 3, 4), (2, 4), (5, 6, 2, 3)),
    ("bij,cj->ibc", (4, 3), (4,), (2, 5, 3)),
    ("...d,d->...d", (3,), (3,), (2, 3)),
    ("...d,dk->k...", (3, 4), (4,), (3,)),
    ("a...,b->a...b", (2,), (2,), (3, 4)),
]


def key():
    return jax.random.key(0)


@pytest.mark.parametrize(("equation", "shape", "bias_shape", "of_x"), CASES)
def test_values(equation, shape, bias_shape, of_x):
    rng = np.random.default_rng(0)
    kernel, bias, x = (rng.normal(size=s) for s in (shape, bias_shape, of_x))
    model = pn.Einsum(pn.Box((kernel, bias)), equation=equation)
    made = jax.eval_shape(lambda: pn.Einsum(key(), equation, shape))
    assert (made.kernel.shape, made.bias.shape) == (shape, bias_shape)
    wanted = np.einsum(equation, x, kernel)
    _, result = equation.split("->")
    shared = [letter for letter in result.replace("...", "") if letter in equation.split(",")[1]]
    shared = "".join(dict.fromkeys(i for i in shared if i in equation.split(",")[1].split("->")[0]))
    whole = np.einsum(f"{result},{shared}->{result}", np.ones_like(wanted), bias)
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(model, x), wanted + whole, 1e-12)


@pytest.mark.parametrize(("equation", "shape", "bias_shape", "of_x"), [CASES[0], CASES[3]])
def test_flax_has_the_same(equation, shape, bias_shape, of_x):
    nnx = pytest.importorskip("flax.nnx")
    rng = np.random.default_rng(0)
    kernel, bias, x = (rng.normal(size=s) for s in (shape, bias_shape, of_x))
    theirs = nnx.Einsum(equation, shape, bias_shape, rngs=nnx.Rngs(0), param_dtype=float)
    theirs.kernel[...], theirs.bias[...] = jnp.asarray(kernel), jnp.asarray(bias)
    ours = pn.Einsum(pn.Box((kernel, bias)), equation=equation)
    np.testing.assert_allclose(ours(x), theirs(x), 1e-12, 1e-12)


@pytest.mark.parametrize(
    ("equation", "shape", "variance"),
    [("btd,dhk->bthk", (100, 8, 25), 1 / 100), ("bthk,hkd->btd", (8, 25, 50), 1 / 200)],
)
def test_kernels_keep_the_variance_of_what_is_summed_over(equation, shape, variance):
    kernel = pn.Einsum(key(), equation, shape).kernel
    assert abs(np.var(kernel) / variance - 1) < 0.05


def test_half_precision_and_whole_numbers():
    model = pn.Einsum(key(), "...d,de->...e", (512, 1), kernel_init=jax.nn.initializers.ones)
    half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), model)
    y = half(jnp.ones((1, 512), jnp.bfloat16))
    assert (y.dtype, float(y[0, 0])) == (jnp.bfloat16, 512.0)
    assert model(np.ones((1, 512), int)).dtype == jnp.result_type(int, jnp.float32)


def test_it_is_linear_and_learns_heads():
    linear = pn.Linear(key(), 3, 4)
    model = pn.Einsum(pn.Box(linear.params), equation="...d,de->...e")
    x = np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(model(x), linear(x), 1e-6)
    bare = pn.Einsum(key(), "...d,dhk->...hk", (3, 2, 2), use_bias=False)
    assert bare.bias is None
    wanted = np.stack([x[:, :2], x[:, 1:]], -2)

    @jax.jit
    def descended(model):
        def step(model, _):
            slopes = jax.grad(lambda m: pn.mse(m(x), wanted))(model)
            return jax.tree.map(lambda w, g: w - 0.5 * g, model, slopes), None

        return jax.lax.scan(step, model, None, 200)[0]

    np.testing.assert_allclose(descended(bare)(x), wanted, atol=1e-2)


def test_precision_of_the_call():
    model = pn.Einsum(key(), "...d,de->...e", (3, 2), precision="highest")
    assert "precision=(Precision.HIGHEST, Precision.HIGHEST)" in str(
        jax.make_jaxpr(model)(np.ones(3)).pretty_print(use_color=False)
    )


@pytest.mark.parametrize(
    ("equation", "words"),
    [
        ("td,dk", "must be the letters of x, of the kernel and of the result"),
        ("td,dk,k->t", "must be the letters of x"),
        ("td,...k->tk", "must be the letters of x"),
        ("tt,tk->tk", "must have each letter once in x"),
        ("td,dk->tz", "must have each letter once in x"),
        ("td,dkj->tk", "must have each letter once in x"),
        ("...d,dk->k", "an ellipsis in both x and the result"),
    ],
)
def test_equations_that_are_none(equation, words):
    with pytest.raises(ValueError, match=words):
        pn.Einsum(key(), equation, (3, 4))


@pytest.mark.parametrize("shape", [(2, 5), (5, 3, 2), (3,)])
def test_x_of_other_axes(shape):
    model = pn.Einsum(key(), "td,dk->tk", (3, 4))
    with pytest.raises(ValueError, match=r"x must have axes 'td', d = 3, got shape \("):
        model(np.ones(shape))
