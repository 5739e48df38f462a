"""GraphConv, YatGraphConv and YatGraphAttention."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth
import truth_graphs

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
NODES = RNG.normal(size=(6, 4))
# Both ways and one way, one edge twice, a loop at 4, and node 5 alone.
SENDERS = np.array([0, 1, 1, 2, 3, 0, 0, 4])
RECEIVERS = np.array([1, 0, 2, 1, 2, 3, 3, 4])
WEIGHTS = RNG.uniform(0.5, 2.0, 8)
LAYERS = {
    "GraphConv": lambda **o: pn.GraphConv(jax.random.key(0), 4, 6, **o),
    "GraphConv narrow": lambda **o: pn.GraphConv(jax.random.key(0), 4, 2, **o),
    "YatGraphConv": lambda **o: pn.YatGraphConv(jax.random.key(0), 4, 6, epsilon=1e-2, **o),
    "YatGraphAttention": lambda **o: pn.YatGraphAttention(
        jax.random.key(0), 4, 6, heads=2, epsilon=1e-2, **o
    ),
}
every_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


def graph_of(nodes=NODES, senders=SENDERS, receivers=RECEIVERS, edges=None):
    return pn.make_graph(nodes, senders, receivers, edges=edges)


def close(got, wanted, rtol=1e-10):
    np.testing.assert_allclose(np.asarray(got, np.float64), wanted, rtol, rtol)


@cache
def drawn(layer, **options):
    """The layer with every parameter drawn by NumPy, in float64."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: layer(**options))
    return jax.tree.map(lambda leaf: jnp.asarray(rng.uniform(0.2, 1, leaf.shape)), shapes)


@jax.jit
def value_and_gradients(model, nodes):
    """The nodes that a layer makes of some, and the gradients of their sum."""

    def total(model, nodes):
        y = model(graph_of(nodes)).nodes
        return jnp.sum(y.astype(float)), y

    gradients, y = jax.grad(total, (0, 1), has_aux=True)(model, nodes)
    return y, gradients


def dense(model, nodes, senders=SENDERS, receivers=RECEIVERS, weights=None, **options):
    """The formula of a convolution with a dense adjacency, in NumPy."""
    mixed = truth_graphs.propagate(nodes, senders, receivers, weights, **options)
    kernel, bias = np.asarray(model.kernel), np.asarray(model.bias)
    if hasattr(model, "alpha"):
        alpha = np.asarray(model.alpha)
        return truth.yat(mixed, kernel, bias, alpha, dict(model.static)["epsilon"])
    return mixed @ kernel + bias


def attention(model, nodes, senders=SENDERS, receivers=RECEIVERS, power=None):
    """The formula of attention, node by node, in NumPy."""
    kernels = (np.asarray(part.kernel) for part in (model.query, model.key, model.value))
    parts = [(nodes @ kernel).reshape(len(nodes), 2, -1) for kernel in kernels]
    numbers = np.asarray(model.bias), np.asarray(model.alpha), dict(model.static)["epsilon"]
    return truth_graphs.attention(*parts, senders, receivers, *numbers, power).reshape(
        len(nodes), -1
    )


def with_loops(senders=SENDERS, receivers=RECEIVERS, size=6):
    return np.concatenate([senders, range(size)]), np.concatenate([receivers, range(size)])


CONVOLUTIONS = pytest.mark.parametrize("name", ["GraphConv", "GraphConv narrow", "YatGraphConv"])
OPTIONS = [
    {},
    {"normalization": "mean"},
    {"normalization": "sum"},
    {"steps": 3, "teleport": 0.2},
    {"steps": 0},
]


@CONVOLUTIONS
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("loop", [0.0, 1.0])
def test_convolutions_are_the_dense_formula(name, options, loop):
    model = drawn(LAYERS[name], self_loops=bool(loop), **options)
    wanted = dense(model, NODES, loop=loop, **options)
    close(model(graph_of()).nodes, wanted)
    weighted = dense(model, NODES, weights=WEIGHTS, loop=loop, **options)
    close(model(graph_of(edges=WEIGHTS), weighted=True).nodes, weighted)
    close(model(graph_of(edges=WEIGHTS[:, None]), weighted=True).nodes, weighted)
    close(model(graph_of(edges=WEIGHTS)).nodes, wanted)


@CONVOLUTIONS
def test_gradients_are_those_of_the_dense_formula(name):
    model = drawn(LAYERS[name])
    outputs = model.kernel.shape[1]
    cotangent = np.cos(np.arange(6.0 * outputs)).reshape(6, outputs)

    def along_edges(model, nodes, weights):
        graph = graph_of(nodes, edges=weights)
        return jnp.vdot(model(graph, weighted=True).nodes, cotangent)

    got = jax.jit(jax.grad(along_edges, (0, 1, 2)))(model, NODES, WEIGHTS)

    def moved(fields):
        *params, nodes, weights = fields
        changed = pn.Model(model.layer, type(model.params)(*params), model.static)
        return dense(changed, nodes, weights=weights)

    fields = [*model.params, NODES, WEIGHTS]
    for place, found in enumerate([*got[0].params, *got[1:]]):
        if found is None:
            continue

        def one(value, place=place):
            return moved([*fields[:place], value, *fields[place + 1 :]])

        known = truth.numerical_gradient(one, [fields[place]], cotangent, 0)
        close(found, known, 1e-6)


@pytest.mark.parametrize("power", [None, 1.0, 2.5])
@pytest.mark.parametrize("loops", [True, False])
def test_attention_node_by_node(power, loops):
    normalizer = {} if power is None else {"normalizer": "softermax", "power": power}
    model = drawn(LAYERS["YatGraphAttention"], self_loops=loops, **normalizer)
    ends = with_loops() if loops else (SENDERS, RECEIVERS)
    close(model(graph_of()).nodes, attention(model, NODES, *ends, power=power))


def test_gradients_of_attention_are_those_of_the_formula():
    model = drawn(LAYERS["YatGraphAttention"])
    cotangent = np.cos(np.arange(36.0)).reshape(6, 6)

    def loss(nodes):
        return jnp.vdot(model(graph_of(nodes)).nodes, cotangent)

    def known(nodes):
        return attention(model, nodes, *with_loops())

    wanted = truth.numerical_gradient(known, [NODES], cotangent, 0)
    close(jax.jit(jax.grad(loss))(NODES), wanted, 1e-6)


def test_a_masked_edge_is_no_edge():
    model = drawn(LAYERS["YatGraphAttention"])
    where = np.arange(8) % 3 != 1
    without = graph_of(senders=SENDERS[where], receivers=RECEIVERS[where])
    close(model(graph_of(), where=where).nodes, model(without).nodes)
    with pytest.raises(ValueError, match=r"where must have shape \(8,\)"):
        model(graph_of(), where=where[:3])


@every_layer
def test_equivariant_to_the_order_of_nodes_and_of_edges(layer):
    model = drawn(layer)
    wanted = np.asarray(model(graph_of()).nodes)
    nodes, edges = RNG.permutation(6), RNG.permutation(8)
    place = np.argsort(nodes)  # where each old node is now
    moved = graph_of(NODES[nodes], place[SENDERS][edges], place[RECEIVERS][edges])
    close(model(moved).nodes, wanted[nodes])


@every_layer
def test_padding_and_neighbours_in_a_batch_change_nothing(layer):
    model = drawn(layer)
    wanted = model(graph_of()).nodes
    batch = pn.batch_graphs([graph_of(), graph_of(3 * NODES)])
    padded = pn.pad_graph(batch, 20, 30)

    def loss(model, graph):
        nodes = model(graph).nodes
        mask = pn.padding_masks(graph).nodes[:, None]
        return jnp.sum(jnp.where(mask, nodes, 0) ** 2), nodes

    def bare(model, graph):
        return jnp.sum(model(graph).nodes ** 2)

    gradient, got = jax.jit(jax.grad(loss, has_aux=True))(model, padded)
    got = np.asarray(got)
    close(got[:6], wanted)
    close(got[6:12], model(graph_of(3 * NODES)).nodes)
    known = jax.jit(jax.grad(bare))(model, batch)
    for one, two in zip(jax.tree.leaves(gradient), jax.tree.leaves(known), strict=True):
        close(one, two)


@every_layer
def test_an_isolated_node_sees_itself_or_nothing(layer):
    model = drawn(layer)
    alone = graph_of(NODES[5:], SENDERS[:0], RECEIVERS[:0])
    close(np.asarray(model(graph_of()).nodes)[5:], model(alone).nodes)
    nothing = np.asarray(model(graph_of(), self_loops=False).nodes)[5]
    at_zero = np.asarray(model(graph_of(0 * NODES), self_loops=False).nodes)[5]
    close(nothing, at_zero)
    alone = jax.grad(lambda x: model(graph_of(x), self_loops=False).nodes.sum())
    gradient = np.asarray(jax.jit(alone)(NODES))
    assert np.isfinite(gradient).all()
    assert not gradient[5].any()


@every_layer
def test_no_edges_and_no_nodes(layer):
    model = drawn(layer)
    none = np.zeros(0, int)
    assert np.isfinite(model(graph_of(senders=none, receivers=none)).nodes).all()
    outputs = model(graph_of()).nodes.shape[1]
    assert model(graph_of(NODES[:0], none, none)).nodes.shape == (0, outputs)


@every_layer
@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 0.02), ("bfloat16", 0.02)])
def test_low_precision_is_finite_and_near(layer, dtype, tolerance):
    numbers = drawn(layer), np.abs(NODES) + 0.1
    narrow = jax.tree.map(lambda leaf: np.asarray(leaf).astype(jnp.dtype(dtype)), numbers)
    wide = jax.tree.map(lambda leaf: leaf.astype(float), narrow)
    y, gradients = value_and_gradients(*narrow)
    assert y.dtype == dtype
    close(y, value_and_gradients(*wide)[0], tolerance)
    for leaf in jax.tree.leaves(gradients):
        assert leaf.dtype == dtype
        assert np.isfinite(np.asarray(leaf, float)).all()


@pytest.mark.parametrize("layer", [pn.YatGraphConv, pn.YatGraphAttention])
def test_epsilon_is_learned_from_where_it_starts(layer):
    plain = layer(jax.random.key(0), 4, 2, epsilon=0.1)
    learned = layer(jax.random.key(0), 4, 2, epsilon=0.1, learnable_epsilon=True)
    close(learned(graph_of()).nodes, plain(graph_of()).nodes, 1e-6)
    moved = pn.replace(learned, "epsilon", learned.epsilon + 1)
    gradient = jax.jit(jax.grad(lambda model: model(graph_of()).nodes[0].sum()))(moved)
    assert np.any(gradient.epsilon != 0)


def test_options_that_are_absent_are_absent():
    model = pn.YatGraphAttention(jax.random.key(0), 4, 2, use_bias=False, use_alpha=False)
    assert model.bias is model.alpha is model.epsilon is None
    assert np.isfinite(model(graph_of()).nodes).all()
    bare = pn.GraphConv(jax.random.key(0), 4, 2, use_bias=False)
    close(bare(graph_of(0 * NODES)).nodes, 0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda k: pn.YatGraphAttention(k, 4, 5, heads=2), ValueError, "multiple of the 2 heads"),
        (lambda k: pn.YatGraphAttention(k, 4, 4, heads=0), ValueError, "heads must be at least 1"),
        (lambda k: pn.YatGraphAttention(k, 4, 4, epsilon=0.0), ValueError, "epsilon must be above"),
        (lambda k: pn.YatGraphConv(k, 4, 0), ValueError, "outputs must be at least 1"),
        (lambda k: pn.GraphConv(k, 4, 2.5), TypeError, "outputs must be an integer"),
    ],
)
def test_what_cannot_be_made_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(jax.random.key(0))


@every_layer
def test_what_is_no_graph_is_refused(layer):
    with pytest.raises(TypeError, match="graph must be a GraphsTuple"):
        layer()(NODES)


def test_an_unknown_normalizer_is_refused():
    with pytest.raises(ValueError, match="normalizer must be 'softmax' or 'softermax'"):
        LAYERS["YatGraphAttention"](normalizer="sum")(graph_of())


def test_a_power_is_the_softermaxs():
    for power in (-7.0, 1.0):
        with pytest.raises(ValueError, match="power is the softermax's n, got"):
            LAYERS["YatGraphAttention"](power=power)(graph_of())


@every_layer
def test_narrow_indices_are_indices(layer):
    model, nodes = layer(), np.ones((300, 4), np.float32)
    ends = np.array([0, 100]), np.array([100, 0])
    wanted = model(graph_of(nodes, *ends)).nodes
    narrow = graph_of(nodes, *ends)._replace(senders=np.uint8(ends[0]), receivers=np.int8(ends[1]))
    close(model(narrow).nodes, wanted)


def test_layers_compose_and_pass_the_key_on():
    def drop(graph, *, key=None):
        if key is None:
            return graph
        kept = jax.random.bernoulli(key, 0.5, graph.nodes.shape)
        return graph._replace(nodes=jnp.where(kept, 2 * graph.nodes, 0))

    one, two = jax.random.split(jax.random.key(0))
    model = pn.sequential(pn.YatGraphConv(one, 4, 8), drop, pn.YatGraphAttention(two, 8, 2))
    y, moved = pn.observe(model, graph_of(), key=jax.random.key(1))
    assert jax.tree.structure(moved) == jax.tree.structure(model)
    assert not np.allclose(y.nodes, model(graph_of()).nodes)
