"""Sparse layers, against dense ones of the same entries in NumPy, and what they hold."""

from itertools import pairwise

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cases_sparse import Inputs
from truth import linear, yat

import pyneurons_yat as pn

X = np.random.default_rng(0).normal(size=(6, 20))
LAYERS = {"SparseLinear": pn.SparseLinear, "SparseYatDense": pn.SparseYatDense}
every_layer = pytest.mark.parametrize("name", LAYERS)


def made(name, seed=0, **options):
    options = {"density": 0.3, "bias_init": jax.random.normal, "dtype": float, **options}
    return LAYERS[name](jax.random.key(seed), 20, 5, **options)


def full(kernel):
    """The kernel with its zeros, entry by entry."""
    dense = np.zeros((kernel.inputs.size, kernel.values.shape[1]))
    for k, o in np.ndindex(*kernel.values.shape):
        dense[kernel.indices[k, o], o] = kernel.values[k, o]
    return dense


def truth(model, x):
    kernel, bias, *more = model.params
    if not more:
        return linear(x, full(kernel), np.asarray(bias))
    return yat(x, full(kernel), np.asarray(bias), np.asarray(more[0]), 1e-5)


@every_layer
@pytest.mark.parametrize("shape", [(20,), (2, 3, 20), (0, 20)])
def test_value(name, shape):
    model, x = made(name), np.resize(X, shape)
    assert model(x).shape == (*shape[:-1], 5)
    np.testing.assert_allclose(model(x), truth(model, x), rtol=1e-8)


@every_layer
def test_gradients_are_those_of_the_dense_layer_at_the_entries(name):
    model = made(name)
    dense = pn.to_dense(model)
    np.testing.assert_array_equal(dense.kernel, full(model.kernel))

    def loss(model, x):
        return jnp.sum(jnp.sin(model(x)))

    @jax.jit
    def both(x):
        return [pn.grad(loss)(m, x) for m in (model, dense)], [
            jax.grad(lambda x, m=m: loss(m, x))(x) for m in (model, dense)
        ]

    (sparse, wanted), (one, other) = both(X)
    columns = np.arange(5)[None]
    np.testing.assert_allclose(
        sparse.kernel.values, np.asarray(wanted.kernel)[model.kernel.indices, columns], 1e-8
    )
    np.testing.assert_allclose(sparse.bias, wanted.bias, 1e-8)
    np.testing.assert_allclose(one, other, 1e-8, 1e-12)
    assert jax.tree.leaves(sparse.kernel.indices) == []


@every_layer
@pytest.mark.parametrize(("density", "count"), [(0.3, 6), (1, 20), (1.0, 20), (0.001, 1)])
def test_each_output_has_the_same_number_of_different_inputs(name, density, count):
    indices = np.asarray(made(name, density=density).kernel.indices)
    assert indices.shape == (count, 5)
    assert indices.dtype == np.int32
    assert all(len(set(column)) == count for column in indices.T)
    assert 0 <= indices.min() <= indices.max() < 20


def test_inputs_are_drawn_evenly():
    model = pn.SparseLinear(jax.random.key(0), 10, 3000, density=0.3)
    counts = np.bincount(np.asarray(model.kernel.indices).ravel(), minlength=10)
    assert abs(counts - 900).max() < 5 * np.sqrt(3000 * 0.3 * 0.7)


@every_layer
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_dtypes(name, dtype):
    model, x = made(name, dtype=dtype), jnp.asarray(X, dtype)
    y, gradient = jax.jit(pn.value_and_grad(lambda m: m(x).sum().astype(float)))(model)
    assert model(x).dtype == dtype == gradient.kernel.values.dtype
    exact = truth(model, np.asarray(x, float))
    np.testing.assert_allclose(np.asarray(model(x), float), exact, 0.02, 0.02 * abs(exact).max())
    assert np.isfinite(y)


@every_layer
def test_a_map_over_models_is_each_of_them(name):
    models = [made(name, seed) for seed in range(3)]
    stacked, xs = pn.stack(models), np.stack([X, 2 * X, -X])
    together = jax.jit(jax.vmap(lambda model, x: pn.value_and_grad(loss)(model, x)))
    values, gradients = together(stacked, xs)
    alone = jax.jit(pn.value_and_grad(loss))
    for i, (model, x) in enumerate(zip(models, xs, strict=True)):
        value, gradient = alone(model, x)
        np.testing.assert_allclose(values[i], value, 1e-8)
        np.testing.assert_allclose(gradients.kernel.values[i], gradient.kernel.values, 1e-8)


def loss(model, x):
    return jnp.sum(jnp.sin(model(x)))


@every_layer
def test_only_the_values_train_and_the_indices_have_their_role(name):
    model, optimizer = made(name), optax.adam(0.1)
    params, indices = pn.partition(model, "params", "indices")
    assert pn.count(indices) == 30
    state = pn.TrainState.create(model, optimizer)
    assert pn.count(state.opt_state) == 2 * pn.count(params) + 1
    moved, _ = pn.fit(optimizer, state, X, np.ones((6, 5)), epochs=2, progress=False)
    np.testing.assert_array_equal(moved.model.kernel.indices, model.kernel.indices)
    assert (moved.model.kernel.values != model.kernel.values).all()


@every_layer
def test_saved_scanned_and_jitted_the_indices_stay(name, tmp_path):
    model = made(name)
    again = pn.load(pn.save(tmp_path / "model.npz", model), like=made(name, 1))
    same = jax.jit(lambda m: jax.lax.scan(lambda m, _: (m, None), m, length=2)[0])(again)
    for one in (again, same):
        assert jax.tree.structure(one) == jax.tree.structure(model)
        jax.tree.map(np.testing.assert_array_equal, one, model)


@pytest.mark.slow
def test_a_repeat_of_sparse_layers():
    tower = pn.repeat(pn.SparseYatDense, 3)(jax.random.key(0), 8, 8, density=0.5)
    assert tower.each.kernel.values.shape == (3, 4, 8)
    y = X[:, :8]
    for layer in pn.unstack(tower.each):
        y = truth(layer, y)
    np.testing.assert_allclose(tower(X[:, :8]), y, rtol=1e-4)


def test_a_deep_stack_of_sparse_yat_layers_keeps_its_scale():
    keys = jax.random.split(jax.random.key(0), 6)
    y = jax.random.normal(jax.random.key(1), (64, 200))
    for key in keys:
        y = pn.SparseYatDense(key, 200, 200, density=0.5)(y)
    assert 0.7 < float(jnp.mean(y**2)) < 1.4


@pytest.mark.slow
def test_conversions_keep_the_largest_weights_of_each_output():
    model = pn.sequential(
        {
            "a": pn.YatDense(jax.random.key(0), 20, 5, epsilon=0.1),
            "b": pn.Linear(jax.random.key(1), 5, 3),
        }
    )
    sparse = pn.to_sparse(model, 0.2)
    assert [part.layer for part in sparse.params.values()] == [pn.SparseYatDense, pn.SparseLinear]
    kernel = np.asarray(model["a"].kernel)
    kept = np.sort(abs(kernel), axis=0)[-4:]
    np.testing.assert_array_equal(np.sort(abs(sparse["a"].kernel.values), axis=0), kept)
    rounded = np.where(abs(kernel) >= kept[0], kernel, 0)
    np.testing.assert_array_equal(pn.to_dense(sparse)["a"].kernel, rounded)
    np.testing.assert_allclose(pn.to_dense(sparse)(X), sparse(X), 1e-4, 1e-4)
    assert jax.tree.structure(pn.to_dense(sparse)) == jax.tree.structure(model)
    whole = pn.to_sparse(model, 1.0)
    np.testing.assert_allclose(whole(X), model(X), 1e-4, 1e-4)


@pytest.mark.slow
def test_conversions_go_into_repeats_and_keep_what_is_frozen():
    tower = pn.repeat(pn.Linear, 2)(jax.random.key(0), 4, 4)
    sparse = pn.to_sparse(tower, 0.5)
    assert sparse.each.kernel.values.shape == (2, 2, 4)
    np.testing.assert_allclose(pn.to_dense(sparse)(X[:, :4]), sparse(X[:, :4]), 1e-5, 1e-6)
    frozen = pn.to_sparse(pn.freeze(pn.Linear(jax.random.key(0), 4, 4), "kernel"), 0.5)
    assert pn.count(pn.select(frozen, "params")) == 4


@pytest.mark.slow
def test_other_layers_learn_with_a_transform():
    model = pn.reparam(made("SparseLinear"), pn.weight_norm("*values"))
    assert model(X).shape == (6, 5)
    assert np.isfinite(pn.grad(loss)(model, X).bias).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: made("SparseLinear", density=0), ValueError, "density must be above 0 and at mos"),
        (lambda: made("SparseLinear", density=1.5), ValueError, "density must be between 0 and 1"),
        (lambda: made("SparseYatDense", density="a"), TypeError, "density must be a Python number"),
        (lambda: pn.SparseLinear(jax.random.key(0), 3, 2), TypeError, "density"),
        (
            lambda: pn.SparseLinear(jax.random.key(0), 0, 2, density=0.5),
            ValueError,
            "inputs must be at least 1",
        ),
        (lambda: made("SparseYatDense")(X[:, :7]), ValueError, r"x must have shape \(\*B, 20\)"),
        (lambda: pn.sparse_linear(X, X), TypeError, "kernel must be a SparseKernel, got an array"),
        (lambda: pn.sparse_kernel(X, X, 20), TypeError, "indices must be integers, got dtype"),
        (lambda: pn.sparse_kernel([[1.0]], [[2]], 2), ValueError, "must be from 0 to 1, got 2"),
        (lambda: pn.sparse_kernel([[1.0]], [[-1]], 2), ValueError, "must be from 0 to 1, got -1"),
        (lambda: pn.sparse_kernel([[1.0], [2.0]], [[1], [1]], 2), ValueError, "got one twice"),
        (lambda: pn.sparse_kernel([[1.0, 2.0]], [[1]], 2), ValueError, r"have shape \(1, 2\)"),
        (lambda: pn.sparse_kernel([[1.0]] * 3, [[0]] * 3, 2), ValueError, r"K from 1 to the 2 inp"),
        (lambda: pn.sparse_kernel([1.0], [0], 2), ValueError, r"shape \(K, O\)"),
        (
            lambda: pn.to_dense(pn.Linear(jax.random.key(0), 3, 2)),
            ValueError,
            "a SparseLinear or SparseYatDense",
        ),
        (lambda: pn.to_sparse(X, 0.5), TypeError, "to_sparse: model must be a Model"),
        (
            lambda: pn.to_sparse(pn.YatDense(jax.random.key(0), 3, 2, distance="direct"), 0.5),
            ValueError,
            "SparseYatDense takes them, got distance",
        ),
        (lambda: pn.erdos_renyi([], 0.5), TypeError, "shapes must be pairs"),
        (lambda: pn.erdos_renyi([(3, 0)], 0.5), ValueError, "at least 1"),
        (lambda: pn.erdos_renyi([(3, 4)], 0.0), ValueError, "density must be above 0"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_kernel_of_lists_and_integers_is_floating():
    kernel = pn.sparse_kernel([[2, 3]], [[1, 0]], 2)
    assert kernel == pn.SparseKernel(kernel.values, kernel.indices, Inputs(2))
    np.testing.assert_array_equal(pn.sparse_linear(np.array([1, 10]), kernel), [20, 3])


def given(sizes, density):
    """Densities as SET's papers share them, found by halving: the total rises with the factor."""
    shapes = list(pairwise(sizes))

    def shares(factor):
        return [min(1, factor * (a + b) / (a * b)) for a, b in shapes]

    total, low, high = sum(a * b for a, b in shapes), 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        much = sum(p * a * b for p, (a, b) in zip(shares(middle), shapes, strict=True))
        low, high = (low, middle) if much > density * total else (middle, high)
    return shares(high)


@pytest.mark.parametrize("density", [1e-3, 0.05, 0.3, 0.9, 1])
@pytest.mark.parametrize("sizes", [(784, 1024, 1024, 10), (5, 5), (100, 20, 300, 4, 2)])
def test_a_density_is_shared_out_as_erdos_and_renyi_say(sizes, density):
    shapes = list(pairwise(sizes))
    got = pn.erdos_renyi(shapes, density)
    np.testing.assert_allclose(got, given(sizes, density), 1e-9)
    kept = sum(p * a * b for p, (a, b) in zip(got, shapes, strict=True))
    np.testing.assert_allclose(kept, density * sum(a * b for a, b in shapes), 1e-9)


def test_a_model_is_an_argument_of_what_is_exported():
    pytest.importorskip("flatbuffers")
    model = made("SparseYatDense")
    exported = jax.export.export(jax.jit(lambda model, x: model(x)))(model, X)
    again = jax.export.deserialize(exported.serialize())
    np.testing.assert_allclose(again.call(model, X), truth(model, X), 1e-8)


def test_the_gradient_needs_no_memory_of_the_size_of_the_dense_kernel():
    """784 times 1024 numbers of 4 bytes are 3.2 MB; the rows and their gradients are 230 kB."""
    model = pn.SparseYatDense(jax.random.key(0), 784, 1024, density=0.01)
    x = jax.ShapeDtypeStruct((32, 784), jnp.float32)
    gradient = jax.jit(pn.grad(lambda model, x: jnp.sum(model(x)))).lower(model, x).compile()
    assert gradient.memory_analysis().temp_size_in_bytes < 784 * 1024 * 4 / 3
    assert gradient.memory_analysis().output_size_in_bytes < 784 * 1024 * 4 / 50
