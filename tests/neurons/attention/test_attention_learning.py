"""What attention layers are for: recall by content, and by place."""

import jax
import jax.numpy as jnp
import optax
import pytest

import pyneurons_yat as pn

WORDS, LENGTH, SIZE = 16, 24, 32
MODELS = {
    "dot": (pn.MultiHeadAttention, {}),
    "yat": (pn.YatMultiHeadAttention, {}),
    "yat, softermax": (pn.YatMultiHeadAttention, {"normalizer": "softermax", "power": 2.0}),
}
each = pytest.mark.parametrize("name", MODELS)


def trained(model, loss, steps, rate=3e-3):
    """The model after steps of adam on fresh data."""
    optimizer = optax.adam(rate)

    def step(carry, key):
        model, state = carry
        updates, state = optimizer.update(pn.grad(loss)(model, key), state)
        return (optax.apply_updates(model, updates), state), None

    def run(model):
        keys = jax.random.split(jax.random.key(1), steps)
        return jax.lax.scan(step, (model, optimizer.init(model)), keys)[0][0]

    return jax.jit(run)(model)


def create(key, layer, options):
    keys = iter(jax.random.split(key, 3))
    return {
        "embed": pn.Embed(next(keys), WORDS, SIZE),
        "attention": layer(next(keys), SIZE, SIZE, heads=2, is_causal=True, **options),
        "out": pn.Linear(next(keys), SIZE, WORDS),
    }


def apply(params, ids):
    return params["out"](params["attention"](params["embed"](ids)))


Model = pn.bind("Model", create, apply)


@pytest.mark.slow
@each
def test_copying_the_word_three_places_back(name):
    """Random words tell nothing of each other: only the place can be used, by rotary positions."""
    layer, options = MODELS[name]
    model = Model(jax.random.key(0), layer, {"rotary": "half", **options})

    def batch(key):
        ids = jax.random.randint(key, (32, LENGTH), 0, WORDS)
        return ids, ids[:, :-3]

    def loss(model, key):
        ids, before = batch(key)
        return pn.cross_entropy(model(ids)[:, 3:], before)

    model = trained(model, loss, 600)
    ids, before = batch(jax.random.key(2))
    accuracy = jnp.mean(model(ids)[:, 3:].argmax(-1) == before)
    assert accuracy > 0.98
    cache = pn.attention_cache(model.params["attention"], (32,), LENGTH)

    def one(cache, token):  # decoded token by token it knows as well
        x = model.params["embed"](token[:, None])
        y, cache = pn.decode(model.params["attention"], x, cache)
        return cache, model.params["out"](y)[:, 0].argmax(-1)

    _, words = jax.jit(lambda c, ids: jax.lax.scan(one, c, ids))(cache, ids.T)
    assert jnp.mean(words.T[:, 3:] == before) > 0.98


@pytest.mark.slow
@each
def test_associative_recall(name):
    """Pairs of a key and a value in one token; the last token is a key alone."""
    layer, options = MODELS[name]
    model = layer(jax.random.key(0), 2 * WORDS, WORDS, heads=2, **options)

    def batch(key):
        one, two, three = jax.random.split(key, 3)
        names = jax.vmap(lambda k: jax.random.permutation(k, WORDS)[:8])(jax.random.split(one, 64))
        values = jax.random.randint(two, (64, 8), 0, WORDS)
        place = jax.random.randint(three, (64,), 0, 8)
        asked = jnp.take_along_axis(names, place[:, None], 1)
        answer = jnp.take_along_axis(values, place[:, None], 1)[:, 0]
        pairs = jnp.concatenate([jax.nn.one_hot(names, WORDS), jax.nn.one_hot(values, WORDS)], -1)
        query = jnp.pad(jax.nn.one_hot(asked, WORDS), ((0, 0), (0, 0), (0, WORDS)))
        return query, pairs, answer

    def loss(model, key):
        query, pairs, answer = batch(key)
        return pn.cross_entropy(model(query, pairs)[:, 0], answer)

    model = trained(model, loss, 500, 1e-2)
    query, pairs, answer = batch(jax.random.key(2))
    assert jnp.mean(model(query, pairs)[:, 0].argmax(-1) == answer) > 0.98


@pytest.mark.slow
def test_training_with_dropout_on():
    """`observe` trains, inference drops nothing: recall survives a fifth of the weights lost."""
    layer, options = MODELS["yat"]
    model = layer(jax.random.key(0), 2, 2, heads=1, dropout=0.2, qkv_features=8, **options)

    def batch(key):
        x = jax.random.normal(key, (64, 6, 2))
        return x, x.mean(1)

    def loss(model, key):
        one, two = jax.random.split(key)
        x, mean = batch(one)
        y, _ = pn.observe(model, x, key=two)
        return jnp.mean((y[:, 0] - mean) ** 2)

    model = trained(model, loss, 400, 1e-2)
    x, mean = batch(jax.random.key(2))
    assert jnp.mean((model(x)[:, 0] - mean) ** 2) < 0.01
