"""bake: transformed parameters replaced by their values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.core.filters import leaf_places

X = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4)


def low_rank(kernel):
    down = jnp.cos(jnp.arange(kernel.shape[0], dtype=kernel.dtype))[:, None]
    return {"down": down, "kernel": kernel, "up": jnp.full((1, kernel.shape[1]), 0.3, kernel.dtype)}


def adapted(params):
    return params["kernel"] + params["down"] @ params["up"]


LowRank = pn.bind("LowRank", low_rank, adapted, roles={"kernel": "frozen"})
LOW_RANK = pn.parametrise(LowRank, "*kernel")
TRANSFORMS = {
    "weight norm": pn.weight_norm(),
    "spectral norm": pn.spectral_norm(),
    "a mask": pn.mask(0.4),
    "low rank": LOW_RANK,
    "quantize": pn.quantize(4),
    "positive": pn.positive(),
    "drop connect": pn.drop_connect(0.5),
    "stop": pn.stop(),
    "own": lambda params: jax.tree.map(lambda leaf: 2 * leaf, params),
}


def linear(seed=0):
    return pn.Linear(jax.random.key(seed), 4, 4)


def named():
    norm = pn.replace(pn.BatchNorm(4), "mean", jnp.arange(4.0, dtype=jnp.float32))
    return pn.sequential({"a": linear(), "norm": norm, "act": jnp.tanh, "b": linear(1)})


MODELS = {
    "linear": linear,
    "composed": lambda: pn.compose(linear(), jnp.tanh, pn.relu),
    "named": named,
    "repeated": lambda: pn.repeat(pn.Linear, 3)(jax.random.key(0), 4, 4),
    "resting": lambda: pn.inference(named()),
    "Yat": lambda: pn.YatDense(jax.random.key(0), 4, 4, epsilon=0.1),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_it_computes_the_same_with_the_structure_of_the_model_itself(model, transform):
    plain = MODELS[model]()
    changed = pn.reparam(plain, TRANSFORMS[transform])
    baked = pn.bake(changed)
    np.testing.assert_allclose(baked(X), changed(X), rtol=1e-5, atol=1e-6)
    assert jax.tree.structure(baked) == jax.tree.structure(plain)
    assert jax.tree.structure(pn.bake(plain)) == jax.tree.structure(plain)


def test_merged_low_rank_updates_and_pruned_weights_are_what_they_say():
    model = linear()
    kernel = np.asarray(model.kernel, np.float64)
    merged = pn.bake(pn.reparam(model, LOW_RANK)).kernel
    expected = kernel + 0.3 * np.cos(np.arange(4.0))[:, None]
    np.testing.assert_allclose(merged, expected, rtol=1e-5)
    pruned = np.asarray(pn.bake(pn.reparam(model, pn.mask(0.25))).kernel)
    kept = np.sort(np.abs(kernel).ravel())[-4:]
    np.testing.assert_allclose(np.sort(np.abs(pruned[pruned != 0])), kept, rtol=1e-6)
    low = pn.bake(pn.reparam(model, pn.cast(jnp.bfloat16, "kernel")))
    assert (low.kernel.dtype, low.bias.dtype) == (jnp.bfloat16, jnp.float32)


def test_transforms_on_transforms_and_in_every_place():
    inner = pn.reparam(linear(), pn.weight_norm())
    twice = pn.reparam(pn.reparam(linear(1), pn.quantize(4)), pn.positive())
    model = pn.sequential(inner, pn.compose(twice, jnp.tanh), jnp.cos)
    whole = pn.reparam(model, pn.mask(0.5, "[0].kernel.direction"))
    for changed in (model, whole, pn.bind({"part": whole}, lambda p, x: p["part"](x))):
        np.testing.assert_allclose(pn.bake(changed)(X), changed(X), rtol=1e-5, atol=1e-6)
        assert not any(
            name in repr(pn.bake(changed)) for name in ("WeightNorm", "Mask", "direction")
        )


def test_layers_that_are_transformed_within_a_repeat_are_baked_copy_by_copy():
    Normed = pn.reparam(pn.Linear, pn.spectral_norm())
    model = pn.repeat(Normed, 3)(jax.random.key(0), 4, 4)
    baked = pn.bake(model)
    np.testing.assert_allclose(baked(X), model(X), rtol=1e-5)
    assert jax.tree.structure(baked) == jax.tree.structure(
        pn.repeat(pn.Linear, 3)(jax.random.key(0), 4, 4)
    )
    np.testing.assert_allclose(np.linalg.norm(np.asarray(baked[1].kernel), 2), 1, rtol=1e-5)


def test_ties_stay_inside_a_transform_and_are_dissolved_around_one():
    pair = pn.sequential({"a": linear(), "b": linear(1)})
    inside = pn.reparam(pn.tie(pair, {"b.kernel": "a.kernel"}), pn.quantize(4))
    around = pn.tie(pn.reparam(pair, pn.quantize(4, "b.kernel")), {"b.kernel": "a.kernel"})
    for changed, entries in ((inside, 24), (around, 40)):
        baked = pn.bake(changed)
        np.testing.assert_allclose(baked(X), changed(X), rtol=1e-5, atol=1e-6)
        assert pn.count(baked) == entries


def test_roles_stay_and_what_comes_of_frozen_leaves_alone_is_frozen():
    def roles(model):
        return {place.path: place.role for place in leaf_places(model)}

    changed = pn.freeze(pn.reparam(named(), LOW_RANK), "a.bias", "norm")
    assert roles(pn.bake(changed)) == {
        "['a'].kernel": "params",
        "['a'].bias": "frozen",
        "['norm'].scale": "frozen",
        "['norm'].bias": "frozen",
        "['norm'].mean": "frozen",
        "['norm'].variance": "frozen",
        "['b'].kernel": "params",
        "['b'].bias": "params",
    }
    whole = pn.freeze(pn.reparam(named(), LOW_RANK), "b")
    baked = pn.bake(whole)
    assert {path for path, role in roles(baked).items() if role == "frozen"} == {
        "['b'].kernel",
        "['b'].bias",
    }
    assert roles(baked["b"]) == {".kernel": "frozen", ".bias": "frozen"}
    assert roles(baked)["['norm'].mean"] == "batch_stats"


def test_a_baked_model_trains_and_draws_nothing_of_the_transform():
    model = pn.reparam(linear(), pn.drop_connect(0.5))
    with pytest.raises(TypeError, match="key must be a PRNG key"):
        pn.observe(model, X)
    y, _ = pn.observe(pn.bake(model), X)
    np.testing.assert_allclose(y, model(X))


def test_under_jit_and_vmap():
    model = pn.reparam(linear(), pn.weight_norm())
    np.testing.assert_allclose(jax.jit(pn.bake)(model).kernel, pn.bake(model).kernel, rtol=1e-6)
    stacked = pn.stack([model, pn.reparam(linear(1), pn.weight_norm())])
    both = jax.vmap(pn.bake)(stacked)
    np.testing.assert_allclose(both.kernel[1], linear(1).kernel, rtol=1e-5)


def test_only_models_are_baked():
    with pytest.raises(TypeError, match="bake: model must be a Model, got a Layer"):
        pn.bake(pn.Linear)
