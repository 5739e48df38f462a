"""save and load: what comes back, and what is refused."""

import builtins
import os
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

ODD = np.array([1.5, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1e300])


def network(seed=0, inputs=3):
    one, two, three = jax.random.split(jax.random.key(seed), 3)
    part = pn.sequential(pn.YatDense(one, inputs, 4, learnable_epsilon=True), jnp.tanh)
    return pn.sequential({"body/of it": part, "out": pn.Linear(two, 4, 2, use_bias=False)})


# -------------------------------------------------------------------------------- round trips

LEAVES = {
    "float64": ODD,
    "float32": ODD[:5].astype(np.float32),
    "float16": jnp.asarray(ODD[:5], jnp.float16),
    "bfloat16": jnp.asarray(ODD[:6], jnp.bfloat16).reshape(2, 3),
    "float8": jnp.arange(4.0).astype(jnp.float8_e4m3fn),
    "int4": jnp.arange(-8, 8).astype(jnp.int4),
    "int8": jnp.array([-128, 127], jnp.int8),
    "int64": jnp.array([2**62, -1]),
    "uint32": jnp.array([2**32 - 1], jnp.uint32),
    "bool": jnp.array([[True], [False]]),
    "complex64": jnp.array([1 - 2j, np.inf], jnp.complex64),
    "scalar": jnp.array(2.5),
    "half scalar": jnp.array(2.5, jnp.bfloat16),
    "empty": jnp.zeros((0, 3)),
    "empty half": jnp.zeros((2, 0), jnp.bfloat16),
    "one axis of many": jnp.zeros((1, 1, 1, 1, 1, 1)),
    "Python numbers": [1.5, 3, True, -(2**40)],
    "NumPy scalars": [np.float32(1.5), np.int16(3), np.float64(0.1)],
    "Fortran order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(6.0)[::-2],
    "big-endian": np.arange(3, dtype=">i4"),
    "nothing": {"a": None, "b": (), "c": []},
    "root": 3.0,
}


def test_the_same_tree_makes_the_same_bytes(path):
    trees = [LEAVES["float32"], network(), {"é": LEAVES["bfloat16"], "b": network(1)}]
    for tree in trees:
        files = {pn.save(path, tree).read_bytes() for _ in range(8)}
        assert len(files) == 1


@pytest.mark.parametrize("name", LEAVES)
def test_every_kind_of_leaf_comes_back_to_the_bit(path, name, assert_same):
    tree = LEAVES[name] if name in ("root", "nothing") else {"a": LEAVES[name]}
    assert pn.save(path, tree) == path
    found = pn.load(path, tree)
    expected = np.arange(3, dtype=np.int32) if name == "big-endian" else tree
    assert_same(found, {"a": expected} if name == "big-endian" else expected)


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_keys_come_back_as_keys(path, impl, assert_same):
    keys = {"one": jax.random.key(3, impl=impl), "old": jax.random.PRNGKey(1)}
    keys["many"] = jax.random.split(jax.random.key(4, impl=impl), (2, 3))
    pn.save(path, keys)
    assert_same(pn.load(path, keys), keys)
    assert_same(pn.load(path, jax.eval_shape(lambda: keys)), keys)


def test_models_come_back(path, assert_same):
    model = network()
    pn.save(path, model)
    assert_same(pn.load(path, network(1)), model)
    assert_same(pn.load(path, jax.eval_shape(network)), model)
    x = jnp.ones((5, 3))
    assert np.array_equal(pn.load(path, network(1))(x), model(x))


def test_an_interrupted_training_goes_on_where_it_stopped(path, assert_same):
    optimizer, x = optax.adamw(0.1), jnp.ones((4, 3))

    def step(model, state):
        gradient = pn.grad(lambda model: jnp.sum(model(x) ** 2))(model)
        updates, state = optimizer.update(gradient, state, pn.select(model, "params"))
        return optax.apply_updates(model, updates), state

    model = network()
    first = step(model, optimizer.init(model))
    pn.save(path, first)
    again = pn.load(path, (network(1), optimizer.init(network(1))))
    assert_same(again, first)
    assert_same(step(*again), step(*first))


def test_arrays_on_a_device_and_in_shards_are_saved(path, assert_same):
    mesh = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.NamedSharding(mesh, jax.P("x"))
    tree = [jax.device_put(ODD, sharding), jax.device_put(ODD, jax.devices()[0])]
    pn.save(path, tree)
    assert_same(pn.load(path, tree), tree)


def test_numpy_arrays_come_back_as_such_and_others_as_jax_arrays(path):
    tree = {"a": np.ones(2), "b": jnp.ones(2), "c": 1.0}
    pn.save(path, tree)
    found = pn.load(path, tree)
    assert type(found["a"]) is np.ndarray
    assert isinstance(found["b"], jax.Array)
    assert isinstance(found["c"], jax.Array)


def test_in_32_bits_numbers_come_back_and_64_bits_are_not_cut(path):
    with jax.enable_x64(False):
        tree = {"number": 0.1, "count": 3, "table": np.array([0.1])}
        pn.save(path, tree)
        found = pn.load(path, tree)
    assert found["table"].dtype == np.float64
    assert found["number"].dtype == np.float32
    assert found["table"][0] == 0.1
    pn.save(path, {"a": jnp.ones(1, jnp.float64)})
    with (
        jax.enable_x64(False),
        pytest.raises(ValueError, match=r"float64\[1\] in model.* but float32\[1\] in like"),
    ):
        pn.load(path, {"a": jnp.ones(1)})


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.uint64])
def test_64_bits_are_not_cut_where_jax_has_32(path, dtype, assert_same):
    tree = {"a": np.array([1, 2**40 + 1], dtype)}
    pn.save(path, tree)
    with jax.enable_x64(False):
        for like in (jax.ShapeDtypeStruct((2,), dtype), jnp.zeros(2)):
            with pytest.raises(ValueError, match=r"load: \['a'\] is .*64\[2\] in model"):
                pn.load(path, {"a": like})
        with pytest.raises(ValueError, match=r"would become .*32; enable x64 .* load into NumPy"):
            pn.load(path, {"a": jax.ShapeDtypeStruct((2,), dtype)})
        assert_same(pn.load(path, {"a": np.zeros(2, dtype)}), tree)


@pytest.mark.parametrize(
    ("number", "dtype"),
    [
        (2**40, "int64"),
        (-(2**31) - 1, "int64"),
        (2**31 - 1, "int32"),
        (2**63, "uint64"),
        (1e300, "float64"),
        (0.1, "float32"),
        (np.inf, "float32"),
        (np.nan, "float32"),
        (True, "bool"),
    ],
)
def test_a_number_that_32_bits_do_not_hold_has_64(path, number, dtype):
    with jax.enable_x64(False):
        pn.save(path, {"n": number})
        found = pn.load(path, {"n": np.zeros((), dtype)})["n"]
    np.testing.assert_array_equal(found, np.dtype(dtype).type(number))
    with jax.enable_x64(False), pytest.raises(TypeError, match="got a int of dtype object"):
        pn.save(path, {"n": 2**64})


def test_odd_names_stay_apart(path, assert_same):
    class Fields(NamedTuple):
        file: float
        npy: float

    tree = {
        "['a/b'].kernel": jnp.ones(1),
        "../../a": jnp.ones(2),
        "C:\\a\0b\n": jnp.ones(3),
        "é'\"": jnp.ones(4),
        "": jnp.ones(5),
        "__metadata__": jnp.ones(6),
        "a.npy": Fields(7.0, 8.0),
        "a": {0: 9.0, 1: [10.0]},
    }
    pn.save(path, tree)
    assert_same(pn.load(path, tree), tree)
    assert os.listdir(path.parent) == [path.name]


def test_two_leaves_of_one_path_are_refused(path):
    class Same:
        def __init__(self, n):
            self.n = n

        def __repr__(self):
            return "same"

        def __lt__(self, other):
            return self.n < other.n

    tree = {Same(1): 1.0, Same(2): 2.0}
    for call in (lambda: pn.save(path, tree), lambda: pn.load(path, tree)):
        with pytest.raises(ValueError, match="two leaves of the tree have the same path"):
            call()
        pn.save(path, {})


# ------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"a": jnp.ones(2)}, r"model.* has extra \['b'\]"),
        ({"a": jnp.ones(2), "b": jnp.ones(1), "c": 1, "d": 1}, r"lacks \['c'\], \['d'\]"),
        ({"a": jnp.ones(2), "x": jnp.ones(1)}, r"lacks \['x'\] and has extra \['b'\]; like must"),
        (
            {"a": jnp.ones(2), "b": jnp.ones((1, 1))},
            r"\['b'\] is float64\[1\] .* float64\[1,1\] in",
        ),
        ({"a": jnp.ones(2), "b": jnp.ones(1, "f4")}, r"\['b'\] is float64\[1\] .* float32\[1\] in"),
        ({"a": jnp.ones(2), "b": "text"}, r"\['b'\] is float64\[1\] .* object\[\] in like"),
        ({"a": jax.random.key(0), "b": jnp.ones(1)}, r"\['a'\] is float64\[2\] .* key<fry>\[\] in"),
    ],
)
def test_what_does_not_fit_is_named(path, like, message):
    pn.save(path, {"a": jnp.ones(2), "b": jnp.ones(1)})
    with pytest.raises(ValueError, match=message):
        pn.load(path, like)


def test_a_dtype_is_not_another_of_the_same_bits(path):
    pairs = [
        (jax.random.key(0), jnp.zeros(2, jnp.uint32)),
        (jax.random.key(0), jax.random.key(0, impl="rbg")),
        (jnp.ones(3, jnp.bfloat16), jnp.ones(3, jnp.uint16)),
        (jnp.ones(3, jnp.bfloat16), jnp.ones(3, jnp.float16)),
        (jnp.ones(3, jnp.int32), jnp.ones(3, jnp.float32)),
    ]
    for one, other in pairs + [pair[::-1] for pair in pairs]:
        pn.save(path, [one])
        with pytest.raises(ValueError, match=r"load: \[0\] is .* in like"):
            pn.load(path, [other])


def test_a_tree_that_is_one_leaf_is_named_the_root(path):
    pn.save(path, 1.0)
    with pytest.raises(ValueError, match=r"load: the root is float64\[\] in"):
        pn.load(path, 1)
    with pytest.raises(TypeError, match="save: the root must be an array of numbers"):
        pn.save(path, pn.Linear)


def test_another_network_is_named_by_its_path(path):
    pn.save(path, network())
    with pytest.raises(ValueError, match=r"\['body/of it'\]\[0\].kernel is float32\[3,4\] in"):
        pn.load(path, network(inputs=5))


@pytest.mark.parametrize("leaf", ["text", b"bytes", object(), np.array(["a"]), np.array([None])])
def test_only_numbers_are_saved(path, leaf):
    with pytest.raises(TypeError, match=r"save: \['a'\] must be an array of numbers"):
        pn.save(path, {"a": leaf})
    assert os.listdir(path.parent) == []


def test_what_safetensors_cannot_hold_npz_can(tmp_path, assert_same):
    pytest.importorskip("safetensors")
    tree = [jnp.array([1 + 2j])]
    with pytest.raises(TypeError, match="complex128.*a .npz file can hold it"):
        pn.save(tmp_path / "a.safetensors", tree)
    assert os.listdir(tmp_path) == []
    assert_same(pn.load(pn.save(tmp_path / "a.npz", tree), tree), tree)


@pytest.mark.parametrize("name", ["model", "model.pt", "model.npz.gz", "npz", ".npz", ""])
def test_other_endings_are_refused(tmp_path, name):
    for call in (lambda path: pn.save(path, {}), lambda path: pn.load(path, {})):
        with pytest.raises(ValueError, match=r"path must end in .safetensors or .npz"):
            call(tmp_path / name)


def test_a_missing_file_and_a_folder(path):
    with pytest.raises(FileNotFoundError, match=f"there is no file .*{path.name}"):
        pn.load(path, {})
    path.mkdir()
    with pytest.raises(ValueError, match="damaged"):
        pn.load(path, {})
    with pytest.raises(OSError, match="directory"):
        pn.save(path, {})
    assert os.listdir(path.parent) == [path.name]


def test_saving_inside_a_transform_says_that_values_are_missing(path):
    with pytest.raises(jax.errors.TracerArrayConversionError):
        jax.jit(lambda x: pn.save(path, [x]))(1.0)
    assert os.listdir(path.parent) == []


def test_without_safetensors_npz_works(path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **keywords):
        if name.startswith("safetensors"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **keywords)

    pn.save(path, [1.0])
    monkeypatch.setattr(builtins, "__import__", without)
    if path.suffix == ".npz":
        assert pn.load(pn.save(path, [2.0]), [0.0]) == [2.0]
        return
    for call in (lambda: pn.save(path, [2.0]), lambda: pn.load(path, [0.0])):
        with pytest.raises(ImportError, match="safetensors"):
            call()
    assert os.listdir(path.parent) == [path.name]


def test_what_is_no_file_name_is_named(path):
    for wrong in (None, 3, [1.0], pn.Linear):
        for call in (lambda wrong=wrong: pn.save(wrong, [1.0]), lambda w=wrong: pn.load(w, [1.0])):
            with pytest.raises(TypeError, match="(save|load): path must be a file name, got a"):
                call()
    with pytest.raises(
        TypeError, match="save: path must be a file name, got a Model; it comes fir"
    ):
        pn.save(network(), path)
    pn.save(os.fspath(path), [1.0])
    assert pn.load(os.fspath(path), [0.0]) == [1.0]


def test_files_name_what_models_hold_and_not_the_models(path):
    """A model of one array, or around another model, adds nothing to the names in a file."""
    inner = pn.bind(np.ones(2), lambda params, x: x)
    outer = pn.bind(pn.Linear(jax.random.key(0), 3, 2), lambda params, x: x)
    pn.save(path, {"a": inner, "b": outer, "c": pn.sequential({"d": inner})})
    pn.load(path, {"a": np.ones(2), "b": outer.params, "c": {"d": np.ones(2)}})
