"""Learned positions: what is added where, its gradient, and positions that there are not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.random.default_rng(0).normal(size=(2, 3, 4))
MODEL = pn.PositionEmbed(jax.random.key(0), 6, 4, dtype=float)
TABLE = np.asarray(MODEL.embedding)


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({}, np.arange(3)),
        ({"offset": 3}, np.arange(3, 6)),
        ({"positions": np.array([4, 0, 4])}, [4, 0, 4]),
        ({"positions": np.array([[0, 1, 2], [3, 3, 0]]), "offset": 1}, [[1, 2, 3], [4, 4, 1]]),
    ],
)
def test_each_token_gets_the_row_of_its_position(options, places):
    np.testing.assert_allclose(MODEL(X, **options), X + TABLE[places], 1e-12)
    one = jax.jit(lambda model, x: jnp.sum(jnp.sin(model(x, **options))))
    gradient = jax.grad(one)(MODEL, X).embedding
    wanted = np.zeros_like(TABLE)
    np.add.at(wanted, np.broadcast_to(places, (2, 3)), np.cos(X + TABLE[places]))
    np.testing.assert_allclose(gradient, wanted, 1e-9, 1e-12)


def test_positions_that_there_are_not():
    for call in (lambda: MODEL(X, offset=4), lambda: MODEL(X, positions=np.array([0, 1, -1]))):
        with pytest.raises(IndexError, match="PositionEmbed: ids must be from 0 to 5"):
            call()
    beyond = jax.jit(lambda offset: MODEL(X, offset=offset))(4)
    np.testing.assert_array_equal(np.isnan(beyond).any(-1), [[False, False, True]] * 2)
    with pytest.raises(ValueError, match=r"x must have shape \(\*B, T, 4\), got \(2, 3\)"):
        MODEL(X[..., 0])
    with pytest.raises(ValueError, match="positions must have shape"):
        MODEL(X, positions=np.arange(4))
    with pytest.raises(TypeError, match="offset must be integers"):
        MODEL(X, offset=0.5)
