"""repeat: a scan over stacked copies that equals the loop over them."""

import functools
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn


class Block(NamedTuple):
    norm: pn.Model
    dense: pn.Model
    drop: pn.Model


def create(key, n):
    return Block(pn.LayerNorm(n), pn.YatDense(key, n, n), pn.Dropout(0.3))


def apply(params, x, shift=0.0, *, gain=1.0):
    return x + gain * pn.name(params.drop(params.dense(params.norm(x))) + shift, "branch")


Residual = pn.bind("Residual", create, apply)
X = np.linspace(-1.0, 1.0, 15).reshape(5, 3)


@functools.cache
def stacked(n=4, **options):
    return pn.repeat(Residual, n, **options)(jax.random.key(0), 3, gain=0.5)


def unrolled(model, x):
    for copy in model:
        x = copy(x)
    return x


def close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), one, other)


def weighted(y):
    return jnp.sum(y * jnp.cos(jnp.arange(y.size)).reshape(y.shape))


def everything_saved(*_, **__):
    return True


@pytest.mark.parametrize("remat", [False, True, everything_saved])
def test_values_and_gradients_are_those_of_the_loop(remat):
    model = stacked(remat=remat)

    def both(call):
        return jax.jit(jax.value_and_grad(lambda model: weighted(call(model, X))))(model)

    close(both(lambda model, x: model(x)), both(unrolled))


@pytest.mark.slow
def test_training_draws_for_each_copy_and_the_same_when_computed_again():
    def of(model):
        def loss(model):
            (y, _), seen = pn.capture(pn.observe)(model, X, key=jax.random.key(7))
            return weighted(y), seen["branch"]

        return jax.jit(jax.value_and_grad(loss, has_aux=True))(model)

    (value, branches), gradient = of(stacked())
    again = of(stacked(remat=True))
    close(jax.tree.leaves(again), jax.tree.leaves(((value, branches), gradient)))
    masks = {tuple(branch.ravel() == 0) for branch in np.asarray(branches)}
    assert len(masks) == 4
    assert not np.allclose(value, weighted(stacked()(X)))


def test_every_copy_has_parameters_of_its_own():
    kernels = stacked().each.dense.kernel
    assert kernels.shape == (4, 3, 3)
    assert np.unique(kernels).size == kernels.size


def test_copies_are_models():
    model = stacked()
    assert len(list(model)) == 4
    assert model[1].layer == Residual
    close(model[-1].dense.kernel, model.each.dense.kernel[3])
    with pytest.raises(KeyError, match="4 Residual has no part .first."):
        model["first"]


def test_more_arguments_and_options_go_to_every_copy():
    model = stacked()
    wanted = X
    for copy in model:
        wanted = copy(wanted, 2.0, gain=0.25)
    close(model(X, 2.0, gain=0.25), wanted)


def test_state_of_every_copy_moves():
    model = pn.repeat(pn.BatchNorm, 2)(3, momentum=0.0)
    _, after = pn.observe(model, X)
    assert after.each.mean.shape == (2, 3)
    close(after.each.mean[0], X.mean(0))
    assert pn.count(pn.select(model, "batch_stats")) == 12


def test_captured_values_are_stacked():
    model = stacked()
    _, seen = jax.jit(pn.capture(lambda x: model(x)))(X)
    wanted, x = [], X
    for copy in model:
        x, inside = pn.capture(lambda x, copy=copy: copy(x))(x)
        wanted.append(inside["branch"])
    close(seen["branch"], jnp.stack(wanted))
    _, seen = pn.capture(model)(X)
    assert seen[".each.dense"].shape == (4, 5, 3)
    assert seen[".each"].shape == (4, 5, 3)


def test_equal_layers_are_equal_and_one_layer_serves_finished_parameters():
    assert pn.repeat(Residual, 4) == pn.repeat(Residual, 4)
    assert pn.repeat(Residual, 4) != pn.repeat(Residual, 3)
    model = stacked()
    again = pn.repeat(Residual, 4)(pn.Box(model.params))
    assert jax.tree.structure(again) == jax.tree.structure(model)


def test_roles_and_repeats_inside_repeats():
    outer = pn.repeat(pn.repeat(pn.BatchNorm, 2), 3)(4)
    assert outer.each.each.mean.shape == (3, 2, 4)
    params, stats = pn.partition(outer, "params", "batch_stats")
    assert pn.count(params) == pn.count(stats) == 48


def test_copies_of_copies_are_drawn_one_by_one():
    kernels = pn.repeat(pn.repeat(pn.Linear, 2), 3)(jax.random.key(0), 4, 4).each.each.kernel
    assert kernels.shape == (3, 2, 4, 4)
    assert np.unique(kernels).size == kernels.size
    by_name = pn.repeat(pn.Linear, 2)(key=jax.random.key(0), inputs=4, outputs=4)
    assert by_name.each.kernel.shape == (2, 4, 4)


def called(linear, x):
    return linear(x)


@pytest.mark.parametrize(
    "layer",
    [
        pn.bind("Block", pn.Linear, called),
        pn.bind("Block", pn.bind("Inner", pn.Linear, called), called),
        pn.compose("Block", pn.bind("Inner", pn.Linear, called), jnp.tanh),
        pn.reparam(pn.bind("Block", pn.Linear, called), pn.cast(jnp.float32)),
    ],
    ids=["bound", "bound twice", "composed", "transformed"],
)
def test_copies_of_a_layer_that_is_created_by_a_layer_are_drawn_one_by_one(layer):
    model = pn.repeat(layer, 3)(jax.random.key(0), 4, 4)
    (kernels,) = jax.tree.leaves(pn.select(model, lambda path, leaf: path.endswith("kernel")))
    assert kernels.shape == (3, 4, 4)
    assert np.unique(kernels).size == kernels.size


def seconds(n):
    """The time to trace and compile the gradient, the smaller of two."""
    times = []
    for seed in (0, 1):
        model = pn.repeat(Residual, n)(jax.random.key(seed), 3, gain=0.5 + seed)
        start = time.perf_counter()
        jax.jit(jax.grad(lambda model: weighted(model(X)))).lower(model).compile()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.slow
def test_the_program_does_not_grow_with_depth():
    def size(n):
        model = pn.repeat(Residual, n)(jax.random.key(0), 3)
        gradient = jax.grad(lambda model: weighted(model(X)))
        return len(jax.jit(gradient).lower(model).as_text().splitlines())

    assert size(48) == size(4)
    assert seconds(48) < 3 * seconds(4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pn.repeat(stacked(), 2), TypeError, "layer must be a Layer"),
        (lambda: pn.repeat(Residual, 0), ValueError, "at least 1"),
        (lambda: pn.repeat(Residual, 2.0), TypeError, "must be an integer"),
        (lambda: pn.repeat(Residual, 2)(jax.random.key(0), 3, gian=1), TypeError, "gian"),
        (
            lambda: pn.repeat(pn.Linear, 2)(jax.random.key(0), 3, 4, dtype=float)(X),
            TypeError,
            r"it took float64\[5, 3\] and returned float64\[5, 4\]",
        ),
        (
            lambda: pn.repeat(pn.compose("Pair", pn.Linear, lambda y: (y, y)), 2)(
                jax.random.key(0), 3, 3, dtype=float
            )(X),
            TypeError,
            r"returned float64\[5, 3\], float64\[5, 3\]",
        ),
        (lambda: pn.observe(stacked(), X), TypeError, "in training key must be a PRNG key"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_there_are_no_more_copies_than_there_are():
    """JAX takes the last entry of an array for any that is beyond."""
    model = pn.repeat(pn.Linear, 3)(jax.random.key(0), 2, 2)
    np.testing.assert_array_equal(model[-1].kernel, model.each.kernel[2])
    for index in (3, -4, 10):
        with pytest.raises(IndexError, match="3 Linear"):
            model[index]
