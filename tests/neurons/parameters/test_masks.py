"""Masks that are given: pruned networks, connections that are not there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)
TRIANGLE = np.tri(3, dtype=bool)


def network():
    one, two = jax.random.split(jax.random.key(0))
    return pn.sequential({"hidden": pn.Linear(one, 3, 3), "out": pn.Linear(two, 3, 3)})


def truth(model, masks):
    y = X
    for name, part in model.params.items():
        y = y @ np.where(masks.get(name, True), np.asarray(part.kernel, np.float64), 0)
        y = y + np.asarray(part.bias, np.float64)
    return y


def holed(masks):
    """The masks as a tree of the structure of the model."""
    model = network()
    tree = jax.tree.map(lambda leaf: np.ones(leaf.shape, bool), pn.select(model, "*kernel"))
    for name, keep in masks.items():
        tree = pn.replace(tree, f"{name}.kernel", keep)
    return tree


MASKS = {"hidden": TRIANGLE, "out": TRIANGLE.T}
FORMS = {
    "paths": ({"hidden.kernel": TRIANGLE, "['out'].kernel": TRIANGLE.T}, MASKS),
    "one path": ({"out.kernel": jnp.asarray(TRIANGLE)}, {"out": TRIANGLE}),
    "a pattern": ({"*kernel": TRIANGLE}, {"hidden": TRIANGLE, "out": TRIANGLE}),
    "nested": ({"hidden": {"kernel": TRIANGLE}}, {"hidden": TRIANGLE}),
    "a tree": (holed(MASKS), MASKS),
    "one mask": (TRIANGLE, {"hidden": TRIANGLE, "out": TRIANGLE}),
}


@pytest.mark.parametrize("form", FORMS)
def test_given_masks_keep_what_they_say(form):
    given, masks = FORMS[form]
    model = network()
    masked = pn.reparam(model, pn.mask(given))
    np.testing.assert_allclose(masked(X), truth(model, masks), rtol=1e-6)
    gradient = pn.grad(lambda m: (m(X) ** 2).sum())(masked)
    for name, keep in masks.items():
        found = np.asarray(gradient[name].kernel.value)
        assert ((found != 0) == keep).all()
    np.testing.assert_allclose(pn.bake(masked)(X), truth(model, masks), rtol=1e-6)


def test_a_bare_mask_goes_where_the_pattern_says():
    masked = pn.reparam(network(), pn.mask(TRIANGLE, "out.kernel"))
    np.testing.assert_allclose(masked(X), truth(network(), {"out": TRIANGLE}), rtol=1e-6)


def test_masks_are_leaves_so_another_mask_is_no_other_compilation():
    traces = []

    @jax.jit
    def call(model):
        traces.append(None)
        return model(X)

    models = [
        pn.reparam(network(), pn.mask({"hidden.kernel": keep})) for keep in (TRIANGLE, ~TRIANGLE)
    ]
    assert jax.tree.structure(models[0]) == jax.tree.structure(models[1])
    first, second = map(call, models)
    assert len(traces) == 1
    assert not np.allclose(first, second)
    hash(models[0].layer)


def test_a_model_that_is_made_anew_keeps_everything_and_takes_the_masks_of_a_file(tmp_path):
    masked = pn.reparam(network(), pn.mask({"hidden.kernel": TRIANGLE}))
    anew = pn.reparam(network(), pn.mask({"hidden.kernel": np.ones((3, 3), bool)}))
    np.testing.assert_allclose(anew(X), network()(X))
    path = pn.save(tmp_path / "masked.npz", masked)
    np.testing.assert_array_equal(pn.load(path, anew)(X), masked(X))
    single = pn.reparam(pn.Linear(jax.random.key(0), 3, 3), pn.mask({"kernel": TRIANGLE}))
    assert single.layer(jax.random.key(1), 3, 3).kernel.keep.all()


def test_masks_of_the_copies_of_a_repeat():
    model = pn.repeat(pn.Linear, 2)(jax.random.key(0), 3, 3)
    keep = np.stack([TRIANGLE, TRIANGLE.T])
    masked = pn.reparam(model, pn.mask({"each.kernel": keep}))
    expected = X
    for i in range(2):
        kernel = np.where(keep[i], np.asarray(model[i].kernel, np.float64), 0)
        expected = expected @ kernel + np.asarray(model[i].bias)
    np.testing.assert_allclose(masked(X.astype(np.float32)), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("keep", "kind", "words"),
    [
        ({"hidden.kernel": np.ones((2, 3), bool)}, ValueError, r"of shape \(3, 3\), got bool of"),
        ({"hidden.kernel": np.ones((3, 3))}, TypeError, r"must be booleans of .* got float64 of"),
        ({"krenel": TRIANGLE}, ValueError, r"got 'krenel'; the roles are params, the paths"),
        (
            {"*kernel": TRIANGLE, "out.kernel": TRIANGLE},
            ValueError,
            "one mask for an array, got two by 'out.kernel'",
        ),
        ({}, TypeError, "keep must be a share, a function or masks, got a dict"),
        ("half", TypeError, "keep must be a share, a function or masks, got a str"),
        (True, TypeError, "keep must be a share, a function or masks, got a bool"),
        (1.5, ValueError, r"keep must be .*, got 1\.5"),
        (lambda array: array > 0, None, ""),
        (lambda array: array[0] > 0, ValueError, "what keep returns must be booleans of shape"),
    ],
)
def test_errors_name_shapes_and_never_values(keep, kind, words):
    if kind is None:
        pn.reparam(network(), pn.mask(keep))
        return
    with pytest.raises(kind, match=words) as info:
        pn.reparam(network(), pn.mask(keep))
    assert "array(" not in str(info.value)
    assert "True" not in str(info.value)


def test_masks_are_for_models_and_say_themselves_where_they_go():
    with pytest.raises(TypeError, match="reparam: transform must be hashable, got a Given"):
        pn.reparam(pn.Linear, pn.mask({"kernel": TRIANGLE}))
    with pytest.raises(TypeError, match="pattern must be left out"):
        pn.mask({"kernel": TRIANGLE}, "*kernel")


def test_roles_of_the_layer_itself_count_for_transforms():
    """The statistics of a batch norm are floating arrays too, but they are not parameters."""
    norm = pn.BatchNorm(3)
    low = pn.reparam(norm, pn.cast(jnp.bfloat16, "params"))
    params = low.layer.apply.transformed(low.params)
    assert (params.scale.dtype, params.mean.dtype) == (jnp.bfloat16, jnp.float32)
    stats = pn.reparam(norm, pn.cast(jnp.bfloat16, "batch_stats"))
    params = stats.layer.apply.transformed(stats.params)
    assert (params.scale.dtype, params.mean.dtype) == (jnp.float32, jnp.bfloat16)
    Low = pn.reparam(pn.BatchNorm, pn.weight_norm("batch_stats"))
    assert [path for path in dir(Low(3)) if path == "mean"] == ["mean"]
    assert Low(3).mean.layer.name == "WeightNorm"
