"""A block with one forward pass trains, whatever it stands in."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.data import digits

N = 128


class Parts(NamedTuple):
    linear: pn.Model
    norm: pn.Model
    drop: pn.Model


def create(key, size):
    return Parts(pn.Linear(key, size, size), pn.BatchNorm(size), pn.Dropout(0.5))


def apply(p, x):
    return x + p.drop(jax.nn.relu(p.norm(p.linear(x))))


Block = pn.bind("Block", create, apply)
Outer = pn.bind("Outer", lambda key, size: (Block(key, size),), lambda p, x: p[0](x))

INSIDE = {
    "sequential": lambda key: Block(key, N),
    "compose": lambda key: pn.compose(Block(key, N), jnp.tanh),
    "reparam": lambda key: pn.reparam(Block(key, N), pn.weight_norm()),
    "another block": lambda key: Outer(key, N),
    "repeat": lambda key: pn.repeat(Block, 2)(key, N),
    "repeat with remat": lambda key: pn.repeat(Block, 2, remat=True)(key, N),
}


@pytest.mark.slow
@pytest.mark.parametrize("inside", INSIDE)
def test_a_block_of_linear_norm_and_dropout_learns_digits(inside):
    (x, y), (x_test, y_test) = digits()
    one, two, three, four = jax.random.split(jax.random.key(0), 4)
    parts = [INSIDE[inside](two)] + ([] if "repeat" in inside else [Block(three, N)])
    model = pn.sequential(
        pn.Dropout(0.1), pn.Linear(one, 64, N), jax.nn.relu, *parts, pn.Linear(four, N, 10)
    )
    optimizer = optax.adamw(optax.cosine_decay_schedule(4e-3, 80 * 22), weight_decay=0.05)
    model, _ = pn.fit(
        optimizer,
        model,
        x,
        y,
        loss=pn.cross_entropy,
        epochs=80,
        batch_size=64,
        key=jax.random.key(1),
        progress=False,
    )
    assert float(pn.accuracy(model(x_test), y_test)) >= 0.98
