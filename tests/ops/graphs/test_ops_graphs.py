"""Graphs as data: checks, message passing, batches, padding, loops."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth_graphs as truth

from pyneurons_yat import ops

SENDERS, RECEIVERS = np.array([1, 2, 1, 0]), np.array([0, 0, 0, 2])
NODES = np.arange(1.0, 9.0).reshape(4, 2)
EDGES = np.array([1.0, -2.0, 3.0, 0.5])


def small(edges=None, globals=None):
    return ops.make_graph(NODES, SENDERS, RECEIVERS, edges=edges, globals=globals)


def other():
    return ops.make_graph(10 + NODES[:2], [1], [0], edges=np.array([7.0]), globals=np.array([5.0]))


def same(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    jax.tree.map(np.testing.assert_array_equal, left, right)


def test_field_names_and_order_are_those_of_jraph():
    names = ("nodes", "edges", "receivers", "senders", "globals", "n_node", "n_edge")
    assert ops.GraphsTuple._fields == names


def test_a_graph_counts_itself():
    graph = small(EDGES, np.array([1.0, 2.0]))
    assert graph.n_node.tolist() == [4]
    assert graph.n_edge.tolist() == [4]
    assert graph.globals.shape == (1, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((NODES, [0, 4], [1, 1]), ValueError, "senders must be from 0 to 3, got 4"),
        ((NODES, [0, 1], [1, -1]), ValueError, "receivers must be from 0 to 3, got -1"),
        ((NODES, [0, 1], [1]), ValueError, r"same shape \(E,\)"),
        ((NODES, [[0]], [[1]]), ValueError, r"same shape \(E,\)"),
        ((NODES, [0.0], [1.0]), TypeError, "senders must be integers"),
        ((NODES, [True], [1]), TypeError, "senders must be integers, got bool"),
        ((np.float64(3.0), [], []), ValueError, r"nodes must have shape \(N, \*F\)"),
        (({"a": NODES, "b": NODES[:2]}, [], []), ValueError, "nodes must have shape"),
    ],
)
def test_what_is_no_graph_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        ops.make_graph(*arguments)


def test_edges_must_fit():
    with pytest.raises(ValueError, match=r"edges must have shape \(E, \*F\) with E = 4"):
        small(np.ones(3))
    with pytest.raises(TypeError, match="graph must be a GraphsTuple, got ndarray"):
        ops.message_passing(NODES)


def test_a_tuple_of_the_same_fields_will_do():
    class Foreign(NamedTuple):
        nodes: object
        edges: object
        receivers: object
        senders: object
        globals: object
        n_node: object
        n_edge: object

    graph = Foreign(*small())
    result = ops.propagate(ops.message_passing(graph))
    assert isinstance(result, Foreign)
    np.testing.assert_array_equal(result.nodes, ops.propagate(ops.message_passing(small())).nodes)


# Message passing


@pytest.mark.parametrize("reduction", ["sum", "mean", "max", "min", "softmax"])
def test_messages_edge_by_edge(reduction):
    def edge(edges, sent, received):
        return edges[:, None] * sent - received**2

    def node(nodes, aggregated):
        return nodes / 2 + aggregated

    pairs = zip(EDGES, SENDERS, RECEIVERS, strict=True)
    messages = np.array([w * NODES[s] - NODES[r] ** 2 for w, s, r in pairs])
    wanted = NODES / 2 + truth.segment_reduce(messages, RECEIVERS, 4, reduction)
    got = ops.message_passing(small(EDGES), edge, node, reduction=reduction)
    np.testing.assert_allclose(got.nodes, wanted, rtol=1e-12)
    np.testing.assert_array_equal(got.edges, EDGES)


def test_default_functions_hand_on_what_was_sent():
    wanted = truth.adjacency(SENDERS, RECEIVERS, 4) @ NODES
    np.testing.assert_allclose(ops.message_passing(small()).nodes, wanted)


def test_nodes_and_messages_may_be_trees_and_the_reduction_a_function():
    graph = small()._replace(nodes={"a": NODES, "b": NODES[:, 0]})

    def edge(_, sent, received):
        return sent["a"] * received["b"][:, None], sent["b"]

    def reduction(messages, receivers, size):
        first, second = messages
        return jax.ops.segment_sum(first * second[:, None], receivers, size)

    wanted = np.zeros((4, 2))
    for s, r in zip(SENDERS, RECEIVERS, strict=True):
        wanted[r] += NODES[s] * NODES[r, 0] * NODES[s, 0]
    got = ops.message_passing(graph, edge, reduction=reduction).nodes
    np.testing.assert_allclose(got, wanted)
    assert set(ops.message_passing(graph).nodes) == {"a", "b"}


@pytest.mark.parametrize("sender", [-1, -4, 4])
def test_a_sender_out_of_range_sends_nan(sender):
    graph = small()._replace(senders=np.array([1, sender, 1, 0]))
    sums = jax.jit(ops.message_passing)(graph).nodes
    assert np.isnan(sums).all(1).tolist() == [True, False, False, False]
    whole = graph._replace(nodes=jnp.arange(4))
    take = functools.partial(ops.message_passing, reduction=lambda m, ids, n: m)
    largest = jax.jit(take)(whole).nodes
    assert largest.tolist() == [1, np.iinfo(int).min, 1, 0]


def test_a_receiver_out_of_range_receives_nothing():
    graph = small()._replace(receivers=np.array([0, -1, 4, 2]))
    wanted = np.zeros((4, 2))
    wanted[0], wanted[2] = NODES[1], NODES[0]
    np.testing.assert_array_equal(jax.jit(ops.message_passing)(graph).nodes, wanted)


@pytest.mark.parametrize("end", ["senders", "receivers"])
@pytest.mark.parametrize("wrong", [-1, 9])
def test_an_edge_to_a_node_that_is_not_there_is_an_error_where_it_is_known(end, wrong):
    ends = {"senders": SENDERS, "receivers": RECEIVERS, end: np.array([0, 1, wrong, 2])}
    graph = small()._replace(**ends)
    words = f"{end} must be from 0 to 3, got {wrong}"
    for function in (ops.propagate, ops.message_passing, ops.node_graphs):
        for arrays in (graph, graph._replace(**jax.tree.map(jnp.asarray, ends))):
            with pytest.raises(ValueError, match=f"^{function.__name__}: {words}"):
                function(arrays)
    with pytest.raises(ValueError, match=f"^degree_weights: {words}"):
        ops.degree_weights(**ends, num_nodes=4)
    closed = jax.jit(lambda: ops.propagate(graph).nodes)  # known inside jit too
    with pytest.raises(ValueError, match=words):
        closed()
    traced = jax.jit(functools.partial(ops.degree_weights, num_nodes=4))(**ends)
    assert np.isnan(traced).tolist() == [False, False, True, False]


@pytest.mark.parametrize("wrong", [[1.0, 2.0, 1.0, 0.0], np.ones(4, bool)])
@pytest.mark.parametrize("end", ["senders", "receivers"])
def test_indices_are_integers(end, wrong):
    graph = small()._replace(**{end: wrong})
    for function in (ops.message_passing, ops.propagate, ops.node_graphs):
        with pytest.raises(TypeError, match=f"{function.__name__}: {end} must be integers"):
            function(graph)


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="message_passing: reduction must be 'sum' or"):
        ops.message_passing(small(), reduction="median")


# Pairs


def test_pairs_near_each_other_keep_their_digits():
    x = np.array([[3.0, 4.0], [1.0, 1.0]], np.float32)
    y = (x + np.array([[1e-4, 0], [0, 0]])).astype(np.float32)
    wide = truth.yat_pairs(x.astype(float), y.astype(float), epsilon=1e-9)
    np.testing.assert_allclose(ops.yat_pairs(x, y, epsilon=1e-9), wide, rtol=1e-5)
    with pytest.raises(ValueError, match="x and y must have the same shape"):
        ops.yat_pairs(x, y[0])


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e18])
def test_pairs_have_finite_gradients(scale):
    x = np.full((1, 2), scale, np.float32)
    y = np.float32(0.5) * x
    gradients = jax.grad(lambda *a: ops.yat_pairs(*a).sum(), (0, 1))(x, y)
    assert all(np.isfinite(g).all() for g in gradients)


# Batches and padding


@pytest.mark.slow
def test_a_batch_comes_apart_again():
    graphs = [small(EDGES, np.array(3.0)[None]), other(), small(EDGES, np.array([4.0]))]
    batch = ops.batch_graphs(graphs)
    assert batch.n_node.tolist() == [4, 2, 4]
    assert batch.n_edge.tolist() == [4, 1, 4]
    assert batch.senders.tolist() == [1, 2, 1, 0, 5, 7, 8, 7, 6]
    assert ops.node_graphs(batch).tolist() == [0] * 4 + [1] * 2 + [2] * 4
    for one, again in zip(graphs, ops.unbatch_graphs(batch), strict=True):
        same(one, again)
    same(ops.batch_graphs([ops.batch_graphs(graphs[:2]), graphs[2]]), batch)


def test_a_batch_is_its_graphs_side_by_side():
    graphs = [small(EDGES, np.ones(1)), other()]
    whole = ops.propagate(ops.batch_graphs(graphs), steps=2).nodes
    alone = [ops.propagate(graph, steps=2).nodes for graph in graphs]
    np.testing.assert_allclose(whole, np.concatenate(alone), rtol=1e-12)


def test_batches_of_different_fields_are_refused():
    with pytest.raises(ValueError, match="the same fields"):
        ops.batch_graphs([small(EDGES), small()])
    with pytest.raises(ValueError, match=r"same features in all graphs, .* \[\(1,\), \(2,\)\]"):
        ops.batch_graphs([small(), small()._replace(nodes=NODES[:, :1])])
    with pytest.raises(ValueError, match="graphs must be at least one"):
        ops.batch_graphs([])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16"])
def test_narrow_indices_grow_with_the_graph(dtype):
    index, count = np.array([120], dtype), np.array([200], "uint8")
    graph = ops.GraphsTuple(np.ones((200, 1)), None, index, index, None, count, index // 120)
    batch = ops.batch_graphs([graph, graph])
    assert (batch.senders.tolist(), batch.receivers.tolist()) == ([120, 320],) * 2
    assert ops.pad_graph(batch, 401, 3).senders.tolist() == [120, 320, 400]
    assert ops.node_graphs(batch)[-1] == 1
    assert ops.add_self_loops(graph).senders.tolist() == [120, *range(200)]
    wide = ops.make_graph(graph.nodes, [120], [120])
    np.testing.assert_array_equal(ops.propagate(graph).nodes, ops.propagate(wide).nodes)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n_node": np.array([3])}, ValueError, r"n_node must add up to 4, .* got \[3\]"),
        ({"n_edge": np.array([2, 3])}, ValueError, "n_edge must add up to 4"),
        ({"n_edge": np.array([3, 1])}, ValueError, r"n_node and n_edge must have the same shape"),
        ({"n_node": None}, ValueError, r"n_node must have shape \(G,\)"),
        ({"n_node": np.array([4.0])}, TypeError, "n_node must be integers"),
    ],
)
@pytest.mark.parametrize("name", ["unbatch_graphs", "node_graphs", "padding_masks"])
def test_counts_must_add_up(name, change, error, message):
    with pytest.raises(error, match=f"{name}: {message}"):
        getattr(ops, name)(small()._replace(**change))


def test_a_batch_comes_apart_outside_of_jit_only():
    with pytest.raises(TypeError, match="unbatch_graphs: n_node and n_edge must be known"):
        jax.jit(ops.unbatch_graphs)(small())
    known = small()
    assert jax.jit(lambda: ops.unbatch_graphs(known)[0].nodes)().shape == (4, 2)


@pytest.mark.parametrize("sizes", [(7, 6), (7, 5, 3), (7, 6, 5), (10, 9, 4)])
def test_padding_marks_what_is_real(sizes):
    batch = ops.batch_graphs([small(EDGES, np.ones(1)), other()])
    padded = ops.pad_graph(batch, *sizes)
    masks = jax.jit(ops.padding_masks)(padded)
    assert [mask.sum() for mask in masks] == [6, 5, 2]
    assert all(mask[:n].all() for mask, n in zip(masks, (6, 5, 2), strict=True))
    wanted = (*sizes, 3)[:3]
    assert (len(padded.nodes), len(padded.edges), len(padded.globals)) == wanted
    assert (padded.n_node.sum(), padded.n_edge.sum()) == wanted[:2]
    same(ops.batch_graphs(ops.unbatch_graphs(padded)[:2]), batch)


def test_an_empty_last_graph_is_not_padding():
    empty = ops.make_graph(np.zeros((0, 2)), [], [])
    padded = ops.pad_graph(ops.batch_graphs([small(), empty]), 6, 4)
    assert ops.padding_masks(padded).graphs.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((4, 4), "num_nodes must be at least 5, got 4"),
        ((5, 3), "num_edges must be at least 4, got 3"),
        ((5, 4, 1), "num_graphs must be at least 2, got 1"),
    ],
)
def test_too_little_room_is_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        ops.pad_graph(small(), *sizes)
    with pytest.raises(TypeError, match="num_nodes must be an integer, got float"):
        ops.pad_graph(small(), 5.0, 5)


# Loops


def test_loops_stand_behind_the_edges_of_their_graph():
    batch = ops.batch_graphs([small(EDGES, np.ones(1)), other()])
    looped = jax.jit(ops.add_self_loops)(batch, np.arange(6.0))
    assert looped.n_edge.tolist() == [8, 3]
    assert looped.senders.tolist() == [1, 2, 1, 0, 0, 1, 2, 3, 5, 4, 5]
    assert looped.receivers.tolist() == [0, 0, 0, 2, 0, 1, 2, 3, 4, 4, 5]
    assert looped.edges.tolist() == [1, -2, 3, 0.5, 0, 1, 2, 3, 7, 4, 5]
    with pytest.raises(ValueError, match="edges must have the structure"):
        ops.add_self_loops(batch)
    for count in (5, 7):
        with pytest.raises(ValueError, match=rf"one entry per node .* \(6,\), got \({count},\)"):
            ops.add_self_loops(batch, np.ones(count))


def test_loops_by_edges_are_loops_of_propagate():
    got = ops.propagate(ops.add_self_loops(small()), self_loops=False).nodes
    np.testing.assert_allclose(got, ops.propagate(small()).nodes, rtol=1e-12)


def test_propagate_refuses():
    with pytest.raises(ValueError, match="normalization must be 'symmetric'"):
        ops.propagate(small(), normalization="both")
    with pytest.raises(ValueError, match="edges of the graph must be weights"):
        ops.propagate(small(), weighted=True)
    with pytest.raises(ValueError, match="steps must be at least 0"):
        ops.propagate(small(), steps=-1)
    for teleport in (2.0, -2, np.float32(1.5)):
        with pytest.raises(ValueError, match="teleport must be between 0 and 1"):
            ops.propagate(small(), teleport=teleport)
    with pytest.raises(ValueError, match=r"teleport must have shape \(\), got shape \(2,\)"):
        ops.propagate(small(), teleport=np.ones(2))
    with pytest.raises(TypeError, match="degree_weights: senders must be integers"):
        ops.degree_weights(SENDERS * 1.0, RECEIVERS, 4)
    with pytest.raises(ValueError, match="normalization must be"):
        ops.degree_weights(SENDERS, RECEIVERS, 4, normalization="none")
    with pytest.raises(ValueError, match="degree_weights: .*weights must have shape"):
        ops.degree_weights(SENDERS, RECEIVERS, 4, np.ones(3))
