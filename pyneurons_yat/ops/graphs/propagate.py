"""Mixing the features of neighbours, weighted by the degrees of the nodes."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_choice, check_flag, check_share, check_sizes
from ..dtypes import narrow, result_dtype, widen
from ..sharding import varying_alike
from .graphs import check_graph, node_index, take
from .segments import check_segments, segment_reduce

NORMALIZATIONS = ("symmetric", "mean", "sum")


def degree_weights(
    senders: ArrayLike,
    receivers: ArrayLike,
    num_nodes: int,
    weights: ArrayLike | None = None,
    *,
    normalization: str = "symmetric",
) -> jax.Array:
    """The weights of the edges, normalised by the degrees of the nodes.

        symmetric:  w_e / sqrt(out(sender) in(receiver)), the D^-1/2 A D^-1/2 of a GCN
        mean:       w_e / in(receiver), with which messages are averaged
        sum:        w_e

    out(v) sums w over the edges that leave v, in(v) over those that enter it; in an undirected
    graph they are equal. An edge at a node whose sum is not above 0 gets 0.

    Letters: E edges, N nodes.

    Args:
        senders: integers (E,).
        receivers: integers (E,).
        num_nodes: N, a Python integer.
        weights: (E,), not negative, or None for 1.
        normalization: "symmetric", "mean" or "sum".

    Returns:
        (E,), in the dtype of weights; by default the default float.

    Gradient:
        In weights; plain autodiff.

    Raises:
        ValueError: If a shape does not fit, normalization is none of the three, or outside of
            `jax.jit` an index is outside [0, N). Inside, such an edge gets NaN.
        TypeError: If weights are not real, or indices not integers.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> senders, receivers = jnp.array([0, 0, 1, 2]), jnp.array([1, 2, 0, 0])
        >>> [round(float(w), 3) for w in pn.degree_weights(senders, receivers, 3)]
        [0.707, 0.707, 0.707, 0.707]
        >>> pn.degree_weights(senders, receivers, 3, normalization="mean").tolist()
        [1.0, 1.0, 0.5, 0.5]

    Source:
        Kipf, Welling, "Semi-Supervised Classification with Graph Convolutional Networks",
        arXiv:1609.02907, equation 2.
    """
    check_choice("degree_weights", "normalization", normalization, NORMALIZATIONS)
    check_sizes("degree_weights", least=0, num_nodes=num_nodes)
    senders = node_index("degree_weights", "senders", senders, num_nodes)
    receivers = node_index("degree_weights", "receivers", receivers, num_nodes)
    weights = jnp.ones(senders.shape) if weights is None else weights
    dtype = result_dtype("degree_weights", weights=weights)
    check_segments("degree_weights", senders, num_nodes, None, weights=weights)
    check_segments("degree_weights", receivers, num_nodes, None, weights=weights)
    weights = jnp.asarray(weights, dtype)
    return _degree_weights(weights, senders, receivers, num_nodes, normalization)


@partial(jax.jit, static_argnums=(3, 4))
@partial(jax.checkpoint, static_argnums=(3, 4))  # keeps the arguments alone for the reverse pass
def _degree_weights(weights, senders, receivers, size, normalization):
    wide = widen(weights, weights.dtype, 1)
    return narrow(_normalized(wide, senders, receivers, size, normalization)[0], weights.dtype)


def _normalized(weights, senders, receivers, size, normalization, loop=0.0):
    """The normalised weights of the edges, (E,), and of one more loop of weight `loop` per node."""
    if normalization == "sum":
        return weights, jnp.full(size, loop, weights.dtype)
    entering = loop + segment_reduce(weights, receivers, size)
    if normalization == "mean":
        return weights * take(_power(entering, -1), receivers), loop * _power(entering, -1)
    leaving = loop + segment_reduce(weights, senders, size)
    entering, leaving = _power(entering, -0.5), _power(leaving, -0.5)
    edges = weights * take(leaving, senders) * take(entering, receivers)
    return edges, loop * leaving * entering


def _power(degree, power):
    """The degree to a negative power, and 0 for a node without edges."""
    return jnp.where(degree > 0, jnp.where(degree > 0, degree, 1) ** power, 0)


def propagate(
    graph: Any,
    *,
    normalization: str = "symmetric",
    self_loops: bool = True,
    weighted: bool = False,
    steps: int = 1,
    teleport: ArrayLike = 0.0,
) -> Any:
    """Mixes the features of each node with those of its neighbours.

        h_0 = x,    h_(k+1) = (1 - teleport) A h_k + teleport x

    A is the adjacency, one loop of weight 1 added to every node, normalised by degrees as in
    `degree_weights`. One step without teleport is a GCN's, several are SGC's, and with teleport
    they are APPNP's, which reach far and still remember x.

    Letters: N nodes, E edges, F features.

    Args:
        graph: a `GraphsTuple` with nodes (N, *F), of at least one feature axis.
        normalization: "symmetric", "mean" or "sum".
        self_loops: whether every node gets one loop more, beside those among the edges.
        weighted: whether the edges of the graph are weights, (E,) or (E, 1), not negative. By
            default every edge weighs 1 and the edges' features are not looked at.
        steps: how many; 0 changes nothing.
        teleport: a number from 0 to 1, the share of x in each step. A traced one is not checked.

    Returns:
        The graph with new nodes, of the shape and dtype of the nodes. Sums are accumulated in
        float32, or in float64 for float64.

    Gradient:
        In nodes, weights and teleport; plain autodiff, which keeps only the arguments.

    Raises:
        ValueError: If a shape does not fit, steps is negative, teleport is not a number from 0 to
            1, or normalization is unknown.
        TypeError: If graph is not a GraphsTuple, or nodes are not one real array.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.array([[0.0], [4.0]]), senders=[1], receivers=[0])
        >>> pn.propagate(graph, normalization="mean").nodes.ravel().tolist()
        [2.0, 4.0]

    Source:
        Kipf, Welling, arXiv:1609.02907; Wu et al., "Simplifying Graph Convolutional Networks",
        arXiv:1902.07153; Gasteiger et al., "Predict then Propagate", arXiv:1810.05997.
    """
    graph, _ = check_graph("propagate", graph)
    check_choice("propagate", "normalization", normalization, NORMALIZATIONS)
    check_flag("propagate", self_loops=self_loops, weighted=weighted)
    check_sizes("propagate", least=0, steps=steps)
    check_share("propagate", teleport=teleport)
    dtype = result_dtype("propagate", nodes=graph.nodes)
    weights = _weights("propagate", graph, weighted)
    nodes = _propagate(
        graph.nodes, graph.senders, graph.receivers, weights, teleport, dtype=dtype,
        steps=steps, normalization=normalization, loop=float(self_loops),
    )  # fmt: skip
    return graph._replace(nodes=nodes)


def _weights(function: str, graph: Any, weighted: bool) -> Any:
    """The edges as weights (E,), or None where they are not to be looked at."""
    if not weighted:
        return None
    shape, edges = np.shape(graph.senders), np.shape(graph.edges)
    if graph.edges is None or edges not in (shape, (*shape, 1)):
        raise ValueError(
            f"{function}: with weighted=True the edges of the graph must be weights of shape "
            f"{shape} or {(*shape, 1)}, got {None if graph.edges is None else edges}"
        )
    return jnp.reshape(graph.edges, shape)


@partial(jax.jit, static_argnames=("dtype", "normalization", "loop", "steps"))
def _propagate(nodes, senders, receivers, weights, teleport, *, dtype, steps, **options):
    weights = jnp.ones(np.shape(senders)) if weights is None else weights
    nodes, weights, teleport, ends = varying_alike((nodes, weights, teleport, (senders, receivers)))

    @jax.checkpoint  # keeps the arguments alone for the reverse pass
    def mix(nodes, weights, teleport):
        first = widen(nodes, dtype, 0)
        back = widen(teleport, dtype, first.ndim)
        normal = _normalized(weights, ends[0], ends[1], first.shape[0], **options)
        step = _step(ends, normal, first, back)
        return narrow(jax.lax.scan(step, first, length=steps)[0], dtype)

    return mix(jnp.asarray(nodes, dtype), widen(weights, dtype, 1), teleport)


def _step(ends, weights, first, back):
    senders, receivers = ends
    edge, own = (jnp.expand_dims(w, tuple(range(1, first.ndim))) for w in weights)

    @partial(jax.checkpoint, prevent_cse=False)  # keeps h, not the messages of all edges
    def step(h, _):
        received = segment_reduce(edge * take(h, senders), receivers, h.shape[0])
        return (1 - back) * (own * h + received) + back * first, None

    return step
