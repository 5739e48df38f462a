"""A Yat network that labels the nodes of a graph, of which only a few have labels to learn from."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import Model, select, sequential, training
from ..learn import accuracy, cross_entropy
from ..neurons import Linear, YatDense
from ..ops import dropout, propagate

RATE = 1e-2
DECAY = 5e-4


def smooth(graph: Any) -> jax.Array:
    """The features of each node mixed with those around it, ten steps with a teleport of 0.1.

    Args:
        graph: A `GraphsTuple` with nodes (N, F).

    Returns:
        The mixed nodes, (N, F).

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> from pyneurons_yat.zoo import smooth
        >>> smooth(pn.make_graph(jnp.eye(2), senders=[0, 1], receivers=[1, 0])).round(2).tolist()
        [[0.55, 0.45], [0.45, 0.55]]
    """
    return propagate(graph, steps=10, teleport=0.1).nodes


def drop_half(x: jax.Array, *, key: jax.Array | None = None) -> jax.Array:
    """Dropout of half of the entries in training; without a key it changes nothing.

    Args:
        x: Any shape.
        key: A PRNG key, as it comes in training.

    Returns:
        x, or twice x with half of its entries 0.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import drop_half
        >>> drop_half(jnp.ones(2)).tolist()
        [1.0, 1.0]
    """
    return dropout(x, 0.5, key=key)


def node_classifier(key: jax.Array, inputs: int, hidden: int, classes: int) -> Model:
    """Yat neurons that see what a node and its surroundings have in common, and a layer of logits.

    The parts "smooth" and "hidden" compute what `YatGraphConv` does with steps=10, teleport=0.1.
    They are two parts here because the first has no parameters: `fit_nodes` calls it once.

    The features are rows of norm below 1, so the prototypes are drawn short; and the bias starts at
    1, where a neuron is nearly linear in a small x.

    Args:
        key: A PRNG key.
        inputs: Features of each node.
        hidden: Neurons of the hidden layer.
        classes: Logits.

    Returns:
        A sequential model from a `GraphsTuple` with nodes (N, inputs) to (N, classes).

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> from pyneurons_yat.zoo import node_classifier
        >>> graph = pn.make_graph(jnp.eye(3), senders=[0, 1], receivers=[1, 0])
        >>> node_classifier(jax.random.key(0), 3, 16, 2)(graph).shape
        (3, 2)
    """
    one, two = jax.random.split(key)
    ones = jax.nn.initializers.ones
    short = jax.nn.initializers.normal(0.1)
    return sequential(
        {
            "smooth": smooth,
            "dropout": drop_half,
            "hidden": YatDense(
                one, inputs, hidden, epsilon=1e-3, kernel_init=short, bias_init=ones,
                alpha_init=ones,
            ),
            "hidden_dropout": drop_half,
            "logits": Linear(two, hidden, classes),
        }
    )  # fmt: skip


def fit_nodes(
    model: Model,
    graph: Any,
    labels: ArrayLike,
    train: ArrayLike,
    validation: ArrayLike,
    *,
    key: jax.Array,
    epochs: int = 300,
) -> tuple[Model, jax.Array]:
    """Trains a classifier of nodes, and returns it as it was in its best epoch.

    Each epoch is a step of adam with a rate of 0.01 on all training nodes, with dropout, and a
    decay of 5e-4 on the kernels. The best epoch is that of the highest accuracy on the validation
    nodes; a lower cross entropy there breaks ties. Where a model begins with `smooth`, that is
    computed once; another model sees the whole graph in every epoch.

    Args:
        model: A `node_classifier`, or another model from a `GraphsTuple` to (N, classes) with
            kernels.
        graph: A `GraphsTuple` with nodes (N, inputs).
        labels: Integers (N,).
        train: The indices of the training nodes.
        validation: The indices of the validation nodes.
        key: A PRNG key, for dropout.
        epochs: How many.

    Returns:
        The trained model and its accuracy on the validation nodes.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> from pyneurons_yat.zoo import fit_nodes, node_classifier
        >>> graph = pn.make_graph(jnp.eye(4), senders=[0, 1, 2, 3], receivers=[1, 0, 3, 2])
        >>> labels, (train, rest) = jnp.array([0, 0, 1, 1]), jnp.array([[0, 2], [1, 3]])
        >>> model = node_classifier(jax.random.key(0), 4, 16, 2)
        >>> key = jax.random.key(1)
        >>> model, score = fit_nodes(model, graph, labels, train, rest, key=key, epochs=50)
        >>> float(score)
        1.0
    """
    labels = jnp.asarray(labels)
    chosen = [jnp.asarray(index) for index in (train, validation)]
    if _begins_with_smooth(model):
        rows = smooth(graph)
        predict, inputs = _behind_smooth, [rows[index] for index in chosen]
    else:
        predict, inputs = _at, [(graph, index) for index in chosen]
    sets = [(x, labels[index]) for x, index in zip(inputs, chosen, strict=True)]
    return _fit(model, *sets, jax.random.split(key, epochs), predict)


def _begins_with_smooth(model: Model) -> bool:
    return isinstance(model.params, dict) and next(iter(model)) is smooth


def _behind_smooth(model: Model, rows: jax.Array) -> jax.Array:
    return model[1:](rows)


def _at(model: Model, place: tuple[Any, jax.Array]) -> jax.Array:
    graph, index = place
    return model(graph)[index]


def _objective(model: Model, x: Any, y: jax.Array, key: jax.Array, predict: Any) -> jax.Array:
    kernels = jax.tree.leaves(select(model, "*kernel"))
    decay = sum(jnp.sum(jnp.square(kernel)) for kernel in kernels)
    return cross_entropy(training(predict)(model, x, key=key)[0], y) + 0.5 * DECAY * decay


@partial(jax.jit, static_argnames="predict")
def _fit(
    model: Model, train: Any, validation: Any, keys: jax.Array, predict: Any
) -> tuple[Model, jax.Array]:
    import optax

    optimizer = optax.adam(RATE)

    def epoch(carry: Any, key: jax.Array) -> tuple[Any, None]:
        model, memory, best = carry
        gradient = jax.grad(_objective)(model, *train, key, predict)
        updates, memory = optimizer.update(gradient, memory)
        model: Any = optax.apply_updates(model, updates)
        logits, y = predict(model, validation[0]), validation[1]
        reached = accuracy(logits, y).astype(jnp.float32)
        score = reached - 1e-3 * cross_entropy(logits, y).astype(jnp.float32)
        now = score, reached, model
        best = jax.tree.map(lambda new, old: jnp.where(score > best[0], new, old), now, best)
        return (model, memory, best), None

    first = jnp.float32(-jnp.inf), jnp.float32(0), model
    state = model, optimizer.init(model), first
    (_, _, (_, reached, best)), _ = jax.lax.scan(epoch, state, keys)
    return best, reached
