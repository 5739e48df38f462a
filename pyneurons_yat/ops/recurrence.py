"""A recurrence: one step after another, each with a product of the state and a fixed kernel."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .checks import check_flag, check_mask, check_sizes
from .dtypes import accumulator
from .gradients import checkpoint
from .sharding import as_rows, varying_alike


def recurrence(
    update: Callable[..., Any],
    carry: Any,
    kernel: Any,
    offsets: Any,
    inputs: Any = (),
    shared: Any = (),
    *,
    where: jax.Array | None = None,
    reverse: bool = False,
    unroll: int = 1,
    precision: Any = None,
) -> tuple[Any, Any]:
    """Scans a step whose weights meet the state in one product, `state @ kernel`.

        carry_t+1, y_t = update(shared, carry_t, inputs_t, offsets_t + state_t @ kernel)

    It is what `jax.lax.scan` of this line computes. What differs is the reverse pass: autodiff of
    the scan adds to the kernel's gradient at each step, while here the gradients of the sums
    are collected and the kernel's is one product of all time steps. Whatever does not depend
    on the carry, such as the products of a layer's input, is best computed before, as offsets.

    Letters: T steps, *B any batch axes, H size of the state, G outputs of the product.

    Args:
        update: the step, hashable: `update(shared, carry, inputs_t, total)` returns the carry, of
            the same structure, shapes and dtypes, and y_t; total is offset plus product. A
            function defined anew each time is compiled anew each time.
        carry: a tree of arrays (*B, ...). Its last array is the state, (*B, H).
        kernel: (H, G), or a tree of such; then offsets and total are trees of the same
            structure. Products of bfloat16 and float16 are accumulated and given in float32.
        offsets: (T, *B, G), or None for 0.
        inputs: a tree of arrays (T, ...); each step gets one entry.
        shared: a tree of arrays which each step gets whole, such as biases.
        where: booleans (T, *B), or None. Where False, the step does not happen: the carry stays,
            and y is 0. Offsets and inputs there should be finite, and so should the derivatives of
            `update` at them. With it every array of carry and y begins with the axes *B.
        reverse: whether to start at the last step. y_t stays at t.
        unroll: steps per iteration of the compiled loop.
        precision: of the products, as in `jax.lax.dot_general`.

    Returns:
        The last carry, and the tree of y (T, ...).

    Gradient:
        In carry, kernel, offsets, inputs and shared, that of the scan. Kept for the reverse pass:
        kernel, inputs and shared, and the carry and the total of each step. `update` is
        computed once more. Where an argument holds integers or keys, autodiff of the scan is
        used instead.

    Raises:
        TypeError: where is not boolean, unroll is not an integer, or update is not hashable.
        ValueError: a shape does not fit, unroll is below 1, or there is nothing of which to count
            the steps.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> def update(shared, carry, inputs, total):
        ...     return total, total
        >>> offsets, half = jnp.ones((3, 1)), jnp.array([[0.5]])
        >>> last, y = pn.recurrence(update, jnp.zeros(1), half, offsets)
        >>> y[:, 0].tolist()  # each h is 1 plus half of the one before
        [1.0, 1.5, 1.75]
    """
    _check_static(update, reverse, unroll)
    _check(carry, kernel, offsets, inputs, where)
    where = None if where is None else jnp.asarray(where)
    options = _Options(update, bool(reverse), unroll, precision)
    return _call(carry, kernel, offsets, inputs, shared, where, options=options)


class _Options(NamedTuple):
    """What is static in a recurrence."""

    update: Callable[..., Any]
    reverse: bool
    unroll: int
    precision: Any


def _check_static(update, reverse, unroll):
    try:
        hash(update)
    except TypeError:
        raise TypeError(
            f"recurrence: update must be hashable, got a {type(update).__name__}; define it as a "
            "function of a module, or as a frozen dataclass with __call__"
        ) from None
    check_flag("recurrence", reverse=reverse)
    check_sizes("recurrence", unroll=unroll)


def _check(carry, kernel, offsets, inputs, where):
    lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves((offsets, inputs))}
    if len(lengths) != 1 or () in lengths:
        steps = sorted(size for shape in lengths for size in shape)
        raise ValueError(
            "recurrence: offsets and inputs must begin with an axis of steps, and have the same "
            f"number of steps, got {steps}"
        )
    if np.ndim(_state(carry)) == 0:
        raise ValueError("recurrence: the last array of carry must have shape (*B, H), got ()")
    *batch, features = np.shape(_state(carry))
    start = (*lengths.pop(), *batch)

    def check_pair(block, offset):
        if np.ndim(block) != 2 or np.shape(block)[0] != features:
            raise ValueError(
                f"recurrence: kernel must have shape (H, G) with the H = {features} of the state, "
                f"the last array of carry, got {np.shape(block)}"
            )
        wanted = (*start, np.shape(block)[1])
        if offset is not None and np.shape(offset) != wanted:
            raise ValueError(
                f"recurrence: offsets must have shape (T, *B, G), here {wanted}, got "
                f"{np.shape(offset)}"
            )

    jax.tree.map(check_pair, kernel, offsets)
    check_mask("recurrence", where, start, fit="have")


def held(where: jax.Array | None, new: Any, old: Any) -> Any:
    """The tree `new`, or where `where` (*B) is False, `old`; without `where`, simply `new`."""
    if where is None:
        return new

    def choose(after, before):
        if np.shape(after)[: where.ndim] != where.shape:
            raise ValueError(
                "recurrence: with where, or the lengths of scan_cell, every leaf of carry and y "
                f"must begin with the batch axes {where.shape}, got a leaf of shape "
                f"{np.shape(after)}; give it these axes, or leave the lengths out"
            )
        after = jnp.asarray(after)
        mask = where.reshape(where.shape + (1,) * (after.ndim - where.ndim))
        return jnp.where(mask, after, before)

    return jax.tree.map(choose, new, old)


def zeros_like(tree: Any) -> Any:
    """The tree with zeros in place of its values."""
    return jax.tree.map(jnp.zeros_like, tree)


def valid_steps(lengths: jax.Array, steps: int) -> jax.Array:
    """Booleans (T, *B): which steps come before the end of their sequence."""
    return jnp.arange(steps).reshape(steps, *(1,) * lengths.ndim) < lengths[None]


def turned_around(y: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """The valid steps of y (T, *B, ...) from the last to the first; padding stays where it is."""
    if lengths is None:
        return jnp.flip(y, 0)
    times = jnp.arange(y.shape[0]).reshape(-1, *(1,) * lengths.ndim)
    order = jnp.where(valid_steps(lengths, y.shape[0]), lengths[None] - 1 - times, times)
    return jnp.take_along_axis(y, order.reshape(*order.shape, *(1,) * (y.ndim - order.ndim)), 0)


def _state(carry):
    return jax.tree.leaves(carry)[-1]


def total(carry: Any, kernel: Any, offsets: Any, precision: Any) -> Any:
    """The products of the state, the last array of the carry, with the kernel, and the offsets."""
    state = _state(carry)

    def one(block, offset):
        dtype = accumulator(jnp.result_type(state, block))
        product = jnp.matmul(state, block, precision=precision, preferred_element_type=dtype)
        return product if offset is None else offset + product

    return jax.tree.map(one, kernel, offsets)


def _products(options, carry, kernel, like):
    """The products alone, in the dtypes of the tree `like`."""
    products = total(carry, kernel, jax.tree.map(lambda block: None, kernel), options.precision)
    return jax.tree.map(lambda product, to: product.astype(to.dtype), products, like)


def _floating(tree):
    leaves = jax.tree.leaves(tree)
    return all(jnp.issubdtype(jax.typeof(leaf).dtype, jnp.floating) for leaf in leaves)


def _step(options, shared, carry, inputs, total, where):
    new, y = options.update(shared, carry, inputs, total)
    return held(where, (new, y), (carry, zeros_like(y)))


@partial(jax.jit, static_argnames=("options",))
def _call(carry, kernel, offsets, inputs, shared, where, *, options):
    arrays = carry, kernel, offsets, inputs, shared
    run = _recur if _floating(arrays) else _scanned
    return run(options, *varying_alike((*arrays, where)))


def _scan(options, step, carry, steps):
    return jax.lax.scan(step, carry, steps, reverse=options.reverse, unroll=options.unroll)


def _scanned(options, carry, kernel, offsets, inputs, shared, where):
    """The plain definition."""

    def step(carry, now):
        offset, x, valid = now
        sums = total(carry, kernel, offset, options.precision)
        return _step(options, shared, carry, x, sums, valid)

    return _scan(options, step, carry, (offsets, inputs, where))


_recur = jax.custom_jvp(_scanned, nondiff_argnums=(0,))


@_recur.defjvp
def _recur_tangent(options, primals, tangents):
    """D total_t = d offset_t + state_t @ d kernel + d state_t @ kernel, in every step.

    The middle term is one product of all steps, and so is the kernel's gradient.
    """
    carry, kernel, offsets, inputs, shared, where = primals
    d_carry, d_kernel, d_offsets, d_inputs, d_shared, _ = tangents
    result, carries, totals = _traced(options, *primals)
    products = _products(options, as_rows(_state(carries)), d_kernel, totals)
    d_offsets = jax.tree.map(_shifted, kernel, d_offsets, products, totals)

    @checkpoint  # the reverse pass computes the update again
    def step(d_carry, now):
        (carry, x, sums, valid), (d_offset, dx) = now
        d_sums = jax.tree.map(jnp.add, d_offset, _products(options, d_carry, kernel, sums))
        once = partial(_step, options, where=valid)
        along = d_shared, d_carry, dx, d_sums
        return jax.jvp(once, (shared, carry, x, sums), along)[1]

    steps = (carries, inputs, totals, where), (d_offsets, d_inputs)
    return result, _scan(options, step, d_carry, steps)


def _traced(options, carry, kernel, offsets, inputs, shared, where):
    """The result, and the carry and the total of each step."""

    def step(carry, now):
        offset, x, valid = now
        sums = total(carry, kernel, offset, options.precision)
        new, y = _step(options, shared, carry, x, sums, valid)
        return new, (y, carry, sums)

    last, (ys, carries, totals) = _scan(options, step, carry, (offsets, inputs, where))
    return (last, ys), carries, totals


def _shifted(block, offset, product, like):
    """The offset, None for 0, plus a product whose rows are all steps of all sequences."""
    product = product.reshape(like.shape)
    return product if offset is None else offset.astype(like.dtype) + product
