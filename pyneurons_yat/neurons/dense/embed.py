"""Embed and YatEmbed: vectors by their ids, and the scores of a vector against all of them."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...core import Model, bind, options_of
from ...core.signatures import divided
from ...ops import linear, yat
from ...ops.checks import check_flag, check_floating, check_sizes
from ...ops.dense import look_up
from .initializers import Initializer, drawn
from .yat_parameters import YatParams, answer, draw

rows_of_unit_length = jax.nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)


class EmbedParams(NamedTuple):
    """The vectors, (num_embeddings, features)."""

    embedding: jax.Array


class YatEmbedParams(NamedTuple):
    """The vectors (V, F); bias, alpha and the shift of epsilon, each (V,) or None."""

    embedding: jax.Array
    bias: jax.Array | None
    alpha: jax.Array | None
    epsilon: jax.Array | None


def create(
    key: jax.Array,
    num_embeddings: int,
    features: int,
    *,
    embedding_init: Initializer = rows_of_unit_length,
    dtype: DTypeLike = jnp.float32,
) -> EmbedParams:
    """A table of vectors: `model(ids)` looks up, `attend(model, query)` scores by dot products.

    Args:
        key: A PRNG key.
        num_embeddings: How many vectors, at least 1.
        features: The size of each, at least 1.
        embedding_init: `embedding_init(key, shape, dtype)`; by default normal numbers of variance
            1 / features, so the vectors have a length of about 1.
        dtype: The dtype of the parameters, and of what is looked up.

    The model takes integers of any shape (*B,) and returns (*B, features). Ids count from 0. One
    that is negative, or not below num_embeddings, is an IndexError outside `jax.jit`, which waits
    for the ids to be computed; where they are traced it gives NaN, and no gradient.

    Returns:
        `EmbedParams(embedding)` of shape (num_embeddings, features).

    Gradient:
        Row i receives the sum over all places where i was looked up.

    Raises:
        TypeError: If a size is not an integer, dtype not floating, or ids are none.
        ValueError: If a size is below 1, or embedding_init returns another shape.
        IndexError: If an id is out of range.

    Example:
        One table at both ends of a model, an input to look up and an output to score: the same
        field used twice is one parameter, whose gradients add up.

        >>> from typing import NamedTuple
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> class Params(NamedTuple):
        ...     embed: pn.Model
        ...     hidden: pn.Model
        >>> def create(key, size, features):
        ...     one, two = jax.random.split(key)
        ...     return Params(pn.Embed(one, size, features), pn.Linear(two, features, features))
        >>> def apply(params, ids):
        ...     return pn.attend(params.embed, params.hidden(params.embed(ids)))
        >>> Successor = pn.bind("Successor", create, apply)
        >>> model = Successor(jax.random.key(0), 10, 8)
        >>> pn.count(model)  # 10 * 8 + 8 * 8 + 8
        152
        >>> ids, follow = jnp.arange(10), (jnp.arange(10) + 1) % 10
        >>> def loss(model):
        ...     return pn.cross_entropy(model(ids), follow)
        >>> optimizer = optax.adam(0.05)
        >>> state = optimizer.init(model)
        >>> @jax.jit
        ... def step(model, state):
        ...     updates, state = optimizer.update(pn.grad(loss)(model), state)
        ...     return optax.apply_updates(model, updates), state
        >>> for _ in range(100):
        ...     model, state = step(model, state)
        >>> model(ids).argmax(-1).tolist()
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    """
    check_sizes("Embed", num_embeddings=num_embeddings, features=features)
    check_floating("Embed", dtype)
    shape = (num_embeddings, features)
    return EmbedParams(drawn("Embed", "embedding_init", embedding_init, key, shape, dtype))


@options_of(linear)
def apply(
    params: EmbedParams, ids: ArrayLike, *, attend: bool = False, **options: Any
) -> jax.Array:
    """Looks up ids (*B,), or, with `attend`, scores queries (*B, features).

    Args:
        attend: Whether to score; `attend(model, query)` says it.
    """
    if not look_up_only("Embed", attend, linear, options):
        return linear(ids, params.embedding.T, **options)
    return look_up("Embed", params.embedding, ids)


def look_up_only(layer: str, attend: bool, product: Any, options: dict[str, Any]) -> bool:
    """Whether the call is a look-up, whose options must be those of the product all the same."""
    check_flag(layer, attend=attend)
    unknown = divided(product, options)[1]
    if unknown:
        raise TypeError(f"{layer}: got an unexpected keyword argument {min(unknown)!r}")
    return not attend


Embed = bind("Embed", create, apply)


@options_of(draw, without=["kernel_init"])
def create_yat(
    key: jax.Array,
    num_embeddings: int,
    features: int,
    *,
    embedding_init: Initializer | None = None,
    **options: Any,
) -> YatEmbedParams:
    """A table of vectors: `model(ids)` looks up, `attend(model, query)` scores by Yat products.

        score_v = alpha_v (query . e_v + bias_v)^2 / (|query - e_v|^2 + epsilon_v)

    Each row is a prototype, which a query scores highest that is along it and near it. Bias, alpha
    and epsilon count in `attend` only.

    Args:
        key: A PRNG key.
        num_embeddings: How many vectors, V, at least 1.
        features: The size of each, at least 1.
        embedding_init: `embedding_init(key, shape, dtype)`; by default `yat_normal`, with which
            queries of unit mean square get scores of unit mean square.

    The model is called as that of `Embed`. Each row is a neuron. The options of the call count in
    `attend` only.

    Returns:
        `YatEmbedParams(embedding, bias, alpha, epsilon)`; what is not used is None.

    Gradient:
        As for `Embed` and `yat`.

    Raises:
        TypeError: If a size is not an integer, dtype not floating, or ids are none.
        ValueError: If a size is below 1, epsilon is not above 0, or an initializer returns
            another shape.
        IndexError: If an id is out of range and not traced.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.YatEmbed(jax.random.key(0), 10, 16, epsilon=0.1)
        >>> words = model(jnp.array([3, 1, 4]))
        >>> noise = 0.1 * jax.random.normal(jax.random.key(1), words.shape)
        >>> pn.attend(model, words + noise).argmax(-1).tolist()
        [3, 1, 4]

        Rows and queries of unit length, as on a sphere:

        >>> def unit(x):
        ...     return x / jnp.linalg.norm(x, axis=-1, keepdims=True)
        >>> def unit_rows(params):
        ...     return params._replace(embedding=unit(params.embedding))
        >>> pn.attend(pn.reparam(model, unit_rows), unit(7 * words)).argmax(-1).tolist()
        [3, 1, 4]

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    check_sizes("YatEmbed", num_embeddings=num_embeddings, features=features)
    init = None if embedding_init is None else partial(_by_rows, embedding_init)
    shape = (features, num_embeddings)
    kernel, *factors = draw("YatEmbed", key, shape, kernel_init=init, **options)
    return YatEmbedParams(kernel.T, *factors)


def _by_rows(init: Initializer, key: jax.Array, shape: tuple[int, int], dtype: Any) -> jax.Array:
    """A kernel whose columns are the rows of a table that `init` draws."""
    return drawn("YatEmbed", "embedding_init", init, key, shape[::-1], dtype).T


@options_of(yat)
def apply_yat(
    params: YatEmbedParams, ids: ArrayLike, *, attend: bool = False, **options: Any
) -> jax.Array:
    """Looks up ids (*B,), or, with `attend`, scores queries (*B, features).

    Args:
        attend: Whether to score; `attend(model, query)` says it.
    """
    if not look_up_only("YatEmbed", attend, yat, options):
        table, *factors = params
        return answer("YatEmbed", yat, ids, YatParams(table.T, *factors), **options)
    return look_up("YatEmbed", params.embedding, ids)


YatEmbed = bind("YatEmbed", create_yat, apply_yat)


def attend(model: Model, query: jax.Array, **options: Any) -> jax.Array:
    """Scores vectors against every row of a table, as the output layer of a language model does.

    By dot products, query . e_v, for `Embed`; by Yat products for `YatEmbed`.

    Args:
        model: A model of `Embed` or `YatEmbed`, or what `reparam` makes of one. It is called as
            `model(query, attend=True)`.
        query: (*B, features).
        **options: Of the model's call.

    Returns:
        (*B, num_embeddings).

    Gradient:
        As for `linear` and `yat`.

    Raises:
        TypeError: If the model is no table.
        ValueError: If the last axis of query is not the table's.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Embed(jax.random.key(0), 10, 4)
        >>> pn.attend(model, jnp.ones((2, 4))).shape
        (2, 10)
    """
    if not isinstance(model, Model) or not hasattr(model.params, "embedding"):
        came = model.layer.name if isinstance(model, Model) else type(model).__name__
        raise TypeError(f"attend: model must be an Embed or a YatEmbed, got {came}")
    return model(query, attend=True, **options)
