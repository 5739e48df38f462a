"""Modules of other libraries in chains: refused with the cure, and the cure trains them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

X = jnp.asarray(np.random.default_rng(0).normal(size=(16, 3)), jnp.float32)


def equinox_module():
    eqx = pytest.importorskip("equinox")
    module = eqx.nn.Linear(3, 2, key=jax.random.key(0))
    arrays, rest = eqx.partition(module, eqx.is_array)
    return module, arrays, lambda arrays, x: jax.vmap(eqx.combine(arrays, rest))(x)


def nnx_module():
    nnx = pytest.importorskip("flax.nnx")
    module = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    graph, state = nnx.split(module)
    return module, nnx.to_pure_dict(state), lambda arrays, x: _merged(nnx, graph, state, arrays)(x)


def _merged(nnx, graph, state, arrays):
    state = jax.tree.map(lambda leaf: leaf, state)
    nnx.replace_by_pure_dict(state, arrays)
    return nnx.merge(graph, state)


@pytest.mark.parametrize("made", [equinox_module, nnx_module], ids=lambda f: f.__name__)
def test_a_module_is_refused_and_its_arrays_can_be_bound(made):
    with jax.numpy_rank_promotion("allow"):
        refuses_and_trains(*made())


def refuses_and_trains(module, arrays, apply):
    first = pn.Linear(jax.random.key(1), 3, 3)
    cure = "that holds arrays, which would be constants; make it a model by bind"
    with pytest.raises(TypeError, match=f"sequential: part 1 must be .* got a Linear {cure}"):
        pn.sequential(first, module)
    with pytest.raises(TypeError, match=f"compose: what follows the layer .* {cure}"):
        pn.compose(first, module)
    model = pn.sequential(first, pn.bind(arrays, apply))
    assert pn.count(model) == 12 + 8
    np.testing.assert_allclose(model[1](X), apply(arrays, X), rtol=1e-6)
    trained, history = pn.fit(optax.sgd(0.1), model, X, X[:, :2], epochs=5, progress=False)
    assert history["loss"][-1] < history["loss"][0]
    moved = zip(jax.tree.leaves(trained[1]), jax.tree.leaves(arrays), strict=True)
    assert all(not np.allclose(after, before) for after, before in moved)


def test_a_function_with_arrays_inside_is_refused_and_one_that_closes_over_them_is_not():
    shift = jnp.ones(3)
    with pytest.raises(TypeError, match="part 0 must be .* got a Partial that holds arrays"):
        pn.sequential(jax.tree_util.Partial(jnp.add, shift))
    model = pn.sequential(lambda x: x + shift[None], jax.nn.relu)
    np.testing.assert_allclose(model(X), jax.nn.relu(X + 1))
