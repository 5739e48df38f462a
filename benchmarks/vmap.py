"""Code for one example under `jax.vmap`, against the same model on the whole batch.

Half of research is written for one example. `jax.vmap(model)(x)` should cost what `model(x)` costs,
forwards and in the gradient of the parameters, which all examples share. The last case is a
physics-informed network, whose second derivatives are taken example by example; it stands against
the same formula in plain `jax.numpy`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import pyneurons_yat as pn

from .harness import Case, Contender, Target

ROUNDS = 15
BATCH = 256
BATCHED, MAPPED = "batched", "vmapped"
LIMIT = 1.3
POINTS, WIDTH = 2048, 64
OURS, PLAIN = "pyneurons_yat", "plain jax.numpy"
EPSILON = 1e-2
TURNED = "mapped, the gradient of the scores has three axes, which XLA copies, turned, to multiply"
WHY = {"YatDense direct": TURNED, "YatEmbed attend": TURNED}
BURGERS = "mean (u_t + u u_x - u_xx / 100)^2"


class Subject(NamedTuple):
    """What is measured: a model, made from a key, on inputs of these shapes for one example."""

    name: str
    make: Callable[[jax.Array], Any]
    shape: tuple[int, ...]
    call: Callable[[Any, jax.Array], jax.Array] = lambda model, x: model(x)


def cases(batch: int = BATCH, points: int = POINTS) -> Iterator[Case]:
    """The gradient of every layer, and the network of physics."""
    for subject in subjects():
        yield layer_case(subject, batch)
    yield physics_case(points)


def subjects() -> Iterator[Subject]:
    """Every layer of the library that has parameters, at a size where its arithmetic counts."""
    yield from dense_subjects()
    yield from convolution_subjects()
    yield from attention_subjects()
    yield from graph_subjects()
    yield from recurrent_subjects()
    yield from normalization_subjects()
    yield from activation_subjects()


def dense_subjects() -> Iterator[Subject]:
    """Layers on rows, and on rows of a table."""
    yield Subject("Linear", lambda key: pn.Linear(key, 784, 256), (784,))
    heads = partial(pn.Einsum, equation="...td,dhk->...htk", shape=(64, 4, 32))
    yield Subject("Einsum", heads, (32, 64))
    yield Subject("MLP", partial(pn.MLP, sizes=(784, 64, 32, 10), norm=pn.LayerNorm), (784,))
    yield Subject("YatDense", lambda key: pn.YatDense(key, 784, 256), (784,))
    yield Subject(
        "YatDense direct", lambda key: pn.YatDense(key, 128, 64, distance="direct"), (128,)
    )
    for layer in (pn.SparseLinear, pn.SparseYatDense):
        make = partial(layer, inputs=784, outputs=256, density=0.1)
        yield Subject(layer.name, make, (784,))
    for layer in (pn.Neuron, pn.Binary, pn.Vector):
        yield Subject(layer.name, partial(layer, n=784), (784,), partial(in_a_batch, 1))
    yield Subject("Embed", lambda key: pn.Embed(key, 1000, 64), (16,), looked_up)
    yield Subject("YatEmbed", lambda key: pn.YatEmbed(key, 1000, 64), (16,), looked_up)
    places = partial(pn.PositionEmbed, length=16, features=64)
    yield Subject("PositionEmbed", places, (16, 64))
    yield Subject("YatEmbed attend", lambda key: pn.YatEmbed(key, 1000, 64), (16, 64), pn.attend)


def in_a_batch(rank: int, model: Any, x: jax.Array) -> jax.Array:
    """A layer that wants a batch axis; one example, of that rank, is a batch of one."""
    return model(x) if x.ndim > rank else model(x[None])[0]


def looked_up(model: Any, x: jax.Array) -> jax.Array:
    """The rows of a table at ids that are made of numbers."""
    return model(jnp.abs(100 * x).astype(jnp.int32))


def convolution_subjects() -> Iterator[Subject]:
    """Layers on images."""
    window = {"inputs": 16, "outputs": 16, "kernel_size": (3, 3)}
    for layer in (pn.Conv, pn.YatConv, pn.ConvTranspose, pn.YatConvTranspose):
        yield Subject(layer.name, partial(layer, **window), (8, 8, 16))
    depthwise = partial(pn.YatConv, **window, feature_group_count=16)
    yield Subject("YatConv depthwise", depthwise, (8, 8, 16))


def attention_subjects() -> Iterator[Subject]:
    """Layers on sequences whose tokens attend to each other."""
    for layer in (pn.MultiHeadAttention, pn.YatMultiHeadAttention, pn.YatSelfAttention):
        yield Subject(layer.name, partial(layer, inputs=64, outputs=64, heads=4), (32, 64))
    for layer in (pn.YatFeatures, pn.AnchorFeatures, pn.MaclaurinFeatures, pn.RadialFeatures):
        make = partial(project_and_map, layer)
        yield Subject(f"linear attention, {layer.name}", make, (32, 64), attend_linearly)


def project_and_map(layer: pn.Layer, key: jax.Array) -> Any:
    """Projections to 4 heads of queries, keys and values, and a feature map of the heads."""
    one, two = jax.random.split(key)
    return pn.Linear(one, 64, 192), layer(two, 16, 64)


def attend_linearly(model: Any, x: jax.Array) -> jax.Array:
    """Linear attention of tokens (..., T, 64) to each other."""
    project, features = model
    heads = project(x).reshape(*x.shape[:-1], 3, 4, 16)
    query, key, value = (heads[..., index, :, :] for index in range(3))
    return pn.linear_attention(features(query), features(key), value)


def graph_subjects() -> Iterator[Subject]:
    """Layers on a ring of 32 nodes; the batch is one graph of many rings."""
    for layer in (pn.GraphConv, pn.YatGraphConv, pn.YatGraphAttention):
        yield Subject(layer.name, partial(layer, inputs=32, outputs=32), (32, 32), on_rings)


def on_rings(model: Any, x: jax.Array) -> jax.Array:
    """The nodes (..., N, features) of rings, each of N nodes."""
    *batch, nodes, features = x.shape
    count = nodes * int(np.prod(batch, dtype=int))
    here = np.arange(count)
    after = here - here % nodes + (here + 1) % nodes
    graph = pn.make_graph(x.reshape(count, features), here, after)
    return model(graph).nodes.reshape(*batch, nodes, -1)


def recurrent_subjects() -> Iterator[Subject]:
    """Cells, one step of them, and the layers that run them along a sequence."""
    basic = (pn.SimpleCell, pn.LSTMCell, pn.GRUCell)
    for layer in (*basic, pn.YatSimpleCell, pn.YatLSTMCell, pn.YatGRUCell):
        yield Subject(layer.name, partial(layer, inputs=64, outputs=64), (64,), step)
        cells = partial(pn.RNN, inputs=64, outputs=64, cell=layer)
        yield Subject(f"RNN, {layer.name}", cells, (16, 64))
    separate = partial(pn.YatGRU, inputs=64, outputs=64, form="separate")
    yield Subject("YatGRU separate", separate, (16, 64))
    for layer in (pn.LSTM, pn.GRU, pn.YatLSTM, pn.YatGRU, pn.YatSimpleRNN):
        yield Subject(layer.name, partial(layer, inputs=64, outputs=64), (16, 64))
    short = partial(pn.RNN, inputs=128, outputs=128, bidirectional=True)
    yield Subject("RNN, 2 steps both ways", short, (2, 128))


def step(cell: Any, x: jax.Array) -> jax.Array:
    """One step of a cell from its initial carry."""
    return cell(pn.initial_carry(cell, x.shape[:-1]), x)[1]


def normalization_subjects() -> Iterator[Subject]:
    """Norms, batch norm with the statistics that it has."""
    for layer in (pn.LayerNorm, pn.RMSNorm, pn.BatchNorm):
        yield Subject(layer.name, lambda key, layer=layer: layer(512), (512,))
    for layer in (pn.YatLayerNorm, pn.YatBatchNorm):
        yield Subject(layer.name, partial(layer, features=512, groups=8), (512,))
    whole = partial(in_a_batch, 3)
    yield Subject("GroupNorm", lambda key: pn.GroupNorm(64, groups=8), (4, 4, 64), whole)


def activation_subjects() -> Iterator[Subject]:
    """Activations that learn, with numbers of their own for each feature."""
    for layer in (pn.PReLU, pn.SReLU):
        yield Subject(layer.name, lambda key, layer=layer: layer(512), (512,))


# --------------------------------------------------------------------- a layer, in and out of vmap


def layer_case(subject: Subject, batch: int) -> Case:
    """The gradient of the parameters, with the batch inside of the model and outside."""
    model, x = prepare(subject, batch)
    functions = {BATCHED: gradient(subject, mapped=False), MAPPED: gradient(subject, mapped=True)}
    contenders = [
        Contender(name, subject.name, awaited(function, model, x))
        for name, function in functions.items()
    ]
    targets = [Target(MAPPED, BATCHED, "<=", LIMIT, why=WHY.get(subject.name, ""))]
    return Case(f"vmap {subject.name}", BATCHED, contenders, targets)


def prepare(subject: Subject, batch: int) -> tuple[Any, jax.Array]:
    """A model and a batch of standard normal inputs."""
    one, two = jax.random.split(jax.random.key(0))
    return subject.make(one), jax.random.normal(two, (batch, *subject.shape))


def gradient(subject: Subject, mapped: bool) -> Callable[..., Any]:
    """The compiled gradient of a weighted sum of all outputs, in the parameters."""

    def total(model: Any, x: jax.Array) -> jax.Array:
        call = partial(subject.call, model)
        y = (jax.vmap(call) if mapped else call)(x)
        return jnp.sum(y * jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    return jax.jit(pn.grad(total))


def awaited(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """A call whose result is awaited."""
    return lambda: jax.block_until_ready(function(*arguments))


# --------------------------------------------------------------------- a physics-informed network


def physics_case(points: int) -> Case:
    """How far a network is from Burgers' equation, u_t + u u_x = u_xx / 100, and the gradient."""
    one, two, three, four = jax.random.split(jax.random.key(0), 4)
    sizes = ((one, 2, WIDTH), (two, WIDTH, WIDTH), (three, WIDTH, 1))
    network = pn.sequential(*(pn.YatDense(*size, epsilon=EPSILON) for size in sizes))
    weights = [tuple(part.params[:3]) for part in network]
    places = jax.random.uniform(four, (points, 2), minval=-1.0)
    contenders = [
        Contender(OURS, BURGERS, awaited(misfit(lambda model, z: model(z)), network, places)),
        Contender(PLAIN, BURGERS, awaited(misfit(yat_network), weights, places)),
    ]
    target = Target(OURS, PLAIN, "<=", 1.0, noise=True)
    return Case(f"physics-informed network, {points} points", PLAIN, contenders, [target])


def yat_network(weights: Any, z: jax.Array) -> jax.Array:
    """The same layers as one writes them."""
    for kernel, bias, alpha in weights:
        dot = z @ kernel
        distance = jnp.sum(z**2) + jnp.sum(kernel**2, axis=0) - 2 * dot
        z = alpha * (dot + bias) ** 2 / (distance + EPSILON)
    return z


def misfit(network: Callable[[Any, jax.Array], jax.Array]) -> Callable[..., Any]:
    """The mean squared misfit at many places, written for one place, and its gradient."""

    def at(weights: Any, place: jax.Array) -> jax.Array:
        def value(z: jax.Array) -> jax.Array:
            return network(weights, z)[0]

        slope, curved = jax.jvp(jax.grad(value), (place,), (jnp.array([1.0, 0.0]),))
        return slope[1] + value(place) * slope[0] - curved[0] / 100

    def mean(weights: Any, places: jax.Array) -> jax.Array:
        return jnp.mean(jax.vmap(partial(at, weights))(places) ** 2)

    return jax.jit(
        lambda weights, places: jax.tree.leaves(jax.value_and_grad(mean)(weights, places))
    )
