"""YatGraphAttention: each node weighs its neighbours by their Yat scores."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from ...core import Model, Size, bind, options_of
from ...ops import message_passing, segment_reduce, segment_softermax, segment_softmax, yat_pairs
from ...ops.checks import check_choice, check_flag, check_mask, check_sizes
from ...ops.graphs import check_graph, with_loops
from ..dense import Initializer, Linear, draw_factors, learned_epsilon, lecun_normal


class YatGraphAttentionParams(NamedTuple):
    """Three `Linear` without bias; shift, alpha and the shift of epsilon, each (heads,) or None."""

    query: Model
    key: Model
    value: Model
    bias: jax.Array | None
    alpha: jax.Array | None
    epsilon: jax.Array | None


@options_of(draw_factors)
def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    heads: int = 1,
    kernel_init: Initializer = lecun_normal,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> YatGraphAttentionParams:
    """Attention over the edges of a graph, with Yat products as scores.

        score_e = alpha (q_r . k_s + bias)^2 / (|q_r - k_s|^2 + epsilon)   for e from s to r
        y_r = sum over the edges e that enter r of weight_e v_s

    q, k and v are projections of the nodes, cut into heads. The weights are the softmax, or the
    softermax, of the scores of the edges that enter a node, itself among its neighbours. Query and
    key have projections of their own: were they one, every node would be nearest to itself. A score
    stays of order 1 whatever the head size, so there is no factor but alpha.

    Letters: N nodes, E edges.

    Args:
        key: A PRNG key.
        inputs: Features of each node, at least 1.
        outputs: Features afterwards, those of all heads together; a multiple of heads.
        heads: How many.
        kernel_init: `kernel_init(key, shape, dtype)` of the projections; LeCun's normal by default.

    The model takes a `GraphsTuple` with nodes (N, inputs) and returns it with nodes (N, outputs).
    Each head is a Yat neuron. A node without edges gets 0.

    Returns:
        `YatGraphAttentionParams(query, key, value, bias, alpha, epsilon)`.

    Gradient:
        As for `yat_pairs` and `segment_softmax` or `segment_softermax`.

    Raises:
        TypeError: If a size is not an integer, or the input is not a GraphsTuple.
        ValueError: If a size is below 1, outputs is no multiple of heads, epsilon is not above 0,
            where has another shape, or power comes with the softmax.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> graph = pn.make_graph(jnp.eye(4), senders=[0, 1, 2, 3], receivers=[1, 0, 3, 2])
        >>> labels = jnp.array([0, 0, 1, 1])  # two unconnected pairs; one label of each is given
        >>> def loss(model, graph, labels):
        ...     return pn.cross_entropy(model(graph).nodes[::2], labels[::2])
        >>> model = pn.YatGraphAttention(jax.random.key(0), 4, 2, heads=2, normalizer="softermax")
        >>> step = jax.jit(jax.grad(loss))
        >>> for _ in range(20):
        ...     model = jax.tree.map(lambda p, g: p - g, model, step(model, graph, labels))
        >>> float(pn.accuracy(model(graph).nodes, labels))
        1.0

    Source:
        Velickovic et al., "Graph Attention Networks", arXiv:1710.10903, with the scores of
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    check_sizes("YatGraphAttention", inputs=inputs, outputs=outputs, heads=heads)
    if outputs % heads:
        raise ValueError(
            f"YatGraphAttention: outputs must be a multiple of the {heads} heads, got {outputs}"
        )
    *for_projections, for_bias, for_alpha = jax.random.split(key, 5)
    factors = draw_factors(
        "YatGraphAttention", (for_bias, for_alpha), heads, dtype=dtype, **options
    )
    query, attended, value = (
        Linear(one, inputs, outputs, use_bias=False, kernel_init=kernel_init, dtype=dtype)
        for one in for_projections
    )
    return YatGraphAttentionParams(query, attended, value, *factors)


def apply(
    params: YatGraphAttentionParams,
    graph: Any,
    *,
    heads: Size = 1,
    epsilon: ArrayLike = 1e-5,
    normalizer: str = "softmax",
    power: ArrayLike | None = None,
    self_loops: bool = True,
    where: ArrayLike | None = None,
) -> Any:
    """Applies `YatGraphAttention` to a graph.

    Args:
        epsilon: Above 0. With `learnable_epsilon` where the learned one starts.
        normalizer: "softmax" or "softermax".
        power: The softermax's n, 1 by default.
        self_loops: Whether every node counts as its own neighbor.
        where: Booleans (E,), False for edges to leave out; at the call.
    """
    check_choice("YatGraphAttention", "normalizer", normalizer, ("softmax", "softermax"))
    if normalizer == "softmax" and power is not None:
        raise ValueError(
            f"YatGraphAttention: power is the softermax's n, got {power} with the softmax; leave "
            'it out, or take normalizer="softermax"'
        )
    check_flag("YatGraphAttention", self_loops=self_loops)
    graph, size = check_graph("YatGraphAttention", graph)
    check_mask("YatGraphAttention", where, np.shape(graph.senders), fit="have")
    epsilon = learned_epsilon("YatGraphAttention", epsilon, params.epsilon)

    def score(_: Any, sent: Any, received: Any) -> Any:
        query, key = received["query"], sent["key"]
        return yat_pairs(query, key, params.bias, params.alpha, epsilon=epsilon), sent["value"]

    projections = {name: getattr(params, name) for name in ("query", "key", "value")}
    parts = {name: _heads(model, graph.nodes, heads) for name, model in projections.items()}
    edges = graph._replace(nodes=parts, edges=None)
    if self_loops:
        edges, where = with_loops(edges, where)
    softermax = partial(segment_softermax, n=1.0 if power is None else power)
    weigh = segment_softmax if normalizer == "softmax" else softermax

    def attend(messages: Any, receivers: jax.Array, size: int) -> jax.Array:
        scores, values = messages
        weights = weigh(scores, receivers, size, where=where)
        return segment_reduce(weights[..., None] * values, receivers, size, where=where)

    mixed = message_passing(edges, score, reduction=attend).nodes
    return graph._replace(nodes=mixed.reshape(size, params.value.kernel.shape[1]))


def _heads(model: Model, nodes: jax.Array, heads: int) -> jax.Array:
    """What a projection makes of the nodes (N, F), by heads: (N, heads, outputs / heads)."""
    return model(nodes).reshape(nodes.shape[0], heads, model.kernel.shape[1] // heads)


YatGraphAttention = bind("YatGraphAttention", create, apply)
