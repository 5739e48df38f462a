"""Errors that pass through a model say which layer and which part they happened in."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import pytest

import pyneurons_yat as pn


class Net(NamedTuple):
    hidden: pn.Model
    out: pn.Model


def network(form):
    one, two = jax.random.split(jax.random.key(0))
    first, second = pn.YatDense(one, 63, 63), pn.YatDense(two, 64, 10)
    if form == "named":
        return pn.sequential({"hidden": first, "head": second})
    if form == "positional":
        return pn.sequential(first, second)
    return pn.bind(Net(first, second), lambda net, x: net.out(net.hidden(x)))


def caught(call):
    with pytest.raises(ValueError, match="63") as info:
        call()
    return str(info.value), "\n".join(info.value.__notes__)


@pytest.mark.parametrize(("form", "part"), [("named", "'head'"), ("positional", "part 1")])
@pytest.mark.parametrize("under", ["plain", "jit", "grad", "observe", "vmap"])
def test_wrong_width_in_the_second_part_names_the_part(form, part, under):
    model, x = network(form), jnp.ones((8, 63))
    calls = {
        "plain": lambda: model(x),
        "jit": lambda: jax.jit(lambda m, x: m(x))(model, x),
        "grad": lambda: pn.grad(lambda m, x: m(x).sum())(model, x),
        "observe": lambda: pn.observe(model, x),
        "vmap": lambda: jax.vmap(model)(x),
    }
    message, notes = caught(calls[under])
    for word in ("63", "64"):
        assert word in message
    assert part in notes
    assert "YatDense(.kernel float32[64,10]" in notes
    assert "Sequential" in notes


def test_a_part_of_a_hand_written_network():
    message, notes = caught(lambda: network("bound")(jnp.ones((8, 63))))
    assert "64" in message
    assert "in YatDense(.kernel float32[64,10]" in notes


def test_the_first_part_is_named_when_it_is_the_first():
    message, notes = caught(lambda: network("named")(jnp.ones((8, 62))))
    assert "62" in message
    assert "'hidden'" in notes
    assert "'head'" not in notes


def test_linear_and_neuron_and_compositions():
    x = jnp.ones((8, 62))
    for layer in (pn.Linear, pn.compose("Composed", pn.Linear, jax.nn.relu)):
        message, notes = caught(lambda layer=layer: layer(jax.random.key(0), 63, 2)(x))
        assert "62" in message
        assert f"in {layer.name}(.kernel float32[63,2]" in notes
    message, notes = caught(lambda: pn.Neuron(jax.random.key(0), 63)(x))
    assert "(8, 62)" in message
    assert "in Neuron" in notes
    message, notes = caught(lambda: pn.reparam(pn.Linear, lambda p: p)(jax.random.key(0), 63, 2)(x))
    assert "in Linear" in notes


def test_an_error_of_a_function_part_names_the_part():
    model = pn.sequential({"shape": lambda x: x.reshape(7, 7)})
    with pytest.raises(TypeError) as info:
        model(jnp.ones((8, 63)))
    assert "in part 'shape' of Sequential" in info.value.__notes__


def test_notes_go_from_the_inside_out():
    model = pn.sequential({"outer": network("named")})
    _, notes = caught(lambda: model(jnp.ones((8, 63))))
    assert notes.index("'head'") < notes.index("'outer'")


def test_errors_of_other_kinds_carry_notes_and_stay_what_they_are():
    class OddError(Exception):
        pass

    def fail(params, x):
        raise OddError("odd")

    with pytest.raises(OddError) as info:
        pn.bind((), fail)(1)
    assert info.value.__notes__ == ["in Model()"]


def test_notes_show_no_values():
    model = pn.bind({"secret": jnp.full((2,), 0.123456)}, lambda params, x: x @ params["secret"])
    with pytest.raises(TypeError, match="dot_general") as info:
        model(jnp.ones((3, 3)))
    assert "0.12345" not in "".join(info.value.__notes__)


def test_an_unknown_option_of_a_call_is_told_the_known_ones_once():
    def apply(params, x, *, epsilon=1.0, shift=0.0):
        return params * x

    model = pn.compose(pn.bind(jnp.ones(3), apply), jnp.tanh)
    in_training = partial(pn.observe, model)
    for call in (model, in_training):
        with pytest.raises(TypeError, match="unexpected keyword argument 'epsilom'") as info:
            call(jnp.ones(3), epsilom=2.0)
        told = [note for note in info.value.__notes__ if "options" in note]
        assert told == ["options of the call: epsilon, shift"]
