"""tie: one leaf for several places. streams: keys by name."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


def pair(outputs=3):
    one, two = jax.random.split(jax.random.key(0))
    return pn.sequential({"in": pn.Linear(one, 3, 3), "out": pn.Linear(two, 3, outputs)})


def tied():
    return pn.tie(pair(), {"['out'].kernel": "['in'].kernel"})


def close(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_target_is_the_source():
    kernel = pair()["in"].kernel
    close(tied()(X), (X @ kernel) @ kernel)
    assert pn.count(tied()) == 15
    assert "['out'].kernel" not in repr(tied())


def test_gradients_are_summed_over_the_uses():
    def loss(model):
        return jnp.sum(model(X) ** 2)

    whole = pn.replace(pair(), "['out'].kernel", pair()["in"].kernel)
    both = jax.grad(loss)(whole)
    gradient = jax.grad(loss)(tied())
    close(gradient.params["in"].kernel, both["in"].kernel + both["out"].kernel)


def test_it_stays_one_leaf_in_training_and_on_disk(tmp_path):
    model, _ = pn.fit(optax.adamw(1e-2), tied(), X, X, epochs=3, progress=False)
    assert len(jax.tree.leaves(optax.adam(1.0).init(model)[0].mu)) == 3
    assert not np.allclose(model.params["in"].kernel, tied().params["in"].kernel)
    pn.save(tmp_path / "model.npz", model)
    again = pn.load(tmp_path / "model.npz", tied())
    close(again(X), model(X))
    kernel, bias = model.params["in"].kernel, [model.params[n].bias for n in ("in", "out")]
    close(again(X), (X @ kernel + bias[0][None]) @ kernel + bias[1][None])


def test_a_function_makes_the_source_fit():
    model = pn.tie(
        pn.sequential(pn.Linear(jax.random.key(0), 3, 5), pn.Linear(jax.random.key(1), 5, 3)),
        {"[1].kernel": ("[0].kernel", jnp.transpose)},
    )
    kernel = model.params[0].kernel
    close(model(X), X @ kernel @ kernel.T)


def test_whole_models_can_be_tied():
    model = pn.tie(pair(), {"['out']": "['in']"})
    part = pair()["in"]
    assert pn.count(model) == 12
    close(model(X), part(part(X)))


def test_state_moves_through_a_tie():
    model = pn.sequential(pn.BatchNorm(3), pn.Linear(jax.random.key(0), 3, 3), pn.BatchNorm(3))
    model = pn.tie(model, {"[2].scale": "[0].scale"})
    y, after = pn.observe(model, X)
    assert jax.tree.structure(after) == jax.tree.structure(model)
    assert not np.allclose(after.params[2].variance, 1)
    assert pn.count(pn.select(after, "batch_stats")) == 12


def test_ties_compose_with_reparam_jit_and_vmap():
    def double(params):
        return jax.tree.map(lambda leaf: 2 * leaf, params)

    model = pn.reparam(tied(), double)
    kernel = tied().params["in"].kernel
    close(jax.jit(lambda model, x: model(x))(model, X), X @ (2 * kernel) @ (2 * kernel))
    close(jax.vmap(tied())(X), tied()(X))


@pytest.mark.parametrize(
    ("mapping", "error", "message"),
    [
        ({"['out'].kernels": "['in'].kernel"}, ValueError, "tie: a filter must fit something"),
        ({"['out'].kernel": "['in'].bias"}, ValueError, "shapes"),
        ({"['out'].kernel": "['out'].kernel"}, ValueError, "is a target"),
        ({"['out']": "['in']", "['out'].bias": "['in'].bias"}, ValueError, "is a target"),
        ({"['out']": "['in']", "['in'].bias": "['in'].bias"}, ValueError, "is a target"),
        ("['out'].kernel", TypeError, "mapping must be a mapping, got a str; it maps"),
    ],
)
def test_errors(mapping, error, message):
    with pytest.raises(error, match=message):
        pn.tie(pair(), mapping)
    with pytest.raises(TypeError, match="must be a Model"):
        pn.tie(pn.Linear, {})


def test_streams_are_independent_and_do_not_depend_on_each_other():
    key = jax.random.key(0)
    both, one = pn.streams(key, "params", "dropout"), pn.streams(key, "dropout")
    np.testing.assert_array_equal(
        jax.random.key_data(both["dropout"]), jax.random.key_data(one["dropout"])
    )
    draws = [float(jax.random.normal(k)) for k in both.values()]
    assert draws[0] != draws[1]
    old = pn.streams(jax.random.PRNGKey(0), "params")
    np.testing.assert_array_equal(old["params"], jax.random.key_data(both["params"]))


@pytest.mark.parametrize(
    ("names", "error"), [((), ValueError), (("a", "a"), ValueError), ((1,), TypeError)]
)
def test_streams_want_different_names(names, error):
    with pytest.raises(error, match="streams"):
        pn.streams(jax.random.key(0), *names)


def test_plain_paths_and_filters_say_what_is_tied():
    keys = jax.random.split(jax.random.key(0), 3)
    blocks = {f"b{i}": pn.Linear(key, 3, 3) for i, key in enumerate(keys)}
    model = pn.sequential({"in": pn.Linear(jax.random.key(1), 3, 3), **blocks})
    full = pn.tie(model, {"['b0'].kernel": "['in'].kernel"})
    plain = pn.tie(model, {"b0.kernel": "in.kernel"})
    assert jax.tree.structure(plain) == jax.tree.structure(full)
    every = pn.tie(model, {"b*kernel": "b1.kernel"})
    assert [path for path in map(str, every.params) if every[path].kernel is None] == ["b0", "b2"]
    expected = x = np.linspace(-1, 1, 6).reshape(2, 3)
    for name in ("in", "b0", "b1", "b2"):
        kernel = model["b1" if name != "in" else "in"].kernel
        expected = expected @ np.asarray(kernel, np.float64) + np.asarray(model[name].bias)
    np.testing.assert_allclose(every(x), expected, rtol=1e-5)
    both = pn.tie(model, {lambda path, leaf: path.endswith("bias"): "in.bias"})
    assert pn.count(both) == 4 * 9 + 3
    with pytest.raises(ValueError, match=r"tie: a filter must fit something, got '\*krenel'"):
        pn.tie(model, {"*krenel": "in.kernel"})
