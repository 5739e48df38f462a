"""capture: marked values come out of every kind of transformation, and nothing else changes."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.arange(1.0, 4.0)


def same(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), one, other)


def inner(x):
    return pn.name(jnp.sin(x), "hidden")


def steps(x):
    def body(carry, value):
        carry = pn.name(carry * value, "carry")
        return carry, carry + 1

    return jax.lax.scan(body, jnp.ones(()), x)


@jax.custom_vjp
def marked_rule(x):
    return pn.name(2 * x, "doubled")


marked_rule.defvjp(lambda x: (marked_rule(x), None), lambda _, g: (10 * g,))


@jax.custom_vjp
def plain_rule(x):
    return 2 * x


plain_rule.defvjp(lambda x: (plain_rule(x), None), lambda _, g: (10 * g,))


@jax.custom_jvp
def marked_jvp(x):
    return pn.name(2 * x, "doubled")


marked_jvp.defjvp(lambda primals, tangents: (marked_jvp(*primals), 2 * tangents[0]))


@pytest.mark.parametrize(
    "wrap",
    [lambda f: f, jax.jit, jax.checkpoint, jax.vmap, lambda f: jax.jit(jax.checkpoint(f))],
    ids=["plain", "jit", "checkpoint", "vmap", "jit-checkpoint"],
)
def test_a_marked_value_comes_out(wrap):
    def f(x):
        return jnp.sum(wrap(inner)(x) ** 2)

    for captured in (pn.capture(f), jax.jit(pn.capture(f))):
        y, seen = captured(X)
        same(y, np.sum(np.sin(X) ** 2))
        assert list(seen) == ["hidden"]
        same(seen["hidden"], np.sin(X))


def test_values_of_a_scan_are_stacked():
    y, seen = pn.capture(steps)(X)
    same(y, steps(X))
    same(seen, {"carry": np.cumprod(X)})


def test_a_scan_inside_a_scan():
    def outer(carry, x):
        return carry, steps(x)[0]

    _, seen = pn.capture(lambda x: jax.lax.scan(outer, 0.0, x))(jnp.stack([X, 2 * X]))
    same(seen["carry"], np.cumprod([X, 2 * X], axis=1))


def test_a_fori_loop_of_known_length_is_a_scan():
    def f(x):
        return jax.lax.fori_loop(0, 3, lambda i, x: pn.name(2 * x, "doubled"), x)

    y, seen = pn.capture(f)(1.0)
    assert (float(y), seen["doubled"].tolist()) == (8.0, [2.0, 4.0, 8.0])


@pytest.mark.parametrize("rule", [marked_rule, marked_jvp])
def test_values_inside_custom_rules(rule):
    y, seen = pn.capture(lambda x: rule(x) + 1)(3.0)
    assert (float(y), float(seen["doubled"])) == (7.0, 6.0)
    assert float(jax.grad(lambda x: pn.capture(rule)(x)[0])(3.0)) == 2.0


def test_a_rule_without_marks_inside_is_kept():
    def f(x):
        return pn.name(plain_rule(x), "out")

    y, seen = pn.capture(f)(3.0)
    assert (float(y), float(seen["out"])) == (6.0, 6.0)
    assert float(jax.grad(lambda x: pn.capture(f)(x)[0])(3.0)) == 10.0
    assert float(jax.grad(lambda x: pn.capture(f)(x)[1]["out"])(3.0)) == 10.0


def test_the_branch_that_is_not_taken_gives_nan():
    def f(x):
        return jax.lax.cond(
            x > 0, lambda x: pn.name(2 * x, "double"), lambda x: -pn.name(x * x, "square"), x
        )

    y, seen = jax.jit(pn.capture(f))(3.0)
    assert (float(y), float(seen["double"])) == (6.0, 6.0)
    assert np.isnan(seen["square"])
    y, seen = jax.jit(pn.capture(f))(-3.0)
    assert (float(y), float(seen["square"])) == (-9.0, 9.0)


def test_a_label_met_twice_gives_both():
    y, seen = pn.capture(lambda x: inner(inner(x)))(X)
    same(seen["hidden"], (np.sin(X), np.sin(np.sin(X))))


def test_leaves_of_a_tree_are_marked_with_their_paths():
    _, seen = pn.capture(lambda x: pn.name({"a": x, "b": [2 * x]}, "t"))(1.0)
    assert {label: float(value) for label, value in seen.items()} == {"t['a']": 1.0, "t['b'][0]": 2}


def test_the_gradient_flows_through_a_captured_value():
    def penalty(x):
        return jnp.sum(pn.capture(jax.jit(inner))(x)[1]["hidden"] ** 2)

    same(jax.grad(penalty)(X), 2 * np.sin(X) * np.cos(X))


@pytest.mark.parametrize("wrap", [lambda f: f, jax.checkpoint])
def test_capture_of_a_gradient_gives_each_value_once(wrap):
    def f(x):
        return jnp.sum(wrap(inner)(x) ** 2)

    (y, gradient), seen = pn.capture(jax.value_and_grad(f))(X)
    same(gradient, jax.grad(f)(X))
    same(seen, {"hidden": np.sin(X)})


def test_capture_under_vmap():
    _, seen = jax.vmap(pn.capture(steps))(jnp.stack([X, 2 * X]))
    same(seen["carry"], np.cumprod([X, 2 * X], axis=1))


def instructions(f, *args):
    """The optimised program, without what only tells where in the source it comes from."""
    text = jax.jit(f).lower(*args).compile().as_text()
    return [re.sub(r", metadata=\{.*?\}", "", line) for line in text.splitlines() if " = " in line]


def network():
    keys = jax.random.split(jax.random.key(0), 2)
    return pn.sequential({"hidden": pn.YatDense(keys[0], 3, 4), "out": pn.Linear(keys[1], 4, 2)})


@pytest.mark.parametrize("unused", [False, True])
@pytest.mark.usefixtures("optimized")
def test_what_is_not_used_costs_nothing(unused):
    model, x = network(), jnp.ones((5, 3))

    def f(model, x):
        hidden = model["hidden"](x)
        return model["out"](pn.name(hidden, "hidden") if unused else hidden)

    def plain(model, x):
        return model["out"](model["hidden"](x))

    def dropped(model, x):
        return pn.capture(f)(model, x)[0]

    assert instructions(dropped, model, x) == instructions(plain, model, x)


def test_models_are_captured_by_path():
    model, x = network(), np.ones((5, 3))
    y, seen = pn.capture(model)(x)
    same(y, model(x))
    assert list(seen) == ["['hidden']", "['out']"]
    same(seen["['hidden']"], model["hidden"](x))
    same(seen["['out']"], y)


def test_a_model_whose_parameters_are_a_model():
    model = pn.bind(network(), lambda inner, x: 2 * inner(x))
    assert {"['hidden']", "['out']"} <= set(pn.capture(model)(jnp.ones((5, 3)))[1])


def test_parametrised_arrays_are_no_models_to_capture():
    Normed = pn.reparam(pn.Linear, pn.parametrise(pn.bind("Log", jnp.exp, jnp.log), "kernel"))
    one, two = jax.random.split(jax.random.key(0))
    model = pn.sequential({"one": Normed(one, 3, 3), "deep": pn.repeat(Normed, 2)(two, 3, 3)})
    x = jnp.ones((4, 3))
    y, seen = jax.jit(pn.capture(model))(x)
    np.testing.assert_allclose(y, model(x), rtol=1e-6)
    shapes = {label: value.shape for label, value in seen.items()}
    assert shapes == {"['one']": (4, 3), "['deep'].each": (2, 4, 3), "['deep']": (4, 3)}


def test_captured_models_are_trained_through():
    model, x = network(), jnp.ones((5, 3))

    def penalty(model):
        _, seen = pn.capture(model)(x)
        return jnp.sum(seen["['hidden']"] ** 2)

    gradient = jax.grad(penalty)(model)
    wanted = jax.grad(lambda model: jnp.sum(model["hidden"](x) ** 2))(model)
    same(gradient, wanted)


def test_capture_of_observe_returns_moved_state_too():
    model = pn.sequential(pn.BatchNorm(3), lambda x: pn.name(x, "normal"))
    (y, moved), seen = jax.jit(pn.capture(pn.observe))(model, jnp.stack([X, 2 * X]))
    same(seen["normal"], y)
    assert float(moved[0].mean[0]) != 0


def test_inner_outputs_are_captured_where_they_can_be_had():
    """A part in a while_loop has none to show; a mark of the user's there is still refused."""

    def apply(params, x):
        inside = jax.lax.while_loop(lambda x: jnp.sum(x) < 9, lambda x: 1 + params[0](x) ** 2, x)
        return params[1](pn.name(inside, "inside"))

    model = pn.bind((pn.Linear(jax.random.key(0), 3, 3), pn.Linear(jax.random.key(1), 3, 2)), apply)
    y, seen = jax.jit(pn.capture(model))(X)
    same(y, model(X))
    assert sorted(seen) == ["[1]", "inside"]
    same(seen["[1]"], y)
    y, seen = pn.capture(lambda x: pn.capture(pn.sequential(model))(x)[0])(X)
    same(y, model(X))


def test_what_cannot_be_returned_is_an_error():
    def f(x):
        return jax.lax.while_loop(lambda x: x < 9, lambda x: pn.name(2 * x, "doubled"), x)

    with pytest.raises(ValueError, match=r"inside while cannot be captured; use jax\.lax\.scan"):
        pn.capture(f)(1.0)
    with pytest.raises(TypeError, match="label must be text"):
        pn.name(X, 3)
