"""The forward and the reverse pass of attention. Neither holds anything of size T S.

For each block of queries the blocks of keys that it sees are read one after another. The forward
pass keeps a running maximum, total and weighted sum per query; the reverse pass computes the scores
again. Every product is of two row-major matrices, (.., I) by (I, ..): XLA's CPU backend is three
times slower where the large one is transposed. So the gradients of key and value are summed up
transposed.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .arguments import sum_to
from .attention_blocks import Block, add, cut, fit_blocks, over_blocks, over_keys, put
from .attention_scores import (
    SOFTERMAX_EPSILON,
    Arrays,
    Limits,
    Norms,
    Options,
    Score,
    finite,
    is_linear,
    logits,
    matmul,
    norms,
    shares,
    slopes,
    yat_score,
)
from .power import safe_log


class Rows(NamedTuple):
    """What is known of each query.

    The logarithm of the total plus the maximum would be one number instead of two. But next to a
    maximum of 1e8, which a query that equals its key reaches, float32 has no digit for the total.
    """

    output: jax.Array  # (B, K, G, T, V)
    total: jax.Array  # (B, K, G, T, 1), the sum of the shares
    maximum: jax.Array  # (B, K, G, T, 1), of the logits; 0 where weights are not exponentials


def forward(options: Options, arrays: Arrays, limits: Limits) -> Rows:
    """The output, and the total and the maximum of each row."""
    options, columns = _fit(options, arrays), _swap(arrays.key)
    squares = norms(arrays.query, columns)
    length, queries = columns.shape[-1], arrays.query.shape[3]

    def through_rows(rows, done):
        query = cut(arrays.query, rows)

        def through_keys(keys, seen, row):
            block = arrays._replace(query=query, bias=cut(arrays.bias, rows, keys))
            near = _cut_norms(squares, rows, keys)
            score = yat_score(options, block, cut(columns, None, keys), near).score
            return _extend(options, block, row, score, seen, cut(arrays.value, keys))

        start = _start(options, arrays, query.shape[:4])
        row = over_keys(options, limits, rows, length, through_keys, start)
        output = row.output / jnp.where(row.total == 0, 1, row.total)
        row = Rows(output, row.total, finite(row.maximum))
        return Rows(*(put(*both, rows) for both in zip(done, row, strict=True)))

    done = _start(options, arrays, arrays.query.shape[:4])
    return over_blocks(0, queries, options.blocks[0], queries, through_rows, done)


def _fit(options, arrays):
    """The options with the sizes of the blocks."""
    batch, heads, groups, queries, _ = arrays.query.shape
    blocks = fit_blocks(options, batch * heads * groups, queries, arrays.key.shape[2])
    return options._replace(blocks=blocks)


def _swap(x):
    return jnp.swapaxes(x, -1, -2)


def _cut_norms(squares, rows, keys):
    return Norms(cut(squares.queries, rows), cut(squares.keys, None, keys))


def _start(options, arrays, shape):
    """Rows that have seen no key. The epsilon of softermax is a share like others."""
    dtype = arrays.query.dtype
    softer = options.normalizer == "softermax"
    linear = is_linear(options, arrays)
    total = (SOFTERMAX_EPSILON if linear else 1.0) if softer else 0.0
    maximum = 0.0 if linear else jnp.log(SOFTERMAX_EPSILON) if softer else -jnp.inf
    return Rows(
        jnp.zeros((*shape, arrays.value.shape[-1]), dtype),
        jnp.full((*shape, 1), total, dtype),
        jnp.full((*shape, 1), maximum, dtype),
    )


def _extend(options, arrays, row, score, seen, value):
    """Rows that have seen a block of keys more. Their output is not yet over the total."""
    if is_linear(options, arrays):
        maximum, kept = row.maximum, 1.0
    else:
        logit = logits(options, arrays, score, seen)
        maximum = jnp.maximum(row.maximum, jnp.max(logit, -1, keepdims=True))
        kept = jnp.exp(row.maximum - finite(maximum))
    share = shares(options, arrays, score, seen, finite(maximum))
    return Rows(
        row.output * kept + matmul(share, value, options.precision),
        row.total * kept + jnp.sum(share, -1, keepdims=True),
        maximum,
    )


class Pushes(NamedTuple):
    """The gradient of the output over the total of each row of a block, as it is used."""

    shares: jax.Array  # (B, K, G, T, V), for the gradient of the shares
    mean: jax.Array  # (B, K, G, T, 1), the mean of that gradient
    values: jax.Array  # (B, K, V, G, T), for the gradient of the values


def pushes(options: Options, known: Rows, gradient: jax.Array) -> Pushes:
    """What the gradient of the output does to shares and values."""
    push = gradient / jnp.where(known.total == 0, 1, known.total)
    onto_shares = push
    if options.normalizer == "softmax":
        # One weight is 1 and the others are below rounding, so the exact gradient is too. Push
        # minus mean would leave a rounding error, which a score of 1e8 multiplies.
        onto_shares = jnp.where(known.total == 1, 0, push)
    mean = jnp.einsum("...v,...v->...", onto_shares, known.output)[..., None]
    return Pushes(onto_shares, mean, jnp.moveaxis(push, -1, 2))


def cut_new(gradient: jax.Array, rows: Block) -> jax.Array:
    """The gradient of a block of queries, 0 for those that a block before has done."""
    part = cut(gradient, rows)
    return part if rows.is_new is None else jnp.where(_swap(rows.is_new), part, 0)


class Sums(NamedTuple):
    """Gradients, summed up over blocks."""

    arrays: Arrays  # those of key (B, K, H, S) and value (B, K, V, S) transposed
    norms: Norms


def backward(
    options: Options, arrays: Arrays, limits: Limits, known: Rows, gradient: jax.Array
) -> Arrays:
    """The gradients of all arrays."""
    options = _fit(options, arrays)
    across = arrays._replace(key=_swap(arrays.key), value=_swap(arrays.value))
    squares = norms(arrays.query, across.key)
    length, queries = arrays.key.shape[2], arrays.query.shape[3]

    def through_rows(rows, sums):
        query, row = cut(arrays.query, rows), Rows(*(cut(x, rows) for x in known))
        columns = jnp.moveaxis(query, -1, 2)
        push = pushes(options, row, cut_new(gradient, rows))

        def through_keys(keys, seen, sums):
            key, value = cut(arrays.key, keys), cut(across.value, None, keys)
            bias = cut(arrays.bias, rows, keys)
            block = arrays._replace(query=query, key=key, value=value, bias=bias)
            near = _cut_norms(squares, rows, keys)
            parts = yat_score(options, block, cut(across.key, None, keys), near)
            found = _block_gradients(options, block, parts, columns, push, seen, row.maximum)
            return _add_block(sums, found, rows, keys)

        start = _replace_queries(sums, query * 0, cut(squares.queries, rows) * 0)
        done = over_keys(options, limits, rows, length, through_keys, start)
        dquery = add(sums.arrays.query, done.arrays.query, rows)
        return _replace_queries(done, dquery, add(sums.norms.queries, done.norms.queries, rows))

    sums = jax.tree.map(jnp.zeros_like, Sums(across, squares))
    sums = over_blocks(0, queries, options.blocks[0], queries, through_rows, sums)
    return _join_norms(arrays, sums)


def _replace_queries(sums, query, squares):
    return Sums(sums.arrays._replace(query=query), sums.norms._replace(queries=squares))


def _add_block(sums, found, rows, keys):
    """The sums with the gradients of a block. The queries of the sums are those of the block."""
    spread = {"key": (None, keys), "value": (None, keys), "bias": (rows, keys)}
    pairs = zip(Arrays._fields, sums.arrays, found.arrays, strict=True)
    arrays = Arrays(
        *(None if s is None else add(s, f, *spread.get(name, ())) for name, s, f in pairs)
    )
    queries = sums.norms.queries + found.norms.queries
    return Sums(arrays, Norms(queries, add(sums.norms.keys, found.norms.keys, None, keys)))


def _join_norms(arrays, sums):
    """The gradients, with those of |q|^2 and |k|^2 in those of q and k."""
    found, by_norms = sums
    by_keys = by_norms.keys[:, :, 0, 0, :, None]
    return found._replace(
        query=found.query + 2 * arrays.query * by_norms.queries,
        key=_swap(found.key) + 2 * arrays.key * by_keys,
        value=_swap(found.value),
    )


def _block_gradients(options, block, parts, query_columns, push, seen, maximum):
    """The gradients of one block."""
    share = shares(options, block, parts.score, seen, maximum)
    dshare = matmul(push.shares, block.value, options.precision) - push.mean
    dscore = dshare * slopes(options, block, parts.score, seen, maximum)
    small = _parameter_gradients(block, parts, dscore, dshare * share)
    scaled = dscore * block.alpha * parts.ratio
    near = jnp.where(parts.distance <= 0, 0, parts.ratio)
    ddistance = -scaled * near
    ddot = scaled * (2 + 2 * near)
    arrays = small._replace(
        query=matmul(ddot, block.key, options.precision),
        key=_matmul_columns(query_columns, ddot, options),
        value=_matmul_columns(push.values, share, options),
    )
    by_keys = jnp.sum(ddistance, (2, 3), keepdims=True)
    return Sums(arrays, Norms(jnp.sum(ddistance, -1, keepdims=True), by_keys))


def _matmul_columns(columns, block, options):
    """(B, K, I, G, T) times (B, K, G, T, S), summed over groups and queries."""
    left = columns.reshape(*columns.shape[:3], -1)
    right = block.reshape(*block.shape[:2], -1, block.shape[-1])
    return jnp.matmul(left, right, precision=options.precision)


def _parameter_gradients(block, parts: Score, dscore, dlogshare) -> Any:
    """The gradients of bias, shift, alpha, epsilon and power; of absent ones None."""
    scaled = dscore * block.alpha * parts.ratio
    present = {
        "bias": dscore,
        "shift": 2 * scaled,
        "alpha": dscore * parts.square,
        "epsilon": -scaled * parts.ratio,
        "power": dlogshare * safe_log(jnp.maximum(parts.score, 0)),
    }
    sums = {
        name: None if (like := getattr(block, name)) is None else sum_to(value, like)
        for name, value in present.items()
    }
    return Arrays(query=None, key=None, value=None, **sums)
