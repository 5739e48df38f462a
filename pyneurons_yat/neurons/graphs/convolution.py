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

from jax.typing import ArrayLike

from ...core import bind
from ...ops import propagate
from ...ops.graphs import check_graph
from ..dense import linear, yat_dense


def apply_linear(
    params: linear.LinearParams,
    graph: Any,
    *,
    normalization: str = "symmetric",
    self_loops: bool = True,
    weighted: bool = False,
    steps: int = 1,
    teleport: ArrayLike = 0.0,
    precision: Any = None,
) -> Any:
    """A graph convolution (GCN): `A x @ kernel + bias`, A the normalised adjacency.

    Created as `Linear` is: `GraphConv(key, inputs, outputs, *, use_bias, kernel_init, bias_init,
    dtype)`. There is no activation function in it; compose one.

    Letters: N nodes, E edges.

    The model takes a `GraphsTuple` with nodes (N, inputs) and returns it with nodes (N, outputs).
    Options of the call, which can be given to the layer too, are those of `propagate`, which says
    what A is: `normalization`, `self_loops`, `weighted`, `steps`, `teleport`; and `precision`. A is
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

    def mix(graph: Any) -> Any:
        return propagate(
            graph,
            normalization=normalization,
            self_loops=self_loops,
            weighted=weighted,
            steps=steps,
            teleport=teleport,
        )

    check_graph("GraphConv", graph)
    inputs, outputs = params.kernel.shape
    if outputs < inputs:
        bare = params._replace(bias=None)
        nodes = linear.apply(bare, graph.nodes, precision=precision)
        mixed = mix(graph._replace(nodes=nodes)).nodes
        nodes = mixed if params.bias is None else mixed + params.bias[None].astype(mixed.dtype)
    else:
        nodes = linear.apply(params, mix(graph).nodes, precision=precision)
    return graph._replace(nodes=nodes)


def apply_yat(
    params: yat_dense.YatDenseParams,
    graph: Any,
    *,
    normalization: str = "symmetric",
    self_loops: bool = True,
    weighted: bool = False,
    steps: int = 1,
    teleport: ArrayLike = 0.0,
    epsilon: ArrayLike = 1e-5,
    distance: str = "expanded",
    precision: Any = None,
) -> Any:
    """Yat neurons on neighbourhoods: `alpha (z . w + bias)^2 / (|z - w|^2 + epsilon)`, z = A x.

    z mixes the features of a node with those of its neighbours, A being the normalised adjacency.
    Created as `YatDense` is: `YatGraphConv(key, inputs, outputs, *, use_bias, use_alpha,
    learnable_epsilon, epsilon, kernel_init, bias_init, alpha_init, dtype)`.

    Letters: N nodes, E edges.

    The model takes a `GraphsTuple` with nodes (N, inputs) and returns it with nodes (N, outputs).
    Options of the call, which can be given to the layer too, are those of `propagate`:
    `normalization`, `self_loops`, `weighted`, `steps`, `teleport`; and those of `YatDense`:
    `epsilon`, `distance`, `precision`.

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
    mixed = propagate(
        graph,
        normalization=normalization,
        self_loops=self_loops,
        weighted=weighted,
        steps=steps,
        teleport=teleport,
    )
    nodes = yat_dense.apply(
        params, mixed.nodes, epsilon=epsilon, distance=distance, precision=precision
    )
    return graph._replace(nodes=nodes)


GraphConv = bind("GraphConv", linear.create, apply_linear, doc=apply_linear.__doc__)
YatGraphConv = bind("YatGraphConv", yat_dense.create, apply_yat, doc=apply_yat.__doc__)
