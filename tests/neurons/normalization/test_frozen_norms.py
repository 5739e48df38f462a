"""What moves in training, frozen: it computes what it computed, to the bit."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

X = np.asarray(jax.random.normal(jax.random.key(0), (32, 3)) * 3 + 5)
Y = X[:, :1] * X[:, 1:2]


def moving(name, key):
    if name == "spectral norm":
        return pn.reparam(pn.Linear(key, 3, 3), pn.spectral_norm())
    norm = pn.BatchNorm(3) if name == "BatchNorm" else pn.YatBatchNorm(key, 3)
    _, norm = pn.observe(norm, X)
    return norm


MOVING = ["BatchNorm", "YatBatchNorm", "spectral norm"]


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("way", ["freeze", "inference"])
def test_a_part_at_rest_observes_to_the_bit_what_it_infers(name, way):
    part = moving(name, jax.random.key(1))
    still = pn.freeze(part) if way == "freeze" else pn.inference(part)
    y, after = pn.observe(still, X)
    np.testing.assert_array_equal(y, part(X))
    jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(after), jax.tree.leaves(part))


@pytest.mark.parametrize("name", MOVING)
def test_a_frozen_part_is_to_the_bit_what_it_was_after_fit(name):
    one, two, three = jax.random.split(jax.random.key(2), 3)
    model = pn.sequential({"part": moving(name, one), "out": pn.Linear(two, 3, 1)})
    model = pn.freeze(model, "['part']")
    before = model["part"](X)
    fitted, _ = pn.fit(
        optax.adamw(0.1), model, X, Y, epochs=3, batch_size=8, key=three, progress=False
    )
    np.testing.assert_array_equal(fitted["part"](X), before)
    assert jnp.any(fitted["out"].kernel != model["out"].kernel)


@pytest.mark.parametrize("name", MOVING)
def test_the_same_part_moves_when_it_is_not_frozen(name):
    part = moving(name, jax.random.key(1))
    if name == "spectral norm":  # its vectors are exact until the matrix moves
        part = pn.replace(part, ".kernel.matrix", part.kernel.matrix + jnp.eye(3))
    _, after = pn.observe(part, X + 1)
    assert any(
        jnp.any(a != b) for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(part), strict=True)
    )


@pytest.mark.usefixtures("optimized")
def test_training_computes_the_moments_of_the_batch_once():
    def flops(f, *args):
        return jax.jit(f).lower(*args).compile().cost_analysis()["flops"]

    x, model = jnp.ones((64, 8, 32)), pn.BatchNorm(32)
    alone = flops(lambda x, model: pn.batch_norm(x, model.scale, model.bias), x, model)
    assert flops(lambda x, model: pn.observe(model, x), x, model) < 1.1 * alone


def test_a_mask_at_the_call_of_a_batch_norm_serves_training_and_inference():
    """A block that passes the mask on is written once: inference takes masked NaN as 0."""
    model, where = pn.BatchNorm(3), np.arange(32)[:, None] < 30
    holed = np.where(where, X, np.nan)
    y = model(holed, where=where)
    np.testing.assert_array_equal(y[:30], model(X)[:30])
    assert jnp.isfinite(y).all()
    with pytest.raises(TypeError, match="where must be boolean"):
        model(X, where=np.ones((32, 3)))
