"""The forward and the reverse pass of attention. Neither holds anything of size T S.

For each block of queries, the blocks of keys that it sees are read one after another; on the CPU,
for a few heads at a time. The forward pass keeps a running maximum, total and weighted sum per
query. The reverse pass computes the scores again, and turned: its blocks are (B, K, S, G, T), keys
are rows and queries columns. XLA's CPU backend wants row-major matrices, and a small one as the
second: turned, only one of the five products has a large one there instead of two.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..dtypes import sum_to, widen
from ..softermax import safe_log
from .blocks import (
    Block,
    add,
    cut,
    cut_heads,
    fit_blocks,
    over_blocks,
    over_heads,
    over_keys,
    put,
    put_heads,
)
from .scores import (
    SOFTERMAX_EPSILON,
    Arrays,
    Limits,
    Norms,
    Options,
    Score,
    bounded,
    finite,
    highest,
    is_linear,
    logits,
    norms,
    scores,
    shares,
    slopes,
    squared_distance,
    weighted,
    yat_score,
)


class Rows(NamedTuple):
    """What is known of each query.

    The logarithm of the total plus the maximum would be one number instead of two. But next to a
    maximum of 1e8, which a query that equals its key reaches, float32 has no digit for the total.
    """

    output: jax.Array  # (B, K, G, T, V)
    total: jax.Array  # (B, K, G, T, 1), the sum of the shares
    maximum: jax.Array  # (B, K, G, T, 1), of the logits; 0 where weights are not exponentials


class Span(NamedTuple):
    """Some of the queries and some of the keys: the first of them and how many."""

    queries: tuple[Any, int]
    keys: tuple[Any, int]


def forward(
    options: Options,
    arrays: Arrays,
    limits: Limits,
    known: Rows | None = None,
    span: Span | None = None,
) -> Rows:
    """The output, and the total and the maximum of each row.

    Args:
        options: what is static.
        arrays: all arrays; they may be narrow.
        limits: which keys a query sees, of those in the span.
        known: what earlier passes found for the same queries and other keys, to be gone on with.
        span: which queries and keys are read, None for all. The rows of others stay as they are.
    """
    span = span or _all(arrays)
    options = _fit(options, arrays, span)

    def through_heads(heads, done):
        seen = jax.tree.map(lambda x: cut_heads(x, heads), limits)
        start = None if known is None else _rows_part(done, heads, span)
        rows = _forward(options, _part(arrays, heads, span), seen, start)
        side = 3, *span.queries
        return jax.tree.map(lambda x, part: put_heads(x, part, heads, side), done, rows)

    done = _start(options, arrays, arrays.query.shape[:4]) if known is None else known
    return over_heads(*_heads(options, arrays), through_heads, done)


def _all(arrays):
    return Span((0, arrays.query.shape[3]), (0, arrays.key.shape[2]))


def _sides(span):
    """Where the arrays are cut that have queries or keys along an axis."""
    keys = 2, *span.keys
    return {"query": (3, *span.queries), "key": keys, "value": keys}


def _part(arrays, heads, span):
    """The arrays of some heads, queries and keys, in the dtype of sums; bias is of the keys."""

    def part(name, x):
        sides = (_sides(span)[name],) if name in _sides(span) else ()
        return None if x is None else widen(cut_heads(x, heads, *sides), x.dtype, 0)

    return Arrays(**{name: part(name, x) for name, x in arrays._asdict().items()})


def _rows_part(rows, heads, span):
    """What belongs to the queries of some heads."""
    return jax.tree.map(lambda x: cut_heads(x, heads, (3, *span.queries)), rows)


def _heads(options, arrays):
    """How many entries and key heads there are, and how many scores a block has."""
    batch, keys, groups, *_ = arrays.query.shape
    return (batch, keys), groups * options.blocks[0] * options.blocks[1]


def _forward(options, arrays, limits, known):
    """The rows of a few heads."""
    columns = _swap(arrays.key)
    squares = norms(arrays.query, columns)
    length, queries = columns.shape[-1], arrays.query.shape[3]

    def through_rows(rows, done):
        query = cut(arrays.query, rows)

        def through_keys(keys, seen, row):
            block = arrays._replace(query=query, bias=cut(arrays.bias, rows, keys))
            near = Norms(cut(squares.queries, rows), cut(squares.keys, None, keys))
            score = scores(options, block, cut(columns, None, keys), near).score
            return _extend(options, block, row, score, seen, cut(arrays.value, keys))

        before = None if known is None else jax.tree.map(lambda x: cut(x, rows), done)
        start = _start(options, arrays, query.shape[:4]) if before is None else _resumed(before)
        row = over_keys(options, limits, rows, length, through_keys, start)
        output = row.output / jnp.where(row.total == 0, 1, row.total)
        row = Rows(output, row.total, finite(row.maximum))
        if before is not None and rows.is_new is not None:  # some are in the block before
            row = jax.tree.map(partial(jnp.where, _swap(rows.is_new)), row, before)
        return jax.tree.map(lambda x, part: put(x, part, rows), done, row)

    done = _start(options, arrays, arrays.query.shape[:4]) if known is None else known
    return over_blocks(0, queries, options.blocks[0], queries, through_rows, done)


def _fit(options, arrays, span):
    """The options with the sizes of the blocks."""
    blocks = fit_blocks(options, arrays.query.shape[:3], span.queries[1], span.keys[1])
    return options._replace(blocks=blocks)


def _swap(x):
    return jnp.swapaxes(x, -1, -2)


def _start(options, arrays, shape):
    """Rows that have seen no key. The epsilon of softermax is a share like others."""
    softer = options.normalizer == "softermax"
    linear = is_linear(options, arrays)
    total = (SOFTERMAX_EPSILON if linear else 1.0) if softer else 0.0
    maximum = 0.0 if linear else jnp.log(SOFTERMAX_EPSILON) if softer else -jnp.inf
    filled = partial(jnp.full_like, arrays.query)  # and, in shard_map, varying as the queries do
    return Rows(
        filled(0, shape=(*shape, arrays.value.shape[-1])),
        filled(total, shape=(*shape, 1)),
        filled(maximum, shape=(*shape, 1)),
    )


def unseen(options: Options, arrays: Arrays) -> Rows:
    """The rows of all queries, finished before they have seen a key."""
    rows = _start(options, arrays, arrays.query.shape[:4])
    return rows._replace(maximum=finite(rows.maximum))


def _resumed(row):
    """Rows as they were before they were finished, in which none has seen a key if its total is 0.

    That is so for softmax; the totals of softermax begin with its epsilon.
    """
    maximum = jnp.where(row.total == 0, -jnp.inf, row.maximum)
    return Rows(row.output * row.total, row.total, maximum)


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
        row.output * kept + weighted(options, share, value),
        row.total * kept + jnp.sum(share, -1, keepdims=True),
        maximum,
    )


def turn(x: Any) -> Any:
    """(B, K, G, T, S) as (B, K, S, G, T). x may be None."""
    return None if x is None else jnp.moveaxis(x, -1, 2)


def turn_back(x: jax.Array) -> jax.Array:
    """(B, K, S, G, T) as (B, K, G, T, S)."""
    return jnp.moveaxis(x, 2, -1)


class Queries(NamedTuple):
    """A block of queries as its gradients need it, as rows and turned.

    A push is the gradient of the output over the total of its row.
    """

    query: jax.Array  # (B, K, G, T, H)
    push: jax.Array  # (B, K, G, T, V), for the gradient of the values
    columns: jax.Array  # (B, K, H, G, T)
    share_push: jax.Array  # (B, K, V, G, T), for the gradient of the shares
    mean: jax.Array  # (B, K, 1, G, T), the mean of that gradient
    square: jax.Array  # (B, K, 1, G, T), |q|^2
    maximum: jax.Array  # (B, K, 1, G, T)


def block_queries(
    options: Options, query: jax.Array, square: jax.Array, row: Rows, gradient: jax.Array
) -> Queries:
    """A block of queries, and what the gradient of the output does to shares and values."""
    push = gradient / jnp.where(row.total == 0, 1, row.total)
    share_push = push
    if options.normalizer == "softmax":
        # One weight is 1 and the others are below rounding, so the exact gradient is too. Push
        # minus mean would leave a rounding error, which a score of 1e8 multiplies.
        share_push = jnp.where(row.total == 1, 0, push)
    mean = jnp.einsum("...v,...v->...", share_push, row.output)[..., None]
    return Queries(query, push, *(turn(x) for x in (query, share_push, mean, square, row.maximum)))


def cut_new(gradient: jax.Array, rows: Block) -> jax.Array:
    """The gradient of a block of queries, 0 for those that a block before has done."""
    part = cut(gradient, rows)
    return part if rows.is_new is None else jnp.where(_swap(rows.is_new), part, 0)


def backward(
    options: Options,
    arrays: Arrays,
    limits: Limits,
    known: Rows,
    gradient: jax.Array,
    sums: Arrays | None = None,
    span: Span | None = None,
) -> Arrays:
    """The gradients of all arrays, added to the sums, of what earlier passes found for other keys.

    The other arguments are those of `forward`.
    """
    span = span or _all(arrays)
    options = _fit(options, arrays, span)

    def through_heads(heads, sums):
        seen = jax.tree.map(lambda x: cut_heads(x, heads), limits)
        rows, pushed = _rows_part((known, gradient), heads, span)
        parts = _part(arrays, heads, span), seen, rows, pushed, _part(sums, heads, span)
        found = _backward(options, *parts)

        def put_part(name, x, part):
            sides = (_sides(span)[name],) if name in _sides(span) else ()
            return None if x is None else put_heads(x, part, heads, *sides)

        return Arrays(*map(put_part, Arrays._fields, sums, found))

    sums = jax.tree.map(jnp.zeros_like, arrays) if sums is None else sums
    return over_heads(*_heads(options, arrays), through_heads, sums)


def _backward(options, arrays, limits, known, gradient, sums):
    """The sums of a few heads, with their gradients."""
    columns = _swap(arrays.key)
    squares = norms(arrays.query, columns)
    turned = {name: turn(getattr(arrays, name)) for name in ("shift", "alpha", "epsilon", "power")}
    length, count = arrays.key.shape[2], arrays.query.shape[3]

    def through_rows(rows, sums):
        row = Rows(*(cut(x, rows) for x in known))
        parts = cut(arrays.query, rows), cut(squares.queries, rows), row, cut_new(gradient, rows)
        queries = block_queries(options, *parts)

        def through_keys(keys, seen, sums):
            key, value = cut(arrays.key, keys), cut(arrays.value, keys)
            bias = turn(cut(arrays.bias, rows, keys))
            block = Arrays(queries.query, key, value, bias, **turned)
            sides = cut(columns, None, keys), turn(cut(squares.keys, None, keys))
            found = _block_gradients(options, block, queries, *sides, turn(seen))
            return _add_block(sums, found, rows, keys)

        start = sums._replace(query=jnp.zeros_like(queries.columns))
        done = over_keys(options, limits, rows, length, through_keys, start)
        return done._replace(query=add(sums.query, turn_back(done.query), rows))

    return over_blocks(0, count, options.blocks[0], count, through_rows, sums)


def _add_block(sums, found, rows, keys):
    """The sums with the gradients of a block. The queries of the sums are those of the block."""
    spread = {"key": (keys,), "value": (keys,), "bias": (rows, keys)}
    pairs = zip(Arrays._fields, sums, found, strict=True)
    return Arrays(
        *(None if s is None else add(s, f, *spread.get(name, ())) for name, s, f in pairs)
    )


def _block_gradients(options, block, queries, key_columns, key_squares, seen):
    """The gradients of one block. Bias and parameters of the block are turned; query's is."""
    product = partial(jnp.einsum, precision=options.precision)
    dot = product("bksh,bkhgt->bksgt", block.key, queries.columns)
    squares = Norms(queries.square, key_squares)
    distance = squared_distance(options, block.key, queries.columns, squares, dot)
    parts = bounded(yat_score(options, block, dot, distance))
    share = shares(options, block, parts.score, seen, queries.maximum)
    dshare = product("bksv,bkvgt->bksgt", block.value, queries.share_push) - queries.mean
    dscore = dshare * slopes(options, block, parts.score, seen, queries.maximum)
    dscore = jnp.where(parts.score < highest(options, block, dot), dscore, 0)  # else it is held
    small = _parameter_gradients(block, parts, dscore, dshare * share)
    scaled = dscore * block.alpha * parts.ratio
    near = jnp.where(parts.distance <= 0, 0, parts.ratio)
    ddistance = -scaled * near
    ddot = scaled * (2 + 2 * near)
    by_queries = jnp.sum(ddistance, 2, keepdims=True)
    by_keys = jnp.sum(ddistance, (3, 4))[..., None]
    return small._replace(
        query=product("bkhs,bksgt->bkhgt", key_columns, ddot) + 2 * queries.columns * by_queries,
        key=product("bksgt,bkgth->bksh", ddot, queries.query) + 2 * block.key * by_keys,
        value=product("bksgt,bkgtv->bksv", share, queries.push),
    )


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
        name: None if (like := getattr(block, name)) is None else turn_back(sum_to(value, like))
        for name, value in present.items()
    }
    return Arrays(query=None, key=None, value=None, **sums)
