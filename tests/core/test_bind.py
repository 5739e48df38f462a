"""bind: its three forms, where keywords go, and what it refuses."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn


class Matrix(NamedTuple):
    kernel: jax.Array


def create(key, inputs, outputs, *, scale=1.0):
    return Matrix(scale * jax.random.normal(key, (inputs, outputs)))


def apply(params, x, *, gain=1.0, shift=0.0):
    return gain * (x @ params.kernel) + shift


def both_create(key, *, epsilon=1.0):
    return Matrix(jnp.full((2, 2), epsilon))


def both_apply(params, x, *, epsilon=1.0):
    return x @ params.kernel + epsilon


def square(kernel, x):
    return (x @ kernel) ** 2


Named = pn.bind("Named", create, apply)
X = np.arange(6.0).reshape(2, 3)


def model(**keywords):
    return Named(jax.random.key(0), 3, 2, **keywords)


def test_named_form_makes_a_layer_whose_call_makes_a_model():
    made = model()
    assert isinstance(Named, pn.Layer)
    assert isinstance(made, pn.Model)
    assert made.layer == Named
    assert isinstance(made.params, Matrix)
    np.testing.assert_allclose(made(X), X @ np.asarray(made.kernel))


def test_form_without_a_name():
    layer = pn.bind(create, apply)
    assert isinstance(layer, pn.Layer)
    assert layer == pn.bind(create, apply)
    made = layer(jax.random.key(0), 3, 2)
    np.testing.assert_allclose(made(X), model()(X))


@pytest.mark.parametrize(
    "params", [np.eye(3), jnp.eye(3), {"a": np.eye(3)}, (np.eye(3),), Matrix(np.eye(3)), None, 3.0]
)
def test_form_with_parameters_makes_a_model(params):
    made = pn.bind(params, lambda params, x: params)
    assert isinstance(made, pn.Model)
    back = made(X)
    assert type(back) is type(params)
    assert jax.tree.structure(back) == jax.tree.structure(params)
    pairs = zip(jax.tree.leaves(back), jax.tree.leaves(params), strict=True)
    assert all(one is other for one, other in pairs)


def test_bind_with_a_model_as_parameters():
    inner = model()
    outer = pn.bind(inner, lambda inner, x: 2 * inner(x))
    np.testing.assert_allclose(outer(X), 2 * inner(X))
    assert outer.kernel is inner.kernel


def test_bind_with_a_layer_as_create():
    Doubled = pn.bind("Doubled", Named, lambda inner, x, *, twice=True: (1 + twice) * inner(x))
    made = Doubled(jax.random.key(0), 3, 2, scale=2.0, gain=0.5, twice=False)
    assert made.params.layer == Named
    assert made.params.static == (("gain", 0.5),)
    assert made.static == (("twice", False),)
    np.testing.assert_allclose(made(X), 0.5 * X @ np.asarray(made.kernel))
    np.testing.assert_allclose(made.kernel, 2 * np.asarray(model().kernel))


def test_bind_with_a_tracer_as_parameters():
    """Dispatch looks at no array: inside jit, vmap and grad an array is a tracer."""

    @jax.jit
    def bound(kernel, x):
        return pn.bind(kernel, square)(x)

    kernel = np.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(bound(kernel, X), (X @ kernel) ** 2)
    gradient = jax.grad(lambda kernel: pn.bind(kernel, square)(X).sum())(kernel)
    np.testing.assert_allclose(gradient, 2 * X.T @ (X @ kernel))
    many = jax.vmap(lambda kernel: pn.bind(kernel, square)(X))(np.stack([kernel, 2 * kernel]))
    np.testing.assert_allclose(many[1], 4 * (X @ kernel) ** 2)


def test_a_model_bound_inside_jit_can_leave_it():
    made = jax.jit(lambda kernel: pn.bind(kernel, square))(np.eye(3))
    np.testing.assert_allclose(made(X), X**2)


def test_keywords_go_where_they_are_named():
    made = model(scale=3.0, gain=2.0)
    assert made.static == (("gain", 2.0),)
    np.testing.assert_allclose(made.kernel, 3 * np.asarray(model().kernel))
    np.testing.assert_allclose(made(X), 2 * X @ np.asarray(made.kernel))


def test_a_keyword_that_both_name_goes_to_both():
    made = pn.bind("Both", both_create, both_apply)(jax.random.key(0), epsilon=0.5)
    assert made.static == (("epsilon", 0.5),)
    np.testing.assert_allclose(made(np.ones((1, 2))), [[1.5, 1.5]])


def test_static_configuration_is_overridden_for_one_call_and_may_be_traced_there():
    made = model(gain=2.0)
    plain = X @ np.asarray(made.kernel)
    np.testing.assert_allclose(made(X, gain=5.0), 5 * plain)
    np.testing.assert_allclose(made(X), 2 * plain)
    slope = jax.grad(lambda gain: made(X, gain=gain).sum())(1.0)
    np.testing.assert_allclose(slope, plain.sum())


def test_positional_parameters_of_create_can_be_given_by_keyword():
    made = Named(jax.random.key(0), outputs=2, inputs=3)
    np.testing.assert_array_equal(made.kernel, model().kernel)
    assert made.static == ()


def test_an_unknown_keyword_lists_what_is_accepted():
    with pytest.raises(TypeError) as info:
        model(scael=2.0, gian=1.0)
    message = str(info.value)
    for word in ("Named", "'scael'", "'gian'", "scale", "gain", "shift", "inputs", "outputs"):
        assert word in message


def test_an_unknown_keyword_at_the_call_is_an_error():
    with pytest.raises(TypeError, match="gian"):
        model()(X, gian=1.0)


def test_functions_with_open_keywords_take_what_no_other_names():
    def open_create(key, **keywords):
        return keywords

    def open_apply(params, x, *, gain=1.0, **keywords):
        return keywords

    layer = pn.bind("Open", open_create, apply)
    made = layer(jax.random.key(0), gain=2.0, depth=3)
    assert made.params == {"depth": 3}
    assert made.static == (("gain", 2.0),)
    made = pn.bind("Open", create, open_apply)(jax.random.key(0), 3, 2, scale=2.0, gain=1.0, a=1)
    assert made(X) == {"a": 1}
    assert made.static == (("a", 1), ("gain", 1.0))


def test_keywords_of_partials_and_jitted_functions_are_known():
    jitted = pn.bind("Jitted", functools.partial(create, scale=2.0), jax.jit(apply))
    made = jitted(jax.random.key(0), 3, 2, scale=1.0, gain=2.0)
    np.testing.assert_allclose(made(X), 2 * X @ np.asarray(model().kernel), rtol=1e-12)
    with pytest.raises(TypeError, match="gian"):
        jitted(jax.random.key(0), 3, 2, gian=2.0)


def observed(params, x, *, gain=1.0, momentum=0.9, key=None):
    return gain * momentum * x, params


@pytest.mark.parametrize("by_keyword", [False, True])
def test_observe_by_position_and_by_keyword(by_keyword):
    if by_keyword:
        layer = pn.bind("Named", create, apply, observe=observed)
    else:
        layer = pn.bind("Named", create, apply, observed)
    assert layer == pn.bind("Named", create, apply, observed)
    made = layer(jax.random.key(0), 3, 2, gain=2.0, momentum=0.5)
    assert made.static == (("gain", 2.0), ("momentum", 0.5))
    np.testing.assert_allclose(pn.observe(made, X)[0], X)
    np.testing.assert_allclose(made(X), 2 * X @ np.asarray(made.kernel))
    np.testing.assert_allclose(pn.observe(made, X, gain=3.0)[0], 1.5 * X)


def test_observe_in_the_forms_without_a_name():
    made = pn.bind(create, apply, observed)(jax.random.key(0), 3, 2)
    np.testing.assert_allclose(pn.observe(made, X)[0], 0.9 * X)
    made = pn.bind(np.eye(3), square, observe=observed)
    np.testing.assert_allclose(pn.observe(made, X)[0], 0.9 * X)


def test_a_key_is_no_static_configuration():
    layer = pn.bind("Named", lambda n: Matrix(jnp.eye(n)), apply, observed)
    with pytest.raises(TypeError, match="key"):
        layer(3, key=jax.random.key(0))


def test_equal_functions_give_equal_layers_and_other_things_do_not():
    again = pn.bind("Named", create, apply)
    assert again == Named
    assert hash(again) == hash(Named)
    assert pn.bind("Other", create, apply) != Named
    assert pn.bind("Named", create, square) != Named
    assert pn.bind("Named", create, apply, observed) != Named
    assert pn.bind("Named", create, apply, roles={"kernel": "state"}) != Named


def test_the_order_of_roles_does_not_matter():
    one = pn.bind("R", create, apply, roles={"kernel": "a", "bias": "b"})
    two = pn.bind("R", create, apply, roles={".bias": "b", ".kernel": "a"})
    assert one == two
    assert hash(one) == hash(two)


def test_a_layer_is_immutable():
    with pytest.raises(AttributeError):
        Named.name = "Renamed"
    with pytest.raises(AttributeError):
        model().params = None


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("Named",),
        (create,),
        ("Named", create),
        ("Named", create, None),
        ("Named", create, 3),
        ("Named", 3, apply),
        (1, 2),
        (create, apply, 3),
        ("Named", create, apply, observed, {"kernel": "state"}),
    ],
)
def test_arguments_that_fit_no_form_are_a_type_error(arguments):
    with pytest.raises(TypeError, match="bind takes"):
        pn.bind(*arguments)


def test_wrong_keywords_of_bind_are_a_type_error():
    with pytest.raises(TypeError, match="rols"):
        pn.bind("Named", create, apply, rols={})
    with pytest.raises(TypeError, match="roles must be a mapping"):
        pn.bind("Named", create, apply, roles=[("kernel", "state")])


@pytest.mark.parametrize("value", [np.ones(2), jnp.ones(2), [1.0], {"a": 1}, {1.0}])
def test_static_configuration_that_cannot_be_hashed_is_a_clear_error(value):
    with pytest.raises(TypeError, match=r"Named: gain .* must be hashable") as info:
        model(gain=value)
    assert "model(x, gain=...)" in str(info.value)


def test_a_traced_value_is_no_static_configuration():
    with pytest.raises(TypeError, match="gain is static configuration"):
        jax.jit(lambda gain: model(gain=gain)(X))(2.0)


def test_a_box_stands_for_finished_parameters():
    params = Matrix(np.eye(3))
    assert Named(pn.Box(params)).params is params
    (value,) = pn.Box(params)
    assert value is params
    assert jax.tree.leaves(pn.Box((1, 2))) == [1, 2]
    assert Named(pn.Box(params), gain=2.0).static == (("gain", 2.0),)


def test_a_box_with_a_keyword_that_create_names_too():
    params = Matrix(jnp.eye(2))
    made = pn.bind("Both", both_create, both_apply)(pn.Box(params), epsilon=0.5)
    assert made.params is params
    assert made.static == (("epsilon", 0.5),)


def test_a_box_with_a_keyword_that_only_shapes_parameters_is_refused():
    with pytest.raises(TypeError, match="Named: a Box holds finished parameters, which scale"):
        Named(pn.Box(Matrix(jnp.eye(2))), scale=2.0)


def test_the_docstring_of_a_layer():
    assert "affine" in pn.Linear.__doc__
    assert pn.bind("Named", create, apply, doc="Said here.").__doc__ == "Said here."


def test_an_error_while_creating_names_the_layer():
    with pytest.raises(ValueError, match="at least 1") as info:
        pn.Linear(jax.random.key(0), 0, 2)
    assert "while creating Linear" in info.value.__notes__
