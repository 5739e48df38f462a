"""Plain programs: they compute what the function does, of primitives that exporters know."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.io.plain_programs import INSIDE, OWN, simplified

X = np.random.default_rng(0).normal(size=(20, 4))
PLACES = np.array([[0, 1, 1, 2], [3, 2, 3, 3]])


def running(x, reverse, length):
    def step(carry, row):
        return 0.5 * carry + jnp.sin(row), carry.sum()

    return jax.lax.scan(step, jnp.zeros(4), x[:length], reverse=reverse)


def halved(x):
    return jax.lax.while_loop(lambda c: jnp.abs(c).max() > 0.1, lambda c: c / 2, x)


def chosen(x):
    return jax.lax.switch(jnp.int32(x[0, 0] > 5) + 1, [jnp.sin, jnp.cos, jnp.tanh], x)


def outer(x):
    return jax.lax.dot_general(x[:, :2], x, (((), ()), ((0,), (0,))))


def apart(x):
    window = {"window_dimensions": (3, 3), "window_strides": (1, 1), "padding": "VALID"}
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, base_dilation=(2, 3), **window)


def looked_up(x):
    return x.astype(jnp.float16)[jnp.array([3, 1, 1])]


FUNCTIONS = {
    "loop": lambda x: running(x, False, 20),
    "loop backwards": lambda x: running(x, True, 20),
    "short loop": lambda x: running(x, False, 3),
    "short loop backwards": lambda x: running(x, True, 3),
    "while": halved,
    "switch": chosen,
    "product that sums over nothing": outer,
    "window over places apart": apart,
    "rows in float16": looked_up,
    "narrow product": lambda x: pn.yat(x.astype(jnp.bfloat16), x[:4].astype(jnp.bfloat16)),
    "custom rules": lambda x: pn.relu(jax.nn.relu(x)) + pn.softermax(jnp.abs(x)),
    "checkpoint": jax.checkpoint(lambda x: jnp.sin(jnp.cos(x))),
    "sparse": lambda x: pn.sparse_linear(x, pn.sparse_kernel(x[:2], PLACES, 4)),
    "attention": lambda x: pn.yat_attention(*[x.reshape(1, 20, 2, 2)] * 3, is_causal=True),
}


def primitives(jaxpr):
    """The names of all primitives, those in loops and branches too."""
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        for value in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda v: hasattr(v, "jaxpr")
        ):
            if hasattr(value, "jaxpr"):
                yield from primitives(value.jaxpr)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_plain_program_computes_the_same(name):
    def listed(x):
        return jax.tree.leaves(FUNCTIONS[name](x))

    plain = simplified(listed, X)
    for one, two in zip(plain(X), listed(X), strict=True):
        assert one.dtype == two.dtype
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6)
    found = set(primitives(jax.make_jaxpr(plain)(X).jaxpr))
    assert not found & ({*INSIDE, *OWN} - {"jit"})
