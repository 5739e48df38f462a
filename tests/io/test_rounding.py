"""save with `quantize`: integers and steps in the file, floats in memory, the same predictions."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.data import digits
from pyneurons_yat.io.formats import read_arrays


def key():
    return jax.random.key(0)


def by_hand(weights, bits, axes):
    """Whole multiples of the largest magnitude over the largest integer, in float64."""
    weights, most = np.asarray(weights, np.float64), 2 ** (bits - 1) - 1
    step = np.abs(weights).max(axes, keepdims=True) / most
    return np.round(weights / step) * step


@pytest.mark.parametrize(("bits", "kind"), [(2, "int8"), (8, "int8"), (9, "int16"), (16, "int16")])
def test_the_file_holds_integers_and_floats_come_back(path, bits, kind):
    model = pn.Linear(key(), 16, 20, bias_init=jax.nn.initializers.normal(1.0))
    pn.save(path, model, quantize=bits)
    arrays = read_arrays(path)
    assert arrays[".kernel"].dtype == kind
    assert np.abs(arrays[".kernel"]).max() == 2 ** (bits - 1) - 1
    found = pn.load(path)
    np.testing.assert_allclose(found.kernel, by_hand(model.kernel, bits, 0), rtol=1e-6)
    assert found.kernel.dtype == jnp.float32
    assert np.array_equal(found.bias, model.bias)
    assert jax.tree.structure(found) == jax.tree.structure(model)
    assert np.array_equal(pn.load(path, model).kernel, found.kernel)


@pytest.mark.slow
def test_what_is_loaded_is_what_the_transform_makes(path, assert_same):
    """Copies of a `repeat` have steps of their own; float64 and bfloat16 keep their dtypes."""
    model = pn.sequential(
        pn.repeat(pn.Linear, 3)(key(), 8, 8),
        pn.Conv(key(), 8, 8, (3, 3), dtype=jnp.bfloat16),
        pn.freeze(pn.Linear(key(), 8, 9, dtype=jnp.float64)),
    )
    pn.save(path, model, quantize=8)
    assert_same(pn.load(path), pn.bake(pn.reparam(model, pn.quantize(8))))
    shapes = {name: array.shape for name, array in read_arrays(path).items() if "step" in name}
    assert shapes == {
        "step of [0].each.kernel": (3, 1, 8),
        "step of [1].kernel": (1, 1, 1, 8),
        "step of [2].kernel": (1, 9),
    }


@pytest.mark.slow
def test_state_vectors_and_what_would_not_become_smaller_stay(path, assert_same):
    ones = jnp.ones((50, 50))
    tree = {
        "vector": jnp.arange(50.0),
        "row": jnp.ones((1, 50)) / 3,
        "integers": jnp.ones((50, 50), int),
        "small": np.ones((50, 50), jnp.float8_e4m3fn),
        "diverged": ones.at[3, 4].set(jnp.nan),
        "infinite": ones.at[3, 4].set(jnp.inf),
        "key": jax.random.split(key(), (50, 50)),
        "number": 1.5,
        "NumPy": np.full((50, 50), 1 / 3),
        "zero": jnp.zeros((50, 50)),
        "empty": jnp.zeros((0, 50)),
        "state": pn.bind("S", pn.identity, pn.identity, roles={"m": "s"})({"m": ones}),
    }  # fmt: skip
    pn.save(path, tree, quantize=8)
    rounded = {name for name in read_arrays(path) if name.startswith("step of")}
    assert rounded == {"step of ['NumPy']", "step of ['zero']"}
    found = pn.load(path, tree)
    assert found["NumPy"].dtype == np.float64
    np.testing.assert_allclose(found.pop("NumPy"), tree.pop("NumPy"), rtol=1e-6)
    assert_same(found, tree)


@pytest.mark.parametrize("bits", [1, 17, 0, -8, 8.0, "8", True, jnp.array(8), [8]])
def test_bits_are_checked_before_anything_is_written(path, bits):
    with pytest.raises(ValueError, match="save: bits must be an integer from 2 to 16, got"):
        pn.save(path, [1.0], quantize=bits)
    assert not path.exists()


@cache
def trained():
    """A classifier of digits, and the test data."""
    training, test = digits()
    model, _ = pn.fit(
        optax.adam(5e-3), pn.zoo.yat_classifier(key(), 64, 192, 10), *training,
        loss=pn.cross_entropy, epochs=8, batch_size=128, key=jax.random.key(1), progress=False,
    )  # fmt: skip
    return model, test


@pytest.mark.slow
def test_the_file_is_a_quarter_and_predicts_the_same_digits(path):
    pytest.importorskip("sklearn")
    fitted, test = trained()
    whole = pn.save(path, fitted).stat().st_size
    small = pn.save(path, fitted, quantize=8).stat().st_size
    assert small <= 0.3 * whole
    accuracies = [float(pn.accuracy(model(test.x), test.y)) for model in (fitted, pn.load(path))]
    assert accuracies[0] > 0.95
    assert abs(accuracies[0] - accuracies[1]) <= 0.005
