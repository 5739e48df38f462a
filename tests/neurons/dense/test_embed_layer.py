"""Embed and YatEmbed: looking up, scoring, ids out of range, and the peer."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

DRAW = np.random.default_rng(0)
Q = DRAW.normal(size=(2, 3, 4))
LAYERS = [pn.Embed, pn.YatEmbed]
both = pytest.mark.parametrize("layer", LAYERS, ids=lambda one: one.name)


def made(layer, size=6, **options):
    if layer is pn.YatEmbed:
        options = {"bias_init": jax.random.normal, "alpha_init": jax.random.normal, **options}
    return layer(jax.random.key(0), size, 4, dtype=float, **options)


def scores(model, query, epsilon=1e-5):
    """Row by row, in float64."""
    y = np.empty((*query.shape[:-1], model.embedding.shape[0]))
    for place in np.ndindex(*query.shape[:-1]):
        for v, row in enumerate(np.asarray(model.embedding, float)):
            dot = (query[place] * row).sum()
            if hasattr(model.params, "alpha"):
                bias, alpha = (np.asarray(a, float)[v] for a in (model.bias, model.alpha))
                dot = alpha * (dot + bias) ** 2 / (((query[place] - row) ** 2).sum() + epsilon)
            y[(*place, v)] = dot
    return y


@both
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (0,)])
def test_looking_up(layer, dtype, shape):
    model = made(layer)
    ids = DRAW.integers(0, 6, shape).astype(dtype)
    np.testing.assert_array_equal(model(ids), np.asarray(model.embedding)[ids])
    np.testing.assert_array_equal(jax.jit(model.__call__)(ids), model(ids))
    np.testing.assert_array_equal(model(5), model.embedding[5])


@both
def test_scoring(layer):
    model = made(layer)
    np.testing.assert_allclose(pn.attend(model, Q), scores(model, Q), rtol=1e-9)
    np.testing.assert_array_equal(jax.jit(pn.attend)(model, Q), pn.attend(model, Q))
    assert pn.attend(model, Q[0, 0]).shape == (6,)


def test_epsilon_of_the_yat_scores():
    model = made(pn.YatEmbed, epsilon=0.5)
    np.testing.assert_allclose(pn.attend(model, Q), scores(model, Q, 0.5), rtol=1e-9)
    y = pn.attend(model, Q, epsilon=2.0, distance="direct")
    np.testing.assert_allclose(y, scores(model, Q, 2.0), rtol=1e-9)
    learned = made(pn.YatEmbed, epsilon=0.5, learnable_epsilon=True)
    np.testing.assert_allclose(pn.attend(learned, Q), scores(model, Q, 0.5), rtol=1e-9)
    gradient = jax.grad(lambda m: pn.attend(m, Q).sum())(learned)
    assert np.abs(gradient.epsilon).min() > 0


def test_options_that_are_off():
    model = made(pn.YatEmbed, use_bias=False, use_alpha=False)
    assert model.bias is model.alpha is model.epsilon is None
    dot = Q @ np.asarray(model.embedding).T
    square = ((Q[..., None, :] - np.asarray(model.embedding)) ** 2).sum(-1)
    np.testing.assert_allclose(pn.attend(model, Q), dot**2 / (square + 1e-5), rtol=1e-9)


@both
@pytest.mark.parametrize("wrong", [-1, 6, 1000, -(2**31)])
def test_ids_out_of_range(layer, wrong):
    model = made(layer)
    ids = np.array([2, wrong])
    with pytest.raises(IndexError, match=f"ids must be from 0 to 5, got {wrong}"):
        model(ids)
    with pytest.raises(IndexError, match=f"got {wrong}"):
        model(wrong)
    for y in (jax.jit(lambda ids: model(ids))(ids), jax.vmap(model)(ids)):
        np.testing.assert_array_equal(y[0], model.embedding[2])
        assert np.isnan(y[1]).all()
    gradient = jax.jit(jax.grad(lambda m, ids: jnp.nansum(m(ids))))(model, ids).embedding
    np.testing.assert_array_equal(gradient, np.eye(6)[2][:, None] * np.ones(4))


@both
def test_one_row(layer):
    model = made(layer, 1)
    np.testing.assert_array_equal(model(np.zeros((2, 3), int)), np.tile(model.embedding, (2, 3, 1)))
    assert pn.attend(model, Q).shape == (2, 3, 1)
    with pytest.raises(IndexError, match="from 0 to 0, got 1"):
        model(1)
    assert np.isnan(jax.jit(model.__call__)(1)).all()


@both
@pytest.mark.parametrize("ids", [1.0, True, np.ones(3), np.ones(3, bool), 1j])
def test_ids_must_be_integers(layer, ids):
    with pytest.raises(TypeError, match=r"ids must be integers.*call attend\(model, query\)"):
        made(layer)(ids)
    for wrong in ([1, 2], None):
        with pytest.raises(TypeError, match=f"{layer.name}: ids must be an array or a number"):
            made(layer)(wrong)


@both
def test_repeated_ids_add_their_gradients(layer):
    model = made(layer)
    weights = DRAW.normal(size=(4, 4))
    ids = np.array([1, 3, 1, 0])
    gradient = jax.grad(lambda m: (m(ids) * weights).sum())(model).embedding
    wanted = np.zeros((6, 4))
    np.add.at(wanted, ids, weights)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-12)


@both
def test_wrong_arguments(layer):
    for sizes, error in (((0, 4), ValueError), ((6, 0), ValueError), ((6.0, 4), TypeError)):
        with pytest.raises(error):
            layer(jax.random.key(0), *sizes)
    with pytest.raises(ValueError, match="the last axis of x must match"):
        pn.attend(made(layer), Q[..., :3])
    with pytest.raises(TypeError, match="must be an Embed or a YatEmbed, got Linear"):
        pn.attend(pn.Linear(jax.random.key(0), 3, 3), Q)
    with pytest.raises(ValueError, match="epsilon must be above 0"):
        pn.YatEmbed(jax.random.key(0), 3, 4, epsilon=0)


@both
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_dtypes(layer, dtype):
    model = jax.tree.map(lambda leaf: leaf.astype(dtype), made(layer))
    assert model(np.arange(3)).dtype == pn.attend(model, Q.astype(dtype)).dtype == dtype
    y = pn.attend(model, Q.astype(dtype)).astype(float)
    wanted = scores(model, np.asarray(Q.astype(dtype), float))
    np.testing.assert_allclose(y, wanted, rtol=0.02, atol=0.02)


def unit(x):
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)


def unit_rows(params):
    return params._replace(embedding=unit(params.embedding))


def test_a_transform_reaches_both_uses():
    model = pn.reparam(made(pn.YatEmbed), unit_rows)
    np.testing.assert_allclose(jnp.linalg.norm(model(np.arange(6)), axis=-1), 1, rtol=1e-12)
    plain = pn.replace(made(pn.YatEmbed), "embedding", unit(made(pn.YatEmbed).embedding))
    np.testing.assert_allclose(pn.attend(model, Q), pn.attend(plain, Q), rtol=1e-12)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [{}, {"epsilon": 0.3}, {"learnable_epsilon": True}])
@pytest.mark.parametrize("spherical", [False, True])
def test_nmn(options, spherical):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nnx = pytest.importorskip("flax.nnx")
        peer = pytest.importorskip("nmn.nnx.layers.embed")
    layer = peer.Embed(6, 4, rngs=nnx.Rngs(0), spherical=spherical, **options)
    layer.alpha[...] = jnp.full(1, 1.7)
    model = pn.YatEmbed(jax.random.key(0), 6, 4, use_bias=False, **options)
    model = pn.replace(model, "embedding", layer.embedding[...])
    model = pn.replace(model, "alpha", jnp.full(6, 1.7, jnp.float32))
    q, g = Q.astype(np.float32), DRAW.normal(size=(2, 3, 6))

    def ours(model, q):
        model = pn.reparam(model, unit_rows) if spherical else model
        return pn.attend(model, unit(q) if spherical else q)

    with jax.numpy_rank_promotion("allow"):
        np.testing.assert_allclose(ours(model, q), layer.attend(q), rtol=2e-5)
        mine = jax.grad(lambda m, q: (ours(m, q) * g).sum(), (0, 1))(model, q)
        other = nnx.grad(lambda m, q: (m.attend(q) * g).sum(), argnums=(0, 1))(layer, q)
    pairs = [(mine[1], other[1]), (mine[0].embedding, other[0]["embedding"][...])]
    if "learnable_epsilon" in options:
        pairs.append((mine[0].epsilon.sum()[None], other[0]["epsilon_param"][...].reshape(1)))
    for one, two in pairs:
        np.testing.assert_allclose(one, two, rtol=0, atol=2e-5 * max(1, np.abs(two).max()))
    np.testing.assert_array_equal(model(np.arange(6)), layer(jnp.arange(6)))


@both
def test_a_tied_table_learns_a_permutation(layer):
    """The table is both ends of a model; one of 12 words follows each."""
    following = np.random.default_rng(1).permutation(12)
    one, two = jax.random.split(jax.random.key(0))
    tied = {"embed": layer(one, 12, 16), "hidden": pn.Linear(two, 16, 16)}

    def logits(tied, ids):
        return pn.attend(tied["embed"], tied["hidden"](tied["embed"](ids)), precision=None)

    optimizer = optax.adam(0.01)

    def step(carry, _):
        tied, state = carry
        loss = jax.grad(lambda t: pn.cross_entropy(logits(t, jnp.arange(12)), following))
        updates, state = optimizer.update(loss(tied), state)
        return (optax.apply_updates(tied, updates), state), None

    carry = tied, optimizer.init(tied)
    (tied, _), _ = jax.jit(lambda c: jax.lax.scan(step, c, length=400))(carry)
    np.testing.assert_array_equal(logits(tied, jnp.arange(12)).argmax(-1), following)
