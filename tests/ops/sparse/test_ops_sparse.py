"""The primitives beneath sparse products: mapped any way, and as an accelerator runs them."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pyneurons_yat.ops.sparse.product import by_entries, by_outputs, gathered

RNG = np.random.default_rng(0)
B, I, O, K, M = 3, 7, 4, 2, 2  # noqa: E741
X, VALUES = RNG.normal(size=(M, B, I)), RNG.normal(size=(M, K, O))
INDICES = np.argsort(RNG.random((M, I, O)), axis=1)[:, :K].astype(np.int32)
WAYS = [way for way in product((None, 0), repeat=3) if any(axis == 0 for axis in way)]


def sparse(x, values, indices):
    return gathered(x, values, indices, x.dtype)


def dense(x, values, indices):
    return x @ jnp.zeros((I, O)).at[indices, jnp.arange(O)[None]].set(values)


def everything(f, way):
    """Under `jax.vmap`: values and derivatives, some to second order; the gradient of the whole."""

    def total(x, values, indices):
        return jnp.sum(jnp.sin(f(x, values, indices)))

    def of_all(x, values, indices):
        return jnp.sum(jnp.sin(jax.vmap(f, way)(x, values, indices)))

    def found(*arguments):
        each = [f, jax.grad(total, (0, 1))]
        each += [jax.hessian(total, (0, 1))] * (way[1] != way[2])
        mapped = [jax.vmap(one, way)(*arguments) for one in each]
        return mapped, jax.grad(of_all, (0, 1))(*arguments)

    return jax.jit(found)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_products_that_share_some_arguments_and_not_others(way):
    arguments = [
        a if axis == 0 else a[0] for a, axis in zip((X, VALUES, INDICES), way, strict=True)
    ]
    got, wanted = (jax.tree.leaves(everything(f, way)(*arguments)) for f in (sparse, dense))
    for one, two in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, two, 1e-9, 1e-9)


def test_examples_that_share_a_kernel_are_rows_of_one_product():
    def program(x):
        return jax.vmap(lambda row: sparse(row[None], VALUES[0], INDICES[0])[0])(x)

    found = [e for e in jax.make_jaxpr(program)(X[0]).eqns if e.primitive.name == "sparse_gathered"]
    assert [equation.invars[0].aval.shape for equation in found] == [(B, I)]


def test_either_way_of_adding_up_is_the_dense_product():
    rows, kernel = RNG.normal(size=(O, B)), np.zeros((I, O))
    kernel[INDICES[0], np.arange(O)] = VALUES[0]
    for way in (by_outputs, by_entries):
        total = jax.jit(way)(np.ones((I, B)), rows, VALUES[0].T, INDICES[0])
        np.testing.assert_allclose(total, 1 + kernel @ rows, 1e-12)


def test_an_index_that_is_twice_in_a_column_counts_twice():
    x, values, indices = X[0], np.ones((2, 1)), np.zeros((2, 1), np.int32)
    y, pull = jax.vjp(lambda x: sparse(x, values, indices), x)
    np.testing.assert_allclose(y, 2 * x[:, :1], 1e-12)
    np.testing.assert_array_equal(pull(jnp.ones((B, 1)))[0][:, 0], 2)
