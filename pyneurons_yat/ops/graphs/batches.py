"""Several graphs as one, padded to static shapes, so that one compiled program serves them all.

Letters: N nodes, E edges, G graphs, F features.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..checks import check_sizes
from ..dtypes import as_index
from .graphs import check_graph


class PaddingMasks(NamedTuple):
    """What is real in a padded graph: booleans per node (N,), edge (E,) and graph (G,).

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.ones((2, 1)), senders=[0], receivers=[1])
        >>> pn.padding_masks(pn.pad_graph(graph, 4, 2)).nodes.tolist()
        [True, True, False, False]
    """

    nodes: jax.Array
    edges: jax.Array
    graphs: jax.Array


def check_counts(function: str, graph: Any) -> tuple[Any, int]:
    """As `check_graph`, for what reads n_node and n_edge too; where known they must add up."""
    graph, size = check_graph(function, graph)
    for name, total in (("n_node", size), ("n_edge", graph.senders.size)):
        given = getattr(graph, name)
        if np.ndim(given) != 1:
            raise ValueError(f"{function}: {name} must have shape (G,), got {np.shape(given)}")
        counts = as_index(function, name, given)
        if not isinstance(given, Tracer) and int(np.asarray(given).sum()) != total:
            raise ValueError(
                f"{function}: {name} must add up to {total}, as there are in the graph, got "
                f"{np.asarray(given).tolist()}"
            )
        graph = graph._replace(**{name: counts})
    if graph.n_node.shape != graph.n_edge.shape:
        raise ValueError(
            f"{function}: n_node and n_edge must have the same shape (G,), got "
            f"{graph.n_node.shape} and {graph.n_edge.shape}"
        )
    return graph, size


def batch_graphs(graphs: Sequence[Any]) -> Any:
    """Several graphs as one of unconnected parts, as jraph batches them.

    Nodes, edges and globals are concatenated, and indices moved to the new places of their nodes.

    Args:
        graphs: at least one `GraphsTuple`, of the same fields and feature shapes. Each may hold
            several graphs already.

    Returns:
        A `GraphsTuple` whose n_node and n_edge say where each graph ends.

    Raises:
        ValueError: If there is no graph, or one has a field or features that another has not.
        TypeError: If an entry is not a GraphsTuple.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.ones((2, 1)), senders=[0], receivers=[1])
        >>> batch = pn.batch_graphs([graph, graph])
        >>> batch.n_node.tolist(), batch.receivers.tolist()
        ([2, 2], [1, 3])
    """
    graphs = list(graphs)
    if not graphs:
        raise ValueError("batch_graphs: graphs must be at least one, got none")
    graphs, sizes = zip(*(check_counts("batch_graphs", graph) for graph in graphs), strict=True)
    if len({jax.tree.structure(graph) for graph in graphs}) > 1:
        raise ValueError(
            "batch_graphs: all graphs must have the same fields, but in some nodes, edges or "
            "globals are None, or other trees, where in others they are not"
        )
    for leaves in zip(*map(jax.tree.leaves, graphs), strict=True):
        if len(shapes := {np.shape(leaf)[1:] for leaf in leaves}) > 1:
            raise ValueError(
                "batch_graphs: nodes, edges and globals must have the same features in all graphs, "
                f"got the shapes {sorted(shapes)} behind the first axis"
            )
    moved = [
        graph._replace(senders=graph.senders + start, receivers=graph.receivers + start)
        for graph, start in zip(graphs, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True)
    ]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *moved)


def unbatch_graphs(graph: Any) -> list[Any]:
    """The graphs of a batch one by one: the inverse of `batch_graphs`, for use outside jit.

    Args:
        graph: a `GraphsTuple`. Of a padded one the last entries are the padding.

    Returns:
        A list of `GraphsTuple`, one for each entry of n_node.

    Raises:
        TypeError: If graph is not a GraphsTuple, or its counts are traced, as under `jax.jit`.
        ValueError: If n_node and n_edge do not add up to the nodes and edges.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.ones((2, 1)), senders=[0], receivers=[1])
        >>> [one.receivers.tolist() for one in pn.unbatch_graphs(pn.batch_graphs([graph, graph]))]
        [[1], [1]]
    """
    graph, _ = check_counts("unbatch_graphs", graph)
    if isinstance(graph.n_node, Tracer) or isinstance(graph.n_edge, Tracer):
        raise TypeError(
            "unbatch_graphs: n_node and n_edge must be known, but here they are traced; call it "
            "outside of jax.jit"
        )
    stops = [np.cumsum([0, *np.asarray(size)]).tolist() for size in (graph.n_node, graph.n_edge)]
    parts = []
    for index in range(len(stops[0]) - 1):
        nodes, edges, here = (slice(s[index], s[index + 1]) for s in (*stops, range(len(stops[0]))))
        parts.append(
            graph._replace(
                nodes=jax.tree.map(lambda leaf, at=nodes: leaf[at], graph.nodes),
                edges=jax.tree.map(lambda leaf, at=edges: leaf[at], graph.edges),
                globals=jax.tree.map(lambda leaf, at=here: leaf[at], graph.globals),
                senders=graph.senders[edges] - nodes.start,
                receivers=graph.receivers[edges] - nodes.start,
                n_node=graph.n_node[here],
                n_edge=graph.n_edge[here],
            )
        )
    return parts


def pad_graph(graph: Any, num_nodes: int, num_edges: int, num_graphs: int | None = None) -> Any:
    """Pads a graph to static shapes, as jraph does, with graphs that touch none of the real ones.

    All padding nodes and edges belong to one further graph, each edge a loop on its first node;
    graphs after that are empty. So no layer that works along edges needs a mask: what it computes
    for real nodes is what it computes without padding. Sums over all nodes do need one, see
    `padding_masks`.

    Letters: N nodes, E edges, G graphs.

    Args:
        graph: a `GraphsTuple`.
        num_nodes: nodes afterwards, at least N + 1.
        num_edges: edges afterwards, at least E.
        num_graphs: graphs afterwards, at least G + 1, which is the default.

    Returns:
        A `GraphsTuple` in which what was added is 0.

    Raises:
        ValueError: If a size is too small.
        TypeError: If graph is not a GraphsTuple, or a size is not an integer.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.ones((2, 1)), senders=[0], receivers=[1])
        >>> padded = pn.pad_graph(graph, 4, 3)
        >>> padded.n_node.tolist(), padded.n_edge.tolist(), padded.senders.tolist()
        ([2, 2], [1, 2], [0, 2, 2])
    """
    graph, size = check_counts("pad_graph", graph)
    sizes = size, len(graph.senders), len(graph.n_node)
    wanted = num_nodes, num_edges, sizes[2] + 1 if num_graphs is None else num_graphs
    least = sizes[0] + 1, sizes[1], sizes[2] + 1
    for name, size, low in zip(("nodes", "edges", "graphs"), wanted, least, strict=True):
        check_sizes("pad_graph", least=0, **{f"num_{name}": size})
        if size < low:
            raise ValueError(
                f"pad_graph: num_{name} must be at least {low}, got {size}; padding takes one "
                "graph more, of one node or more"
            )
    nodes, edges, graphs = (size - had for size, had in zip(wanted, sizes, strict=True))

    def zeros(tree: Any, count: int) -> Any:
        return jax.tree.map(lambda leaf: _append(leaf, count, 0), tree)

    return graph._replace(
        nodes=zeros(graph.nodes, nodes),
        edges=zeros(graph.edges, edges),
        globals=zeros(graph.globals, graphs),
        senders=_append(graph.senders, edges, sizes[0]),
        receivers=_append(graph.receivers, edges, sizes[0]),
        n_node=zeros(_append(graph.n_node, 1, nodes), graphs - 1),
        n_edge=zeros(_append(graph.n_edge, 1, edges), graphs - 1),
    )


def _append(leaf: ArrayLike, count: int, value: int) -> jax.Array:
    leaf = jnp.asarray(leaf)
    return jnp.concatenate([leaf, jnp.full((count, *leaf.shape[1:]), value, leaf.dtype)])


def padding_masks(graph: Any) -> PaddingMasks:
    """Which nodes, edges and graphs of a graph that `pad_graph` padded are real.

    The padding begins with the last graph that has a node, since `pad_graph` gives all padding
    nodes, at least one, to the first graph that it adds. Works under jit.

    Args:
        graph: a padded `GraphsTuple`; of one that is not padded the last graph counts as padding.

    Returns:
        `PaddingMasks(nodes, edges, graphs)` of booleans, (N,), (E,) and (G,).

    Raises:
        TypeError: If graph is not a GraphsTuple.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.ones((2, 1)), senders=[0], receivers=[1])
        >>> masks = pn.padding_masks(pn.pad_graph(graph, 4, 3, 3))
        >>> masks.edges.tolist(), masks.graphs.tolist()
        ([True, False, False], [True, False, False])
    """
    graph, size = check_counts("padding_masks", graph)
    place = jnp.arange(len(graph.n_node))
    first = jnp.max(jnp.where(graph.n_node > 0, place, 0))
    real = place < first
    return PaddingMasks(
        jnp.arange(size) < jnp.sum(jnp.where(real, graph.n_node, 0)),
        jnp.arange(len(graph.senders)) < jnp.sum(jnp.where(real, graph.n_edge, 0)),
        real,
    )


def node_graphs(graph: Any) -> jax.Array:
    """The graph that each node belongs to, for sums over the nodes of each graph.

    Args:
        graph: a `GraphsTuple`.

    Returns:
        Integers (N,) in [0, G).

    Raises:
        TypeError: If graph is not a GraphsTuple.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.array([[1.0], [2.0]]), senders=[0], receivers=[1])
        >>> batch = pn.batch_graphs([graph, graph])
        >>> pn.segment_reduce(batch.nodes, pn.node_graphs(batch), 2).ravel().tolist()
        [3.0, 3.0]
    """
    graph, size = check_counts("node_graphs", graph)
    return _owners(graph.n_node, size)


def _owners(counts: jax.Array, total: int) -> jax.Array:
    return jnp.repeat(jnp.arange(len(counts)), counts, total_repeat_length=total)


def add_self_loops(graph: Any, edges: Any = None) -> Any:
    """The graph with one edge more for every node, from it to itself.

    The new edges stand behind those of their graph. Loops that are there already stay, so calling
    it twice gives two. `propagate`, and the layers made of it, add their loops by themselves.

    Letters: N nodes, E edges, F features.

    Args:
        graph: a `GraphsTuple`.
        edges: the features of the new edges, (N, *F), of the structure of graph.edges; None where
            the graph has none.

    Returns:
        A `GraphsTuple` with E + N edges.

    Raises:
        ValueError: If the graph's edges have features and the new ones do not, or the reverse, or
            the new ones are not N.
        TypeError: If graph is not a GraphsTuple.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.ones((2, 1)), senders=[0], receivers=[1])
        >>> pn.add_self_loops(graph).senders.tolist()
        [0, 0, 1]
    """
    graph, size = check_counts("add_self_loops", graph)
    if jax.tree.structure(edges) != jax.tree.structure(graph.edges):
        raise ValueError(
            "add_self_loops: edges must have the structure of the edges of the graph, "
            f"{jax.tree.structure(graph.edges)}, got {jax.tree.structure(edges)}"
        )
    for old, new in zip(jax.tree.leaves(graph.edges), jax.tree.leaves(edges), strict=True):
        if np.shape(new) != (size, *np.shape(old)[1:]):
            raise ValueError(
                "add_self_loops: edges must have one entry per node and the features of the edges "
                f"of the graph, shape {(size, *np.shape(old)[1:])}, got {np.shape(new)}"
            )
    nodes = jnp.arange(size, dtype=jnp.int32)
    owners = _owners(graph.n_edge, len(graph.senders)), _owners(graph.n_node, size)
    order = jnp.argsort(jnp.concatenate(owners), stable=True)

    def join(old: Any, new: Any) -> jax.Array:
        return jnp.concatenate([jnp.asarray(old), jnp.asarray(new)])[order]

    return graph._replace(
        edges=jax.tree.map(join, graph.edges, edges),
        senders=join(graph.senders, nodes),
        receivers=join(graph.receivers, nodes),
        n_edge=graph.n_edge + graph.n_node,
    )
