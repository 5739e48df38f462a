"""summary, count and repr: what a model is, never what it holds."""

import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn


class Norm(NamedTuple):
    scale: jax.Array
    mean: jax.Array


Norms = pn.bind(
    "Norms",
    lambda n: Norm(jnp.ones(n), jnp.zeros(n)),
    lambda params, x, *, epsilon=1e-5: x * params.scale[None],
    lambda params, x, *, momentum=0.9: (x * params.scale[None], params),
    roles={"mean": "batch_stats"},
)


def network():
    one, two = jax.random.split(jax.random.key(0))
    return pn.sequential(
        {
            "hidden": pn.YatDense(one, 3, 4, epsilon=1e-3),
            "norm": Norms(4, momentum=0.5, epsilon=1e-3),
            "act": jax.nn.relu,
            "inner": pn.sequential(pn.compose(pn.Linear(two, 4, 2, use_bias=False), jnp.tanh)),
        }
    )


def test_count_is_the_number_of_entries():
    assert pn.count(network()) == (12 + 4 + 4) + (4 + 4) + 8
    assert pn.count({"a": np.ones((2, 3)), "b": None, "c": 1.0}) == 7
    assert pn.count(pn.select(network(), "batch_stats")) == 4
    assert pn.count(np.ones((0, 3))) == 0
    assert pn.count(pn.bind((), lambda params, x: x)) == 0
    assert isinstance(pn.count(network()), int)


def test_repr_has_one_line_per_part_and_leaf_and_counts_state_apart():
    lines = repr(network()).splitlines()
    assert lines[0] == "Sequential  32 parameters, 4 batch_stats"
    assert [line.split() for line in lines[1:]] == [
        ["['hidden']", "YatDense(epsilon=0.001)"],
        ["['hidden'].kernel", "float32[3,4]"],
        ["['hidden'].bias", "float32[4]"],
        ["['hidden'].alpha", "float32[4]"],
        ["['norm']", "Norms(epsilon=0.001,", "momentum=0.5)"],
        ["['norm'].scale", "float64[4]"],
        ["['norm'].mean", "float64[4]", "batch_stats"],
        ["['act']", "relu"],
        ["['inner']", "Sequential"],
        ["['inner'][0]", "Linear", "|", "tanh"],
        ["['inner'][0].kernel", "float32[4,2]"],
    ]


def test_repr_names_functions_transforms_and_straight_through_gradients():
    one, two = jax.random.split(jax.random.key(0))
    model = pn.sequential(
        pn.compose("Encoder", pn.Linear, pn.relu, pn.relun(6))(one, 3, 4),
        pn.Dropout(0.5),
        pn.reparam(pn.Linear(two, 4, 4), pn.weight_norm()),
        jax.nn.relu,
        pn.relu,
        pn.abs,
    )
    lines = [line.strip() for line in repr(pn.freeze(model, "[0].bias")).splitlines()]
    assert lines[0] == "Sequential  36 parameters, 4 frozen"
    shown = [line.split(maxsplit=1) for line in lines[1:]]
    assert dict(shown) == {
        "[0]": "Encoder: Linear | straight-through relu | straight-through relun(6)",
        "[0].kernel": "float32[3,4]",
        "[0].bias": next(what for path, what in shown if path == "[0].bias"),
        "[1]": "Dropout(rate=0.5)",
        "[2]": "Linear",
        "[2].kernel": "WeightNorm",
        "[2].kernel.scale": "float32[4]",
        "[2].kernel.direction": "float32[4,4]",
        "[2].bias": "float32[4]",
        "[3]": "relu",
        "[4]": "straight-through relu",
        "[5]": "abs with the gradient of sign",
    }
    assert dict(shown)["[0].bias"].split() == ["float32[4]", "frozen"]


def test_what_is_no_number_is_not_counted():
    model = pn.bind({"w": np.ones(3), "s": "text", "n": 3, "o": object()}, lambda p, x: x)
    assert repr(model).splitlines()[0] == "Model  3 parameters, 1 buffers"
    assert pn.count(model) == 4


def test_repr_shows_static_configuration():
    model = pn.YatDense(jax.random.key(0), 3, 4, epsilon=1e-3, distance="direct")
    assert repr(model).startswith("YatDense(distance='direct', epsilon=0.001)  20 parameters")


def test_repr_shows_no_values():
    model = pn.bind({"a": np.full(3, 0.12345), "b": 0.54321, "c": "hidden"}, lambda p, x: x)
    for text in (repr(model), str(model), str(pn.summary(model))):
        assert not re.search(r"123|543|hidden", text)


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap, jax.grad])
def test_repr_and_summary_under_tracing(transform):
    seen = []

    def look(model):
        seen.append((repr(model), pn.summary(model), pn.summary(model, jnp.ones((5, 3)))))
        return sum(leaf.sum() for leaf in jax.tree.leaves(model))

    model = network()
    transform(look)(pn.stack([model]) if transform is jax.vmap else model)
    assert seen[0] == (repr(model), pn.summary(model), pn.summary(model, jnp.ones((5, 3))))


def test_repr_of_shapes_gradients_parts_and_odd_trees():
    model = network()
    shapes = jax.eval_shape(lambda m: m, model)
    assert repr(shapes) == repr(model)
    part = repr(pn.select(model, "batch_stats")).splitlines()
    assert part[0] == "Sequential  4 batch_stats"
    assert [line.split() for line in part if "float" in line] == [
        ["['norm'].mean", "float64[4]", "batch_stats"]
    ]
    assert "bool" in repr(jax.tree.map(lambda leaf: True, model))
    assert (
        repr(jax.tree.map(lambda leaf: None, model)).splitlines()[0] == "Sequential  no parameters"
    )


def rows(table):
    return {line.split("  ")[0].strip(): line for line in table.splitlines() if line}


def test_summary_has_a_line_per_part():
    table = pn.summary(network())
    lines = table.splitlines()
    assert lines[0].split() == ["path", "layer", "parameters", "count", "bytes"]
    assert lines[1].split() == ["Sequential"]
    assert [line.split()[0] for line in lines[2:7]] == [
        "['hidden']", "['norm']", "['act']", "['inner']", "['inner'][0]",
    ]  # fmt: skip
    assert "kernel float32[3,4], bias float32[4], alpha float32[4]" in rows(table)["['hidden']"]
    assert rows(table)["['hidden']"].split()[-2:] == ["20", "80"]
    assert "relu" in rows(table)["['act']"]
    assert lines[-2:] == ["32 params, 144 bytes", "4 batch_stats, 32 bytes"]


def test_summary_output_shapes_are_the_real_ones():
    model, x = network(), np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)
    expected = {"": model(x)}
    y = x
    for name in ("hidden", "norm", "act", "inner"):
        y = model[name](y)
        expected[f"['{name}']"] = y
    expected["['inner'][0]"] = expected["['inner']"]
    table = rows(pn.summary(model, x))
    for path, y in expected.items():
        shape = ",".join(map(str, y.shape))
        assert table[path].split()[-1] == f"{y.dtype}[{shape}]"
    assert len(table) == len(expected) + 3


def test_summary_with_shapes_instead_of_arrays():
    x = jax.ShapeDtypeStruct((5, 3), jnp.float32)
    assert pn.summary(network(), x) == pn.summary(network(), np.ones((5, 3), np.float32))
    shapes = jax.eval_shape(lambda m: m, network())
    assert pn.summary(shapes, x) == pn.summary(network(), x)


def test_summary_computes_nothing():
    def fail(x):
        jax.debug.callback(lambda x: (_ for _ in ()).throw(RuntimeError("computed")), x)
        return x

    assert "float64[2]" in pn.summary(pn.sequential(fail), np.ones(2))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda m: m,
        lambda m: pn.compose(m, jnp.tanh),
        lambda m: pn.reparam(m, lambda p: p),
        lambda m: pn.freeze(m),
        lambda m: pn.reparam(pn.compose(pn.sequential(m), jnp.tanh), lambda p: p),
    ],
)
def test_summary_of_layers_whose_observe_takes_other_options(wrap):
    table = pn.summary(wrap(Norms(4, momentum=0.5, epsilon=1e-3)), np.ones((2, 4)))
    assert "float64[2,4]" in table


def test_summary_of_models_that_put_out_anything():
    model = pn.bind((), lambda params, x: {"a": x, "b": (1.0, None)})
    assert "float64[2], float64[]" in pn.summary(model, np.ones(2))
    assert "no parameters" in pn.summary(model)


def test_summary_of_a_model_without_names_and_of_one_called_twice():
    inner = pn.Linear(jax.random.key(0), 3, 3)
    twice = pn.bind({"part": inner}, lambda params, x: params["part"](params["part"](x))[:1])
    table = rows(pn.summary(twice, np.ones((5, 3))))
    assert table["['part']"].endswith("float64[5,3]")
    bare = pn.summary(pn.bind(np.ones((3, 2)), lambda kernel, x: x @ kernel))
    assert "float64[3,2]" in bare


def test_summary_reports_the_error_of_the_model():
    with pytest.raises(ValueError, match="63"):
        pn.summary(network(), np.ones((5, 63)))


@pytest.mark.parametrize("wrong", [pn.Linear, {"a": 1}, np.ones(2), None])
def test_only_models_have_a_summary(wrong):
    with pytest.raises(TypeError, match="summary: model must be a Model"):
        pn.summary(wrong)


def test_the_table_is_text_that_shows_itself():
    table = pn.summary(network())
    assert isinstance(table, str)
    assert repr(table) == str(table)


def test_summary_of_several_inputs_and_of_options():
    """As attention takes them: queries, memory, and a mask."""

    def apply(params, x, memory, *, mask=None, scale=1.0):
        y = params["first"](x) + memory.sum(-2, keepdims=True) * scale
        return y if mask is None else y * mask

    model = pn.bind({"first": pn.Linear(jax.random.key(0), 3, 4)}, apply)
    x, memory = np.ones((2, 5, 3)), np.ones((2, 7, 4))
    for inputs, options in (
        ((x, memory), {}),
        ((x, memory), {"mask": np.ones((2, 5, 1)), "scale": 2.0}),
        ((x,), {"memory": memory}),
        ((), {"x": x, "memory": memory}),
        (jax.eval_shape(lambda: (x, memory)), {}),
    ):
        table = rows(pn.summary(model, *inputs, **options))
        assert table["['first']"].split()[-1] == "float64[2,5,4]"
        assert table[""].split()[-1] == "float64[2,5,4]"
    attention = pn.MultiHeadAttention(jax.random.key(0), 8, 8, heads=2)
    queries, keys = np.ones((2, 3, 8), np.float32), np.ones((2, 5, 8), np.float32)
    assert rows(pn.summary(attention, queries, keys))[""].endswith("float32[2,3,8]")


def operations(table):
    return {path: int(line.split()[-1].replace(",", "")) for path, line in table.items() if line}


def test_the_cost_of_a_matrix_product_is_that_of_its_sums_and_products():
    model = pn.sequential({"a": pn.Linear(jax.random.key(0), 64, 32, use_bias=False)})
    table = pn.summary(model, np.ones((5, 64), np.float32), cost=True)
    assert table.splitlines()[0].split()[-2:] == ["output", "FLOPs"]
    found = operations({k: v for k, v in rows(table).items() if "float32[5,32]" in v})
    assert found == {"": 2 * 5 * 64 * 32, "['a']": 2 * 5 * 64 * 32}


def test_every_step_of_a_scan_costs():
    Plain = pn.bind("Plain", pn.Linear, lambda linear, x: linear(x))
    one = pn.summary(Plain(jax.random.key(0), 16, 16), np.ones((5, 16), np.float32), cost=True)
    many = pn.repeat(Plain, 9)(jax.random.key(0), 16, 16)
    table = rows(pn.summary(many, np.ones((5, 16), np.float32), cost=True))
    single = operations({"": rows(one)[""]})[""]
    assert single >= 2 * 5 * 16 * 16
    assert operations({"each": table[".each"]})["each"] == single
    total = operations({"all": table[""]})["all"]
    assert 9 * single <= total <= 9 * single + 9 * 4  # and the counter of the loop


def test_a_part_called_twice_costs_twice():
    part = {"part": pn.Linear(jax.random.key(0), 3, 3, use_bias=False)}
    twice = pn.bind(part, lambda params, x: params["part"](params["part"](x)))
    table = rows(pn.summary(twice, np.ones((5, 3), np.float32), cost=True))
    assert operations({"": table["['part']"]})[""] == 2 * 2 * 5 * 3 * 3


def test_cost_wants_inputs_and_transformed_models_have_a_cost():
    model = pn.reparam(pn.Linear(jax.random.key(0), 3, 2), pn.weight_norm())
    with pytest.raises(ValueError, match="summary: cost must come with inputs, got none"):
        pn.summary(model, cost=True)
    table = rows(pn.summary(model, np.ones((5, 3), np.float32), cost=True))
    assert operations({"": table[""]})[""] > 2 * 5 * 3 * 2
    assert "WeightNorm" in table[".kernel"]
