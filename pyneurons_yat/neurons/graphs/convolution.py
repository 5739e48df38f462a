"""GraphConv and YatGraphConv: a dense layer on what each node and its neighbours have in common.

Both take a `GraphsTuple` and return it with new nodes, so `sequential` composes them; what works on
nodes alone goes between them by one line:

    >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
    >>> def on_nodes(function):
    ...     return lambda graph: graph._replace(nodes=function(graph.nodes))
    >>> one, two = jax.random.split(jax.random.key(0))
    >>> model = pn.sequential(
    ...     pn.YatGraphConv(one, 4, 8), on_nodes(jnp.sqrt), pn.GraphConv(two, 8, 2)
    ... )
    >>> graph = pn.make_graph(jnp.ones((3, 4)), senders=[0, 1, 1, 2], receivers=[1, 0, 2, 1])
    >>> model(graph).nodes.shape
    (3, 2)

The neurons of `YatGraphConv` see the mixed features, they are not mixed afterwards. So the one
nonlinearity stands behind the sum over neighbours, where a GCN has it: a neuron compares the whole
neighbourhood with its prototype, and a common word counts although no single neighbour is near the
prototype. And what is mixed in a first layer does not depend on parameters: `propagate` can be
called once, before training. The other order is `propagate` behind a `YatDense` on nodes.
"""

from typing import Any

import jax

from ...core import bind, options_of
from ...core.signatures import divided
from ...ops import linear, propagate, yat
from ...ops.checks import check_sizes
from ...ops.graphs import check_graph
from ..dense import LinearParams, YatParams, answer, draw, draw_linear


@options_of(draw_linear)
def create_linear(key: jax.Array, inputs: int, outputs: int, **options: Any) -> LinearParams:
    """A graph convolution (GCN): `A x @ kernel + bias`, A the normalised adjacency.

    There is no activation function in it; compose one.

    Letters: N nodes, E edges.

    Args:
        key: A PRNG key.
        inputs: Features of each node, at least 1.
        outputs: Features of each node afterwards, at least 1.

    The model takes a `GraphsTuple` with nodes (N, inputs) and returns it with nodes (N, outputs).
    The function `propagate` says what A is; it is
    applied to the narrower of x and x @ kernel.

    Raises:
        TypeError: If a size is not an integer, or the input is not a GraphsTuple.
        ValueError: If a size is below 1, or shapes do not fit.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.eye(4), senders=[0, 1, 2, 3], receivers=[1, 0, 3, 2])
        >>> labels = jnp.array([0, 0, 1, 1])  # two unconnected pairs; one label of each is given
        >>> def loss(model, graph, labels):
        ...     return pn.cross_entropy(model(graph).nodes[::2], labels[::2])
        >>> model = pn.GraphConv(jax.random.key(0), 4, 2)
        >>> step = jax.jit(jax.grad(loss))
        >>> for _ in range(20):
        ...     model = jax.tree.map(lambda p, g: p - g, model, step(model, graph, labels))
        >>> float(pn.accuracy(model(graph).nodes, labels))
        1.0

    Source:
        Kipf, Welling, "Semi-Supervised Classification with Graph Convolutional Networks",
        arXiv:1609.02907.
    """
    check_sizes("GraphConv", inputs=inputs, outputs=outputs)
    return draw_linear("GraphConv", key, (inputs, outputs), **options)


@options_of(propagate, linear)
def apply_linear(params: LinearParams, graph: Any, **options: Any) -> Any:
    """Applies `GraphConv` to a graph."""
    mixing, rest = divided(propagate, options)
    check_graph("GraphConv", graph)
    kernel, bias = params
    inputs, outputs = kernel.shape
    if outputs < inputs:
        nodes = linear(graph.nodes, kernel, **rest)
        mixed = propagate(graph._replace(nodes=nodes), **mixing).nodes
        nodes = mixed if bias is None else mixed + bias[None].astype(mixed.dtype)
    else:
        nodes = linear(propagate(graph, **mixing).nodes, kernel, bias, **rest)
    return graph._replace(nodes=nodes)


@options_of(draw)
def create_yat(key: jax.Array, inputs: int, outputs: int, **options: Any) -> YatParams:
    """Yat neurons on neighbourhoods: `alpha (z . w + bias)^2 / (|z - w|^2 + epsilon)`, z = A x.

    z mixes the features of a node with those of its neighbours, A being the normalised adjacency.

    Letters: N nodes, E edges.

    Args:
        key: A PRNG key.
        inputs: Features of each node, at least 1.
        outputs: Features of each node afterwards, at least 1.

    The model takes a `GraphsTuple` with nodes (N, inputs) and returns it with nodes (N, outputs).
    The function `propagate` says what A is.

    Gradient:
        As for `propagate` and `yat`.

    Raises:
        TypeError: If a size is not an integer, or the input is not a GraphsTuple.
        ValueError: If a size is below 1, or shapes do not fit.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.eye(4), senders=[0, 1, 2, 3], receivers=[1, 0, 3, 2])
        >>> labels = jnp.array([0, 0, 1, 1])  # two unconnected pairs; one label of each is given
        >>> def loss(model, graph, labels):
        ...     return pn.cross_entropy(model(graph).nodes[::2], labels[::2])
        >>> model = pn.YatGraphConv(jax.random.key(0), 4, 2, steps=2)
        >>> step = jax.jit(jax.grad(loss))
        >>> for _ in range(40):
        ...     model = jax.tree.map(lambda p, g: p - g / 4, model, step(model, graph, labels))
        >>> float(pn.accuracy(model(graph).nodes, labels))
        1.0

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085; the
        adjacency is that of Kipf, Welling, arXiv:1609.02907.
    """
    check_sizes("YatGraphConv", inputs=inputs, outputs=outputs)
    return draw("YatGraphConv", key, (inputs, outputs), **options)


@options_of(propagate, yat)
def apply_yat(params: YatParams, graph: Any, **options: Any) -> Any:
    """Applies `YatGraphConv` to a graph."""
    mixing, rest = divided(propagate, options)
    mixed = propagate(graph, **mixing)
    return graph._replace(nodes=answer("YatGraphConv", yat, mixed.nodes, params, **rest))


GraphConv = bind("GraphConv", create_linear, apply_linear)
YatGraphConv = bind("YatGraphConv", create_yat, apply_yat)
