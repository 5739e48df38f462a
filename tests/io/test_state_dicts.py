"""from_state_dict and to_state_dict: mappings, what fits, what is refused, and files."""

import ast
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn


def key():
    return jax.random.key(0)


def network():
    parts = {"in": pn.Linear(key(), 3, 4), "act": jnp.tanh, "out": pn.Linear(key(), 4, 2)}
    return pn.sequential(parts)


def arrays(seed=0, **shapes):
    numbers = np.random.default_rng(seed)
    return {name.replace("_", "."): numbers.normal(size=shape) for name, shape in shapes.items()}


STATE = arrays(in_weight=(4, 3), in_bias=(4,), out_weight=(2, 4), out_bias=(2,))


def renamed(**names):
    return {names.get(name.partition(".")[0], name.partition(".")[0]) + "." + name.partition(".")[2]
            : array for name, array in STATE.items()}  # fmt: skip


def check(model, state=STATE):
    """A network has the weights of STATE."""
    for part in ("in", "out"):
        np.testing.assert_array_equal(model[part].kernel, state[f"{part}.weight"].T.astype("f4"))
        np.testing.assert_array_equal(model[part].bias, state[f"{part}.bias"].astype("f4"))


MAPPINGS = {
    "none": (None, STATE),
    "the whole": ({"": "net.0"}, {f"net.0.{name}": array for name, array in STATE.items()}),
    "a part": ({"": "", "out": "head"}, renamed(out="head")),
    "the order does not count": ({"out": "head", "": ""}, renamed(out="head")),
    "a leaf": (
        {"": "", "out.kernel": "w"},
        {**{k: v for k, v in STATE.items() if k != "out.weight"}, "w": STATE["out.weight"]},
    ),
    "stars": ({"*.kernel": "a.*.w", "*.bias": "*.b"}, {
        ("a." if name.endswith("weight") else "") + name.replace("weight", "w").replace("bias", "b")
        : array for name, array in STATE.items()
    }),
    "stars in brackets": ({"[*]": "net.*.inner"}, {
        f"net.{name.replace('.', '.inner.')}": array for name, array in STATE.items()
    }),
    "a function": (
        {"": "", "out.kernel": (("l", "r"), lambda a, b: np.concatenate([a, b], 1).T)},
        {**{k: v for k, v in STATE.items() if k != "out.weight"},
         "l": STATE["out.weight"][:, :1], "r": STATE["out.weight"][:, 1:]},
    ),
    "another layout": (
        {"": "", "*.kernel": ("*.weight", pn.identity)},
        {name: array.T if array.ndim > 1 else array for name, array in STATE.items()},
    ),
    "nested": (
        {"": "net"}, {"net": {"in": {"weight": STATE["in.weight"], "bias": STATE["in.bias"]},
                              "out.weight": STATE["out.weight"], "out.bias": STATE["out.bias"]},
                      "step": 3},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_leads_from_paths_to_names(name):
    mapping, state = MAPPINGS[name]
    model, report = pn.from_state_dict(network(), state, mapping)
    check(model)
    assert len(report.loaded) == 4
    assert str(report) == "4 loaded, nothing else"


def test_the_way_back_gives_the_same_names_and_arrays():
    back = lambda kernel: (kernel.T[:, :1], kernel.T[:, 1:])  # noqa: E731
    join = MAPPINGS["a function"][0]["out.kernel"]
    for mapping, state in (
        MAPPINGS["none"], MAPPINGS["the whole"], MAPPINGS["a part"], MAPPINGS["stars"],
        ({"": "", "out.kernel": (*join, back)}, MAPPINGS["a function"][1]),
    ):  # fmt: skip
        model, _ = pn.from_state_dict(network(), state, mapping)
        found = pn.to_state_dict(model, mapping)
        assert found.keys() == state.keys()
        for name, array in found.items():
            np.testing.assert_array_equal(array, state[name].astype("f4"))
            assert array.flags.writeable
            assert array.flags.c_contiguous


class Old(NamedTuple):
    norm: pn.Model
    alpha: jax.Array


def test_what_no_rule_knows_has_its_own_name():
    model = pn.bind(Old(pn.YatDense(key(), 3, 2), jnp.ones(())), jnp.multiply)
    tree = {"a": [model, jnp.zeros(2, int)], "empty": ()}
    state = {"a.0.norm.weight": np.ones((2, 3)), "a.0.norm.bias": np.ones(2), "a.1": np.arange(2)}
    state |= {"a.0.norm.alpha": np.full(2, 2.0), "a.0.alpha": np.float64(3.0)}
    alone = {name: array for name, array in state.items() if "norm.bias" not in name}
    found, _ = pn.from_state_dict(tree, alone if model.norm.bias is None else state)
    assert found["a"][1].tolist() == [0, 1]
    assert (float(found["a"][0].alpha), found["a"][0].norm.alpha.tolist()) == (3.0, [2.0, 2.0])
    assert pn.to_state_dict(found).keys() == (alone if model.norm.bias is None else state).keys()


def test_layers_around_layers_have_the_names_of_the_inner():
    model = pn.sequential(
        pn.compose(pn.Linear, jax.nn.relu)(key(), 3, 2),
        pn.reparam(pn.Linear(key(), 2, 2), pn.cast(jnp.bfloat16)),
        pn.freeze(pn.inference(pn.Linear(key(), 2, 2))),
        pn.tie(network(), {"in.bias": ("out.bias", lambda b: jnp.tile(b, 2))}),
    )
    names = [f"{i}.{what}" for i in range(3) for what in ("weight", "bias")]
    assert [*pn.to_state_dict(model)] == [*names, "3.in.weight", "3.out.weight", "3.out.bias"]


def test_copies_of_copies_are_numbered():
    model = pn.repeat(pn.repeat(pn.Linear, 2), 3)(key(), 4, 4)
    found = pn.to_state_dict(model)
    assert [*found][:3] == ["0.0.weight", "0.1.weight", "1.0.weight"]
    for i, j in ((0, 1), (2, 0)):
        np.testing.assert_array_equal(found[f"{i}.{j}.weight"], model[i][j].kernel.T)
    named = {"each.each.kernel": "b*.w*", "each.each": "b*.l*"}
    assert {*pn.to_state_dict(model, named)} == {
        f"b{i}.{name}" for i in range(3) for j in range(2) for name in (f"w{j}", f"l{j}.bias")
    }
    again, _ = pn.from_state_dict(model, pn.to_state_dict(model, named), named)
    np.testing.assert_array_equal(again.each.each.kernel, model.each.each.kernel)


# ------------------------------------------------------------------------------ what does not fit


def test_one_error_lists_all_that_does_not_fit():
    state = {
        "in.weight": np.ones((4, 5)),
        "in.bias": np.ones(4, int),
        "out.weight": np.ones(3),
        "more": np.ones(1),
        "norm.num_batches_tracked": np.array(3),
    }
    told = (
        "from_state_dict: source must fit the model, got missing ['out'].bias (out.bias); "
        "unexpected more; mismatched "
        "['in'].kernel (in.weight float64[4,5]: gives float64[5,4], wanted float32[3,4]), "
        "['in'].bias (in.bias int64[4]: gives int64[4], wanted float32[4]), "
        "['out'].kernel (out.weight float64[3]: "
    )
    example = re.escape("""{'': '', "['out'].bias": 'more'}""")
    cure = f"; a mapping .* such as {example}; strict=False takes what fits$"
    with pytest.raises(ValueError, match=re.escape(told) + ".*" + cure):
        pn.from_state_dict(network(), state)


def test_the_error_shows_the_mapping_that_moves_a_layer():
    model = pn.sequential(pn.global_average_pool, pn.Linear(jax.random.key(0), 2, 3))
    state = {"2.weight": np.ones((3, 2)), "2.bias": np.ones(3)}
    with pytest.raises(ValueError, match="such as ({.*}); strict") as info:
        pn.from_state_dict(model, state)
    mapping = ast.literal_eval(re.search("such as ({.*}); strict", str(info.value))[1])
    assert mapping == {"": "", "[1]": "2"}
    model, _ = pn.from_state_dict(model, state, mapping)
    np.testing.assert_array_equal(model[1].kernel, np.ones((2, 3)))


def test_without_strict_what_does_not_fit_stays(assert_same):
    before = network()
    state = {**STATE, "in.weight": np.ones((4, 5)), "more": np.ones(1)}
    mapping = {"in": "in", "out.kernel": "out.weight"}
    model, report = pn.from_state_dict(before, state, mapping, strict=False)
    assert report.loaded == {"['in'].bias": ("in.bias",), "['out'].kernel": ("out.weight",)}
    assert report.missing == {"['out'].bias": ()}
    assert report.unexpected == ("out.bias", "more")
    assert [*report.mismatched] == ["['in'].kernel"]
    assert "missing ['out'].bias (not mapped); unexpected out.bias, more" in str(report)
    assert_same(model["in"].kernel, before["in"].kernel)
    assert_same(model["out"].bias, before["out"].bias)
    assert jax.tree.structure(model) == jax.tree.structure(before)


def test_an_inner_entry_that_finds_nothing_is_missing():
    _, report = pn.from_state_dict(network(), STATE, {"": "", "out.bias": "no"}, strict=False)
    assert report.missing == {"['out'].bias": ("no",)}
    assert report.unexpected == ("out.bias",)


def test_arrays_take_the_dtype_and_the_place_of_the_leaf():
    mesh = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.NamedSharding(mesh, jax.P("x"))
    tree = {
        "float16": jnp.zeros(2, jnp.float16),
        "integer": jnp.zeros(2, jnp.int8),
        "boolean": jnp.zeros(2, bool),
        "NumPy": np.zeros(2),
        "sharded": jax.device_put(np.zeros(2, "f4"), sharding),
    }
    state = {name: np.array([0, 1], "f8" if "oo" not in name else bool) for name in tree}
    state["integer"] = np.array([0, 1])
    found, _ = pn.from_state_dict(tree, state)
    assert {name: leaf.dtype for name, leaf in found.items()} == {
        name: leaf.dtype for name, leaf in tree.items()
    }
    assert all(np.asarray(leaf).tolist() == [0, 1] for leaf in found.values())
    assert type(found["NumPy"]) is np.ndarray
    assert found["sharded"].sharding == sharding


WRONG = {
    "no path": ({"hidden": "in"}, ValueError, "a path must be in the model, got 'hidden'; it has"),
    "a part without leaves": ({"act": "a"}, ValueError, "a path must be in the model, got 'act'"),
    "no mapping": ([("in", "in")], TypeError, "mapping must be a mapping, got a list"),
    "no name": ({"in": 3}, TypeError, r"\['in'\] must be mapped to a name or, if it is a leaf"),
    "a function of a part": ({"in": ("a", abs)}, TypeError, r"\['in'\] must be mapped to a name"),
    "no function": ({"in.bias": ("a", "b")}, TypeError, "must be mapped to a name"),
    "a number of names": ({"in.bias": (3, abs)}, TypeError, "names of .* must be one or several"),
    "a key": ({3: "in"}, TypeError, "a path of the mapping must be text, got a int"),
    "stars": ({"in": "a.*"}, ValueError, "must have 0 stars more than its path"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mapping_that_cannot_be_is_refused(name):
    mapping, kind, message = WRONG[name]
    for call in (
        lambda: pn.from_state_dict(network(), STATE, mapping),
        lambda: pn.to_state_dict(network(), mapping),
    ):
        with pytest.raises(kind, match=rf"(from|to)_state_dict: .*{message}"):
            call()


def test_other_malformed_calls():
    model = network()
    with pytest.raises(TypeError, match="from_state_dict: source must be a mapping, got a list; "):
        pn.from_state_dict(model, [1.0])
    with pytest.raises(TypeError, match="from_state_dict: strict must be True or False"):
        pn.from_state_dict(model, STATE, strict="no")
    for call in (lambda: pn.from_state_dict(pn.Linear, STATE), lambda: pn.to_state_dict(["a"])):
        with pytest.raises(TypeError, match="_state_dict: model must hold arrays of numbers, got"):
            call()
    with pytest.raises(TypeError, match=r"to_state_dict: \['k'\] must be .*, got a PRNG key"):
        pn.to_state_dict({"k": key()})
    with pytest.raises(ValueError, match="must have 1 stars more than its path"):
        pn.from_state_dict(pn.repeat(pn.Linear, 2)(key(), 3, 3), STATE, {"each": "in"})
    with pytest.raises(ValueError, match=r"tell the way back for \['in'\].bias, got a function"):
        pn.to_state_dict(model, {"in.bias": ("b", pn.identity)})
    with pytest.raises(ValueError, match="to_state_dict: names must differ, got 'b' twice"):
        pn.to_state_dict(model, {"in.bias": "b", "out.bias": "b"})


# ------------------------------------------------------------------------------------ files


def test_files_of_other_programs(path):
    if path.suffix == ".npz":
        np.savez(path, **STATE)
    else:
        from safetensors.numpy import save_file

        save_file(STATE, path)
    check(pn.from_state_dict(network(), path)[0])
    check(pn.from_state_dict(network(), str(path))[0])
    with pytest.raises(ValueError, match=r"load: model\..* got None; from_state_dict reads files"):
        pn.load(path, network())
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=rf"from_state_dict: {path.name} must be a file of arrays"):
        pn.from_state_dict(network(), path)


def test_no_file_and_another_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="from_state_dict: there is no file"):
        pn.from_state_dict(network(), tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"must end in .safetensors, .npz, .pt, .*, got 'a.h5'"):
        pn.from_state_dict(network(), tmp_path / "a.h5")
    np.savez(tmp_path / "a.npz", w=np.array([print], object))
    with pytest.raises(ValueError, match="from_state_dict: a.npz must be a file of arrays alone"):
        pn.from_state_dict(network(), tmp_path / "a.npz")
