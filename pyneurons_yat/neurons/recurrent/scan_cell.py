"""scan_cell: one driver for every recurrent cell."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ...core import Model
from ...core.run import disarmed, in_training
from ...ops.checks import check_flag, check_index, check_sizes, told
from ...ops.dtypes import as_index
from ...ops.recurrence import held, turned_around, valid_steps, zeros_like
from ...ops.sharding import placed_like, varying_alike
from .cell import Steps, check_carry, declared_carry, initial_carry, is_hoisted, parameter_dtype


def scan_cell(
    cell: Callable[..., Any],
    x: jax.Array,
    carry: Any = None,
    *,
    lengths: ArrayLike | None = None,
    reverse: bool = False,
    keep_order: bool = False,
    time_major: bool = False,
    unroll: int = 1,
    return_carry: bool = False,
) -> Any:
    """Calls a recurrent cell on each time step of a sequence.

        carry, y_t = cell(carry, x_t)    for t = 0, 1, ..., T - 1

    A cell of this library, or another bound from two parts with `bind_cell`, multiplies its input
    for all time steps at once, before the scan, and collects its weights' gradients in one product
    after it.

    In training, a cell that draws or moves does so at each step; what `reparam` draws for a cell
    bound from two parts is the same for all steps. With `lengths` a cell moves only in steps where
    a sequence is valid, and there sees 0 in place of the padding of the others.

    Letters: *B any batch axes, T time steps, I inputs, O outputs.

    Args:
        cell: A model that maps (carry, x) to (carry, y), or a function that does.
        x: (*B, T, I), or with `time_major` (T, *B, I). With `time_major` and `lengths`, *B is the
            shape of lengths and x may be any (T, *B, ...): images (T, *B, H, W, C), or token ids
            (T, *B).
        carry: The first carry; by default the cell's `initial_carry`, in the promoted dtype of x
            and the parameters.
        lengths: The number of valid steps of each sequence: integers of shape *B, from 0 to T, or
            None for T. A sequence ends there: its carry stays as it is, and y is 0 beyond. Every
            array of carry and y must begin with the axes *B. The cell is called with x = 0 in the
            padding, and must have finite derivatives there.
        reverse: Whether to go from the last valid step to the first.
        keep_order: With `reverse`, whether y_t belongs to x_t; otherwise the y computed first
            comes first. Padding stays at the end either way. Without `reverse` it changes nothing.
        time_major: Whether the first axis of x and y is time.
        unroll: Steps per iteration of the compiled loop.
        return_carry: Whether to return the carry too.

    Returns:
        y (*B, T, O), or (T, *B, O) with `time_major`; with `return_carry`, the pair of the carry
        after the last valid step (of a sequence of length 0 the first carry) and y.

    Gradient:
        Exact, in x, the carry and the cell's parameters; see `recurrence`. Padding gets 0.

    Raises:
        TypeError: If x is not one array, lengths or unroll are no integers, or a carry was neither
            given nor declared, or it has another structure than the declared one.
        ValueError: If a shape does not fit, unroll is below 1, or outside `jax.jit` a length is
            not in 0 ... T.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> cell = pn.LSTMCell(jax.random.key(0), 3, 4)
        >>> x = jnp.ones((2, 5, 3))
        >>> (c, h), y = pn.scan_cell(cell, x, lengths=jnp.array([5, 2]), return_carry=True)
        >>> y.shape, bool((y[1, 1] == h[1]).all()), float(abs(y[1, 2:]).max())
        ((2, 5, 4), True, 0.0)
        >>> def total(carry, x):  # any function will do
        ...     return carry + x, carry + x
        >>> pn.scan_cell(total, jnp.arange(4.0)[:, None], jnp.zeros(1))[:, 0].tolist()
        [0.0, 1.0, 3.0, 6.0]
    """
    if not callable(cell):
        raise TypeError(f"scan_cell: cell must be a model or a function, got {told(cell)}")
    check_sizes("scan_cell", unroll=unroll)
    check_flag("scan_cell", reverse=reverse, keep_order=keep_order, time_major=time_major)
    check_flag("scan_cell", return_carry=return_carry)
    x = _time_first(x, time_major)
    where, batch = None, x.shape[1:-1]
    if lengths is not None:
        lengths = _checked_lengths(lengths, x.shape, time_major)
        where, batch = valid_steps(lengths, len(x)), lengths.shape
        x = held(where, x, jnp.zeros_like(x))  # what stands in the padding reaches nothing
    carry, y = _run(cell, _first(cell, carry, x, batch), x, Steps(where, reverse, unroll))
    if reverse and not keep_order:
        y = jax.tree.map(partial(turned_around, lengths=lengths), y)
    if not time_major:
        y = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, len(batch)), y)
    return (carry, y) if return_carry else y


def _time_first(x: Any, time_major: bool) -> jax.Array:
    if not isinstance(x, jax.Array | np.ndarray):
        raise TypeError(
            f"scan_cell: x must be one array, got {type(x).__name__}; join several along the last "
            "axis, or convert it with jax.numpy.asarray"
        )
    rank = np.ndim(x)
    if rank < 2:
        wanted = "(T, *B, I)" if time_major else "(*B, T, I)"
        raise ValueError(f"scan_cell: x must have shape {wanted}, got {np.shape(x)}")
    x = jnp.asarray(x)
    return x if time_major else jnp.moveaxis(x, -2, 0)


def _checked_lengths(lengths: Any, shape: tuple[int, ...], time_major: bool) -> jax.Array:
    """Lengths as an array, of the shape of the batch axes of x (T, *B, ...)."""
    lengths, (steps, *batch) = as_index("scan_cell", "lengths", lengths), shape
    batch = batch[: lengths.ndim] if time_major else batch[:-1]
    if lengths.shape != tuple(batch):
        raise ValueError(
            f"scan_cell: lengths must have the shape of the batch axes, {tuple(batch)}, got "
            f"{lengths.shape}"
        )
    check_index("scan_cell", "lengths", lengths, 0, steps)
    return lengths


def _first(cell: Any, carry: Any, x: jax.Array, batch: tuple[int, ...]) -> Any:
    """The first carry, checked where the cell declares one."""
    if carry is None:
        dtype = parameter_dtype(getattr(cell, "params", ()), x)
        carry = initial_carry(cell, batch, dtype)
        carry = jax.tree.map(lambda c: placed_like(c, x, range(1, 1 + len(batch))), carry)
    first = declared_carry(cell)
    if first is not None:
        check_carry(cell.layer.name, first, carry, batch)
    return carry


def _run(cell: Any, carry: Any, x: jax.Array, steps: Steps) -> tuple[Any, Any]:
    """The last carry, and y (T, *B, ...)."""
    if is_hoisted(cell):
        return cell(carry, x, steps=steps)
    moves = steps.where is not None and in_training(cell)
    cell, carry, xs = varying_alike((cell, carry, (x, steps.where)))

    def step(carry: Any, now: tuple[jax.Array, jax.Array | None]) -> tuple[Any, Any]:
        x, valid = now
        new, y = _where_any(valid, cell, carry, x) if moves else cell(carry, x)
        return held(valid, (new, y), (carry, zeros_like(y)))

    return jax.lax.scan(step, carry, xs, reverse=steps.reverse, unroll=steps.unroll)


def _where_any(valid: Any, cell: Model, carry: Any, x: jax.Array) -> tuple[Any, Any]:
    """A step that does not happen, so that nothing moves, where no sequence is valid."""
    shapes = jax.eval_shape(disarmed(cell), carry, x)

    def rest() -> tuple[Any, Any]:
        return carry, zeros_like(shapes[1])

    return jax.lax.cond(jnp.any(valid), lambda: cell(carry, x), rest)
