"""Run by test_layouts on eight devices: kernels travel to the batch, not the batch to kernels."""

from functools import partial
from typing import Any

import jax
import optax

import pyneurons_yat as pn
from benchmarks.scale.hlo import work
from pyneurons_yat import zoo
from pyneurons_yat.learn.train_step import in_place

SEQUENCES, LENGTH, FEATURES, HIDDEN = 64, 64, 64, 256
ADAM = optax.adam(1e-3)


def main():
    make = partial(zoo.Transformer, vocabulary=64, features=FEATURES, blocks=2, heads=4)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    state = jax.eval_shape(lambda key: pn.TrainState.create(make(key), ADAM), jax.random.key(0))
    tokens = jax.ShapeDtypeStruct((SEQUENCES, LENGTH), "int32")
    step: Any = pn.train_step(pn.cross_entropy, ADAM, mesh=mesh, layout=pn.fsdp)
    given = in_place("test", step.args[0], state, (tokens, tokens))
    found = work(step.args[1].lower(*given).compile().as_text())
    largest = max(one.bytes for one in found.collectives)
    parameters = 4 * pn.count(state.model)
    assert largest <= parameters, (largest, found.collectives)
    assert parameters < 4 * SEQUENCES * LENGTH * FEATURES, "the stream must be larger, to tell"
    assert found.sent < 5 * parameters, (found.sent, parameters)


if __name__ == "__main__":
    main()
