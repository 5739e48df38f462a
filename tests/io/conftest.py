"""What the tests of files share: a path of either kind, and equality of trees to the bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(params=[".npz", ".safetensors"])
def path(request, tmp_path):
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"model{request.param}"


def bits(leaf):
    if jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key):
        return str(leaf.dtype), leaf.shape, np.asarray(jax.random.key_data(leaf)).tobytes()
    array = np.asarray(leaf)
    return array.dtype.name, array.shape, array.tobytes()


@pytest.fixture
def assert_same():
    """A function that compares two trees: structure, dtypes, shapes and every bit."""

    def compare(found, expected):
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        assert [*map(bits, jax.tree.leaves(found))] == [*map(bits, jax.tree.leaves(expected))]

    return compare
