"""load without `like`: models are made again from what the file tells of them, and nothing else."""

import json
import re
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from benchmarks import vmap
from pyneurons_yat import zoo
from pyneurons_yat.io.entries import entry_of
from pyneurons_yat.io.formats import Contents, read_arrays
from pyneurons_yat.io.known import SHOWN, name_of, named
from pyneurons_yat.io.structure import read, written


def key():
    return jax.random.key(0)


NAMED = "SReLU(al=0.2);AllReLU(0.3);LeakyReLU(0.1);BatchNormalization;LogSoftmax"
ROUND = pn.mask(lambda array: array > 0)


def linear(inputs=3):
    return pn.Linear(key(), inputs, 2)


def chain(*more):
    return pn.sequential({"one": pn.Linear(key(), 3, 3), "two": pn.Linear(key(), 3, 3)})


# A layer of every family, and every way to make a layer or a model of others.
MODELS = {
    "Linear": linear,
    "YatDense": lambda: pn.YatDense(key(), 3, 2, epsilon=1e-3, precision=jax.lax.Precision.HIGHEST),
    "a number of NumPy": lambda: pn.YatDense(key(), 3, 2, epsilon=np.float32(1e-3)),
    "Embed": lambda: pn.Embed(key(), 5, 2),
    "YatConv": lambda: pn.YatConv(key(), 1, 2, (3, 3), strides=2, padding=((1, 1), (0, 0))),
    "ConvTranspose": lambda: pn.ConvTranspose(key(), 1, 2, 3, transpose_kernel=True),
    "BatchNorm": lambda: pn.BatchNorm(3, epsilon=1e-3, momentum=0.5),
    "Dropout": lambda: pn.Dropout(0.5),
    "attention": lambda: pn.MultiHeadAttention(key(), 4, 4, heads=2, normalize_qk=True),
    "YatMultiHeadAttention": lambda: pn.YatMultiHeadAttention(
        key(), 4, 4, heads=2, projection=pn.YatDense, normalize_qk=pn.RMSNorm, rotary="half"
    ),
    "YatSelfAttention": lambda: pn.YatSelfAttention(key(), 4, 4, heads=2),
    "LSTM": lambda: pn.LSTM(key(), 2, 3, layers=2, bidirectional=True, merge=jnp.add),
    "YatGRU": lambda: pn.YatGRU(key(), 2, 3, return_carry=True, activation=pn.soft_tanh),
    "separate": lambda: pn.YatLSTM(key(), 2, 3, form="separate", activation=pn.score_tanh),
    "YatGraphConv": lambda: pn.YatGraphConv(key(), 3, 2),
    "YatFeatures": lambda: pn.YatFeatures(key(), 3, 4),
    "zoo": lambda: zoo.Transformer(key(), 5, 4, blocks=2, heads=2, dropout=0.1),
    "zoo with functions": lambda: zoo.VAE(key(), 2, channels=2),
    "encoder-decoder": lambda: zoo.EncoderDecoder(
        key(), 5, 4, blocks=1, heads=2, target_vocabulary=6, feed=zoo.FeedForward
    ),
    "residual network": lambda: zoo.ResNet(
        key(), 1, 3, widths=(2,), conv=pn.YatConv, activation=pn.identity
    ),
    "vision transformer": lambda: zoo.VisionTransformer(
        key(), 1, 3, image_size=4, patch_size=2, features=4, blocks=1, heads=2
    ),
    "zoo classifier": lambda: zoo.relu_classifier(key(), 3, 4, 2),
    "compose": lambda: pn.compose("Folded", pn.Linear, jax.nn.relu, jnp.abs)(key(), 3, 2),
    "sequential": lambda: pn.sequential(linear(), pn.relu, jax.nn.gelu, pn.identity, jnp.square),
    "functions with options": lambda: pn.sequential(
        partial(pn.max_pool, window=(2, 2)),
        pn.flatten,
        partial(jax.nn.leaky_relu, negative_slope=0.2),
    ),
    "MLP": lambda: pn.MLP(key(), (3, 4, 2), norm=pn.LayerNorm, dropout=0.1),
    "layers by name": lambda: pn.by_name.network(key(), NAMED, [3] * 5),
    "sparse": lambda: pn.SparseLinear(key(), 8, 4, density=0.5),
    "names": lambda: pn.sequential({"a/b": linear(), "": jax.nn.softmax}),
    "repeat": lambda: pn.repeat(pn.YatDense, 3, remat=True)(key(), 4, 4),
    "policy": lambda: pn.repeat(
        pn.Linear, 2, remat=jax.checkpoint_policies.dots_saveable
    )(key(), 4, 4),
    "tie": lambda: pn.tie(chain(), {"two.kernel": ("one.kernel", jnp.transpose)}),
    "inference": lambda: pn.inference(pn.BatchNorm(3)),
    "freeze": lambda: pn.freeze(chain(), "one", "two.bias"),
    "frozen whole": lambda: pn.freeze(pn.sequential(linear(), pn.Dropout(0.1))),
    "bind around": lambda: pn.bind(linear(), jnp.multiply),
    "cast": lambda: pn.reparam(linear(), pn.cast(jnp.bfloat16)),
    "stop": lambda: pn.reparam(linear(), pn.stop("bias")),
    "positive": lambda: pn.reparam(linear(), pn.positive(...)),
    "unit_norm": lambda: pn.reparam(linear(), pn.unit_norm(pn.where("kernel", "bias"))),
    "ternary": lambda: pn.reparam(linear(), pn.ternary()),
    "quantize": lambda: pn.reparam(pn.Linear, pn.quantize(4))(key(), 3, 2),
    "drop_connect": lambda: pn.reparam(linear(), pn.drop_connect(0.2)),
    "weight_norm": lambda: pn.reparam(pn.repeat(pn.Linear, 2), pn.weight_norm())(key(), 3, 3),
    "spectral_norm": lambda: pn.reparam(linear(), pn.spectral_norm()),
    "mask of a share": lambda: pn.reparam(pn.Linear, pn.mask(0.3))(key(), 3, 2),
    "mask given": lambda: pn.reparam(linear(), pn.mask({"kernel": np.ones((3, 2), bool)})),
    "transforms of transforms": lambda: pn.freeze(
        pn.reparam(pn.reparam(linear(), pn.weight_norm()), pn.cast(jnp.float16)), "bias"
    ),
}  # fmt: skip


@cache
def made(name):
    """The model with shapes in the place of numbers."""
    return jax.eval_shape(MODELS[name])


def again(model):
    """The model through text."""
    unknown = []
    found = read(json.loads(json.dumps(written(model))), unknown)
    assert unknown == []
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_told_and_read(name):
    assert jax.tree.structure(again(made(name))) == jax.tree.structure(made(name))


@pytest.mark.parametrize("name", ["names", "repeat", "layers by name", "transforms of transforms"])
def test_a_model_is_made_again_without_code(path, name, assert_same):
    model = MODELS[name]()
    assert_same(pn.load(pn.save(path, model)), model)


def test_every_layer_has_its_name():
    rooms = pn.neurons, zoo
    layers = [getattr(room, name) for room in rooms for name in room.__all__]
    found = {name_of(one): one for one in layers if isinstance(one, pn.Layer)}
    assert None not in found
    assert {named(name) for name in found} == {*found.values()}


def test_a_model_made_again_computes_and_trains_as_the_first(path, assert_same):
    parts = {
        "a": pn.YatDense(key(), 3, 4, epsilon=1e-2),
        "b": jnp.tanh,
        "c": pn.Linear(key(), 4, 2),
    }
    model = pn.freeze(pn.sequential(parts), "a.alpha")
    loaded = pn.load(pn.save(path, model))
    x, y = jnp.ones((5, 3)), jnp.ones((5, 2))
    assert np.array_equal(loaded(x), model(x))
    assert_same(pn.fit(0.1, loaded, x, y), pn.fit(0.1, model, x, y))
    jax.export.export(jax.jit(lambda model, x: model(x)))(loaded, x)


@pytest.mark.parametrize("subject", [*vmap.subjects()], ids=lambda subject: subject.name)
def test_every_layer_is_told_and_read(subject):
    model = jax.eval_shape(subject.make, key())
    assert jax.tree.structure(again(model)) == jax.tree.structure(model)


def test_trees_come_back_too(path, assert_same):
    tree = {
        "numbers": [1.5, True, jnp.array(2, jnp.int8), np.float32(np.inf), float("nan")],
        "tuple": (None, (), key(), pn.Box(jnp.ones(2, jnp.bfloat16))),
        "parts": pn.partition(linear(), "*kernel", ...),
    }
    pn.save(path, tree)
    assert_same(pn.load(path), jax.tree.map(jnp.asarray, tree))


def test_64_bits_are_not_cut(path):
    pn.save(path, [jnp.ones(2, jnp.float64)])
    with (
        jax.enable_x64(False),
        pytest.raises(ValueError, match=r"load: \[0\] is float64\[2\] .* enable x64"),
    ):
        pn.load(path)


# ------------------------------------------------------------------------------ what is refused


def own(params, x):
    return x


class Mine(tuple):
    """A class that the library does not know."""


OWN = {
    "a function": (lambda: pn.sequential(linear(), own), ["test_structure.own"]),
    "a lambda": (
        lambda: pn.compose(linear(), lambda x: x),
        ["test_structure.<lambda>.<locals>.<lambda>"],
    ),
    "a layer": (lambda: pn.bind("Own", own, own)(3, 2), ["test_structure.own"]),
    "a namesake": (lambda: pn.bind("Linear", own, pn.Linear.apply)(3, 2), ["test_structure.own"]),
    "two": (
        lambda: [pn.sequential(own), pn.reparam(linear(), ROUND)],
        ["test_structure.<lambda>", "test_structure.own"],
    ),
    "of NumPy": (lambda: pn.sequential(np.tanh), ["numpy.tanh"]),
    "of Python": (lambda: pn.sequential(abs), ["builtins.abs"]),
    "an object": (lambda: pn.sequential(Mine), ["test_structure.Mine"]),
}


@pytest.mark.parametrize("name", OWN)
def test_names_that_are_not_the_librarys_are_listed(path, name, assert_same):
    make, told = OWN[name]
    model = make()
    pn.save(path, model)
    listed = re.escape(", ".join(told))
    with pytest.raises(
        ValueError, match=rf"load: {path.name} must hold .* got {listed}; pass like"
    ):
        pn.load(path)
    assert_same(pn.load(path, model), model)


def test_an_earlier_file_tells_no_structure(tmp_path):
    """Those of the first format hold arrays alone."""
    kernel = np.ones((3, 2))
    contents = Contents({".kernel": entry_of(kernel)}, {".kernel": "float64"})
    metadata = np.array(json.dumps(contents.metadata()))
    np.savez(tmp_path / "old.npz", **{".kernel": kernel}, __metadata__=metadata)
    with pytest.raises(ValueError, match=r"load: old.npz must tell its structure.*; pass like"):
        pn.load(tmp_path / "old.npz")
    like = pn.Linear(key(), 3, 2, use_bias=False, dtype=jnp.float64)
    assert pn.load(tmp_path / "old.npz", like).kernel.tolist() == np.ones((3, 2)).tolist()


EVIL = [
    "os.system",
    "builtins.eval",
    "jax.numpy.load",
    "jax.numpy.save",
    "jax.numpy.fromfile",
    "jax.numpy.os",
    "jax.numpy.np.load",
    "jax.nn.initializers",
    "jax.lax.__builtins__",
    "jax.numpy.__loader__.load_module",
    "pyneurons_yat.save",
    "pyneurons_yat.io.save",
    "pyneurons_yat.learn.fit",
    "pyneurons_yat.core.model.pickle",
    "pyneurons_yat.core.pickling.sys",
    "pyneurons_yat.core.exporting.pickle.loads",
    "pyneurons_yat.neurons.jax",
    "pyneurons_yat.core.",
    "Linear",
    "",
]


@pytest.mark.parametrize("name", EVIL)
def test_no_name_leads_to_what_does_more_than_compute(name):
    unknown = []
    assert named(name) is None
    assert read({"name": name}, unknown) is None
    assert read({"of": name, "fields": {}}, unknown) is None
    assert unknown == [name, name]


def test_nothing_that_is_found_by_name_touches_files_or_settings():
    others = re.compile("load|save|file|pickle|set_|printo|open|debug|callback")
    found = {f"{place}.{own}" for place, room in SHOWN.items() for own in dir(room)}
    found = {name for name in found if others.search(name) and named(name) is not None}
    assert {name for name in found if "checkpoint_policies" not in name} == {
        "jax.numpy.get_printoptions"
    }


BAD = {
    "no JSON": "{",
    "an unknown kind": '{"code": "1"}',
    "a class that holds nothing": '{"of": "jax.nn.relu", "fields": {}}',
    "other fields": '{"of": "pyneurons_yat.neurons.LinearParams", "fields": {"a": 1}}',
    "other leaves": '{"tuple": [{"array": ""}]}',
    "no layer": '{"model": 3, "static": [], "params": {"array": ""}}',
    "roles of a function": '{"name": "jax.nn.relu", "roles": []}',
    "a list": '{"tuple": 3}',
}


@pytest.mark.parametrize("name", BAD)
def test_a_structure_that_cannot_be_is_refused(tmp_path, name):
    path = pn.save(tmp_path / "model.npz", {"a": jnp.ones(3)})
    arrays = read_arrays(path)
    entries = {name: entry_of(array) for name, array in arrays.items()}
    found = Contents(entries, {"['a']": "float64"}, BAD[name])
    metadata = np.array(json.dumps(found.metadata()))
    np.savez(path, **arrays, __metadata__=metadata)
    with pytest.raises(ValueError, match=r"load: model.npz is damaged"):
        pn.load(path)
    assert pn.load(path, {"a": jnp.zeros(3)})["a"].tolist() == [1.0] * 3


# Files hold these names: where one of them moves, `named` must still find it by the old name.
PRIVATE = [
    "pyneurons_yat.core.calls.Inference",
    "pyneurons_yat.core.compose.Composed",
    "pyneurons_yat.core.filters.Where",
    "pyneurons_yat.core.layer.Parametrization",
    "pyneurons_yat.core.reparam.Prepared",
    "pyneurons_yat.core.reparam.Reparametrized",
    "pyneurons_yat.core.repeat.ApplyRepeated",
    "pyneurons_yat.core.repeat.CreateRepeated",
    "pyneurons_yat.core.repeat.Repeat",
    "pyneurons_yat.core.repeat.Repeated",
    "pyneurons_yat.core.repeat.TrainRepeated",
    "pyneurons_yat.core.sequential.Applied",
    "pyneurons_yat.core.sequential.Sequential",
    "pyneurons_yat.core.sequential._run",
    "pyneurons_yat.core.tie.Tied",
    "pyneurons_yat.neurons.activations.SReLUParams",
    "pyneurons_yat.neurons.attention.heads._unit",
    "pyneurons_yat.neurons.attention.multi_head.MultiHeadAttentionParams",
    "pyneurons_yat.neurons.attention.yat_multi_head.YatAttentionParams",
    "pyneurons_yat.neurons.dense.embed.EmbedParams",
    "pyneurons_yat.neurons.dense.linear.create",
    "pyneurons_yat.neurons.linear_attention.yat_features.YatFeaturesParams",
    "pyneurons_yat.neurons.normalization.normalization.BatchNormParams",
    "pyneurons_yat.neurons.normalization.normalization.NormParams",
    "pyneurons_yat.neurons.normalization.normalization.create_batch_norm",
    "pyneurons_yat.neurons.parameters.parametrizations.Mask",
    "pyneurons_yat.neurons.parameters.parametrizations.Masked",
    "pyneurons_yat.neurons.parameters.parametrizations.Normed",
    "pyneurons_yat.neurons.parameters.parametrizations.Spectral",
    "pyneurons_yat.neurons.parameters.parametrizations._from_masked",
    "pyneurons_yat.neurons.parameters.parametrizations._from_normed",
    "pyneurons_yat.neurons.parameters.parametrizations._from_spectral",
    "pyneurons_yat.neurons.parameters.parametrizations._iterated",
    "pyneurons_yat.neurons.parameters.parametrizations._normed",
    "pyneurons_yat.neurons.parameters.parametrizations._spectral",
    "pyneurons_yat.neurons.parameters.transforms.DropConnect",
    "pyneurons_yat.neurons.parameters.transforms._cast",
    "pyneurons_yat.neurons.recurrent.cells.CellParams",
    "pyneurons_yat.neurons.recurrent.rnn.RNNParams",
    "pyneurons_yat.neurons.recurrent.separate_gates.SeparateCellParams",
    "pyneurons_yat.neurons.recurrent.yat_gates.YatCellParams",
    "pyneurons_yat.ops.lengths.unit",
    "pyneurons_yat.ops.quantization.in_steps",
    "pyneurons_yat.ops.quantization.in_three",
    "pyneurons_yat.ops.sparse.kernel.Inputs",
    "pyneurons_yat.zoo.block.BlockParams",
    "pyneurons_yat.zoo.encoder_decoder.EncoderDecoderParams",
    "pyneurons_yat.zoo.feed_forward.FeedForwardParams",
    "pyneurons_yat.zoo.feed_forward.YatFeedForwardParams",
    "pyneurons_yat.zoo.resnet.ResNetParams",
    "pyneurons_yat.zoo.resnet.ResidualParams",
    "pyneurons_yat.zoo.resnet.mean_of_places",
    "pyneurons_yat.zoo.transformer.TransformerParams",
    "pyneurons_yat.zoo.vae.VAEParams",
    "pyneurons_yat.zoo.vae.flatten",
    "pyneurons_yat.zoo.vae.unflatten",
    "pyneurons_yat.zoo.vision_transformer.VisionTransformerParams",
]


def test_the_names_in_files_stay():
    assert [name for name in PRIVATE if named(name) is None] == []


def names_in(told):
    """The names in a structure."""
    if isinstance(told, dict):
        yield from (name for name in (told.get("name"), told.get("of")) if isinstance(name, str))
        told = [*told.values()]
    for each in told if isinstance(told, list) else []:
        yield from names_in(each)


def test_the_list_of_these_names_is_complete():
    found = {name for model in MODELS for name in names_in(written(made(model)))}
    ours = {name for name in found if name.startswith("pyneurons_yat.")}
    assert {name for name in ours if name.rpartition(".")[0] not in SHOWN} == {*PRIVATE}
