"""remat by name: the same values and gradients, and less memory the less is kept."""

import functools
import pickle
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat import zoo


class Block(NamedTuple):
    into: pn.Model
    out: pn.Model


def create(key, n):
    one, two = jax.random.split(key)
    return Block(pn.Linear(one, n, 4 * n), pn.Linear(two, 4 * n, n))


def apply(params, x):
    hidden = pn.name(jnp.sin(params.into(x)), "hidden")
    return x + jnp.tanh(pn.name(params.out(jnp.exp(jnp.cos(hidden))), "out"))


Residual = pn.bind("Residual", create, apply)
POLICIES = [
    *(True, "nothing", "dots", "dots_no_batch", "everything", "names:hidden"),
    *("names: hidden, out", jax.checkpoint_policies.dots_saveable),
]


def loss(model, x):
    return jnp.sum(model(x) ** 2)


@functools.cache
def gradients(remat, rows=3, width=4):
    model = pn.repeat(Residual, 3, remat=remat)(jax.random.key(0), width)
    x = jnp.linspace(-1.0, 1.0, rows * width).reshape(rows, width)
    value, gradient = jax.jit(jax.value_and_grad(loss))(model, x)
    return value, jax.tree.leaves(gradient)


@pytest.mark.parametrize("remat", [*POLICIES, "dots_on_host"])
def test_values_and_gradients_do_not_depend_on_what_is_kept(remat):
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-12),
        gradients(remat),
        gradients(False),
    )


@pytest.mark.usefixtures("optimized")
@pytest.mark.slow
def test_the_less_is_kept_the_less_memory_a_step_sets_aside():
    x = jax.ShapeDtypeStruct((512, 64), jnp.float32)

    def temporaries(remat):
        make = functools.partial(pn.repeat(Residual, 8, remat=remat), n=64)
        model = jax.eval_shape(make, jax.random.key(0))
        compiled = jax.jit(jax.grad(loss)).lower(model, x).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    kept = {name: temporaries(name) for name in POLICIES if isinstance(name, str)}
    assert temporaries(False) == kept["everything"]
    assert temporaries(True) == kept["nothing"]
    wide = 8 * 512 * 256 * 4  # the hidden layer of all copies
    assert kept["nothing"] + wide <= kept["names:hidden"] < kept["dots"] + wide
    assert kept["nothing"] + wide < kept["dots"]
    assert kept["dots"] <= kept["everything"] - wide


def test_a_policy_of_names_keeps_what_has_the_name():
    def kept(remat):
        model = pn.repeat(Residual, 2, remat=remat)(jax.random.key(0), 4)
        return str(jax.make_jaxpr(jax.grad(loss))(model, jnp.ones((3, 4)))).count("f64[2,3,16]")

    assert kept("names:hidden") > kept("nothing") == 0
    assert kept("names:out") == 0


def test_layers_with_one_policy_are_equal_and_travel():
    layer = pn.repeat(Residual, 3, remat="names:hidden")
    assert layer == pn.repeat(Residual, 3, remat="names:hidden") != pn.repeat(Residual, 3)
    assert pickle.loads(pickle.dumps(layer)) == layer


def test_a_name_gives_one_policy_so_eager_calls_compile_once():
    model = pn.repeat(Residual, 3, remat="names:hidden")(jax.random.key(0), 4)
    x = jnp.ones((3, 4))
    jax.grad(loss)(model, x)
    first = jax.jit(jax.grad(loss))
    first(model, x)
    again = pn.repeat(Residual, 3, remat="names:hidden")(jax.random.key(1), 4)
    first(again, x)
    assert first._cache_size() == 1


@pytest.mark.parametrize(
    ("remat", "error", "words"),
    [
        ("dotz", ValueError, "remat must be one of everything, nothing, dots, dots_no_batch"),
        ("names", ValueError, "names:LABEL,..., got 'names'"),
        ("names:", ValueError, "got 'names:'"),
        ("dots:hidden", ValueError, "got 'dots:hidden'"),
        (None, TypeError, "remat must be True or False, the name of a policy"),
        (3, TypeError, "the name of a policy or one of jax.checkpoint, got 3"),
    ],
)
def test_unknown_policies_are_refused_with_those_that_are_known(remat, error, words):
    with pytest.raises(error, match=f"repeat: .*{words}"):
        pn.repeat(Residual, 3, remat=remat)


def test_a_label_that_marks_nothing_is_refused_with_those_that_do():
    model = pn.repeat(Residual, 2, remat="names:hiden,out")(jax.random.key(0), 4)
    with pytest.raises(ValueError, match="inside of the copies, hidden, out, got hiden"):
        model(jnp.ones((3, 4)))
    model = pn.repeat(pn.Linear, 2, remat="names:hidden")(jax.random.key(0), 4, 4)
    with pytest.raises(ValueError, match="of which there is none, got hidden"):
        model(jnp.ones((3, 4)))


def small_transformer(remat):
    model = zoo.Transformer(jax.random.key(0), 5, 8, blocks=2, heads=2, dropout=0.5, remat=remat)
    tokens = jnp.arange(12).reshape(2, 6) % 5
    return model, lambda model: jnp.sum(model(tokens) ** 2)


def small_encoder_decoder(remat):
    model = zoo.EncoderDecoder(jax.random.key(0), 5, 8, blocks=1, heads=2, remat=remat)
    tokens = jnp.arange(6).reshape(2, 3) % 5
    return model, lambda model: jnp.sum(model(tokens, tokens) ** 2)


def small_vision_transformer(remat):
    sizes = {"image_size": 4, "patch_size": 2, "features": 8, "blocks": 1, "heads": 2}
    model = zoo.VisionTransformer(jax.random.key(0), 1, 3, **sizes, remat=remat)
    images = jnp.linspace(0.0, 1.0, 32).reshape(2, 4, 4, 1)
    return model, lambda model: jnp.sum(model(images) ** 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [small_transformer, small_encoder_decoder, small_vision_transformer]
)
@pytest.mark.parametrize("remat", ["nothing", "dots", "dots_no_batch"])
def test_the_transformers_of_the_zoo_take_the_names_in_training(make, remat):
    def found(remat):
        model, loss = make(remat)

        def in_training(model):
            return pn.training(loss)(model, key=jax.random.key(1))[0]

        value, gradient = jax.jit(jax.value_and_grad(in_training))(model)
        return value, jax.tree.leaves(gradient)

    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5),
        found(remat),
        found(False),
    )
