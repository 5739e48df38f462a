"""Graphs as a pytree of arrays, and message passing over their edges.

`GraphsTuple` has the field names of jraph, and every function here takes a tuple of jraph's too.

Letters: N nodes, E edges, G graphs, F features.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_choice, check_index
from ..dtypes import as_index
from ..sharding import joined, looked_up
from .segments import REDUCTIONS, segment_reduce

ENDS = ("senders", "receivers")


class GraphsTuple(NamedTuple):
    """One graph, or several whose nodes and edges stand one graph after another.

    Each edge goes from a sender to a receiver. An undirected edge is two, one each way.

    Attributes:
        nodes: (N, *F), or any pytree of such arrays.
        edges: (E, *F), a pytree of such arrays, or None.
        receivers: (E,) integers, the node that each edge ends at.
        senders: (E,) integers, the node that each edge starts from.
        globals: (G, *F), a pytree of such arrays, or None.
        n_node: (G,) integers, the number of nodes of each graph.
        n_edge: (G,) integers, the number of edges of each graph.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.ones((3, 2)), senders=[0, 1], receivers=[1, 2])
        >>> isinstance(graph, pn.GraphsTuple), graph.n_node.tolist()
        (True, [3])
    """

    nodes: Any
    edges: Any
    receivers: Any
    senders: Any
    globals: Any
    n_node: Any
    n_edge: Any


def make_graph(
    nodes: Any,
    senders: ArrayLike,
    receivers: ArrayLike,
    *,
    edges: Any = None,
    globals: Any = None,
) -> GraphsTuple:
    """One graph from its arrays, checked.

    Letters: N nodes, E edges, F features.

    Args:
        nodes: (N, *F), or a pytree of such arrays.
        senders: integers (E,) in [0, N).
        receivers: integers (E,) in [0, N).
        edges: (E, *F), a pytree of such arrays, or None.
        globals: what belongs to the graph as a whole, without a graph axis; or None.

    Returns:
        A `GraphsTuple` of one graph.

    Raises:
        ValueError: If shapes do not fit, or an index is outside [0, N). Traced indices cannot be
            checked.
        TypeError: If indices are not integers.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.eye(3), senders=[0, 1, 2], receivers=[1, 2, 0])
        >>> graph.n_node.tolist(), graph.n_edge.tolist()
        ([3], [3])
    """
    globals = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], globals)
    graph = GraphsTuple(nodes, edges, receivers, senders, globals, None, None)
    graph, size = check_graph("make_graph", graph)
    return graph._replace(n_node=jnp.array([size]), n_edge=jnp.array([graph.senders.size]))


def check_graph(function: str, graph: Any) -> tuple[Any, int]:
    """Refuses a graph whose arrays do not fit each other.

    Returns the graph, with senders and receivers as `as_index` makes them, and the number of nodes.
    """
    if not hasattr(graph, "senders") or not hasattr(graph, "_replace"):
        raise TypeError(
            f"{function}: graph must be a GraphsTuple, got {type(graph).__name__}; make one with "
            "make_graph"
        )
    ends = np.shape(graph.senders), np.shape(graph.receivers)
    if len(ends[0]) != 1 or ends[0] != ends[1]:
        raise ValueError(
            f"{function}: senders and receivers must have the same shape (E,), got {ends[0]} and "
            f"{ends[1]}"
        )
    leading = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(graph.nodes)}
    if len(leading) != 1 or () in leading:
        raise ValueError(f"{function}: nodes must have shape (N, *F), got leading axes {leading}")
    for leaf in jax.tree.leaves(graph.edges):
        if np.shape(leaf)[:1] != ends[0]:
            raise ValueError(
                f"{function}: edges must have shape (E, *F) with E = {ends[0][0]} as senders have "
                f"it, got {np.shape(leaf)}"
            )
    size = next(iter(leading))[0]
    index = {name: node_index(function, name, getattr(graph, name), size) for name in ENDS}
    return graph._replace(**index), size


def node_index(function: str, name: str, index: ArrayLike, size: int) -> jax.Array:
    """The index of nodes as `as_index` makes it; where it is known, in [0, size)."""
    places = as_index(function, name, index)
    check_index(function, name, places, 0, size - 1)
    return places


def message_passing(
    graph: Any,
    edge_function: Callable[[Any, Any, Any], Any] | None = None,
    node_function: Callable[[Any, Any], Any] | None = None,
    *,
    reduction: str | Callable[[Any, jax.Array, int], Any] = "sum",
) -> Any:
    """New nodes from the messages of their edges, with functions of your own.

        m_e = edge_function(edges_e, nodes_sender(e), nodes_receiver(e))
        h_v = node_function(nodes_v, reduction of all m_e whose receiver is v)

    Both functions are called once, on arrays with a leading axis of edges or nodes; so they may be
    models. A node that receives nothing gets 0 from the reduction. An index outside [0, N) is an
    error; under `jax.jit`, where it is not known, a sender there sends
    NaN, or where the nodes are integers the least number of their dtype (of unsigned ones the
    largest); a receiver outside [0, N) receives nothing.

    Letters: N nodes, E edges, F features.

    Args:
        graph: a `GraphsTuple`.
        edge_function: `edge_function(edges, sent, received) -> messages`: the features of the
            edges (or None) and of the nodes at their two ends, each (E, *F), give (E, *F) or a
            pytree of such arrays. By default what was sent.
        node_function: `node_function(nodes, aggregated) -> nodes`. By default what was aggregated.
        reduction: "sum", "mean", "max", "min" or "softmax", as for `segment_reduce`; or a function
            `reduction(messages, receivers, N) -> aggregated`.

    Returns:
        The graph with new nodes; all else is as it was.

    Gradient:
        Plain autodiff of the functions given.

    Raises:
        ValueError: If shapes do not fit, or the reduction is unknown.
        TypeError: If graph is not a GraphsTuple, or its indices are not integers.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.array([[1.0], [2.0], [4.0]]), [0, 1], [2, 2])
        >>> pn.message_passing(graph).nodes.ravel().tolist()
        [0.0, 0.0, 3.0]
        >>> def difference(edges, sent, received):
        ...     return sent - received
        >>> pn.message_passing(graph, difference, jnp.add, reduction="max").nodes.ravel().tolist()
        [1.0, 2.0, 2.0]

    Source:
        Gilmer et al., "Neural Message Passing for Quantum Chemistry", arXiv:1704.01212.
    """
    graph, size = check_graph("message_passing", graph)
    if not callable(reduction):
        check_choice("message_passing", "reduction", reduction, REDUCTIONS)
        reduction = partial(_reduce_leaves, reduction)
    sent, received = take(graph.nodes, graph.senders), take(graph.nodes, graph.receivers)
    messages = edge_function(graph.edges, sent, received) if edge_function else sent
    aggregated = reduction(messages, graph.receivers, size)
    nodes = node_function(graph.nodes, aggregated) if node_function else aggregated
    return graph._replace(nodes=nodes)


def _reduce_leaves(reduction: str, messages: Any, receivers: jax.Array, size: int) -> Any:
    return jax.tree.map(
        lambda leaf: segment_reduce(leaf, receivers, size, reduction=reduction), messages
    )


def with_loops(graph: Any, where: ArrayLike | None = None) -> tuple[Any, ArrayLike | None]:
    """A graph without edge features, with a loop at every node behind its edges.

    `where` says which edges count, (E,); the loops all do.
    """
    size = np.shape(jax.tree.leaves(graph.nodes)[0])[0]
    loops = jnp.arange(size, dtype=jnp.int32)
    ends = {name: joined(getattr(graph, name), loops) for name in ENDS}
    if where is not None:
        where = joined(jnp.asarray(where), jnp.ones(size, bool))
    return graph._replace(**ends), where


def take(nodes: Any, index: jax.Array) -> Any:
    """The features of the nodes at one end of each edge; an index outside [0, N) gives NaN."""

    def one(leaf):
        return looked_up(jnp.asarray(leaf), index, mode="fill", wrap_negative_indices=False)

    return jax.tree.map(one, nodes)
