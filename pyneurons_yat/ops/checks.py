"""Checks of arguments: each refuses what the function named cannot take, and says why."""

import numbers
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


def dtype_of(function: str, name: str, value: ArrayLike) -> np.dtype:
    """The dtype of what must be an array or a number."""
    if not isinstance(value, jax.Array | np.ndarray | np.generic | numbers.Number):
        raise TypeError(
            f"{function}: {name} must be an array or a number, got {type(value).__name__}; "
            "convert it with jax.numpy.asarray"
        )
    return jnp.result_type(value)


def check_real(function: str, **arguments: ArrayLike) -> None:
    """Refuses what is no array and no number, or is complex."""
    for name, value in arguments.items():
        dtype = dtype_of(function, name, value)
        if not any(jnp.issubdtype(dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
            raise TypeError(f"{function}: {name} must be real, got dtype {dtype}")


def _known(value: ArrayLike) -> bool:
    """Whether the value can be checked; a traced one cannot, and a device is not waited for."""
    return isinstance(value, numbers.Real | np.ndarray)


def check_positive(function: str, **arguments: ArrayLike) -> None:
    """Refuses what is not real, and a Python or NumPy number that is not above 0."""
    check_real(function, **arguments)
    for name, value in arguments.items():
        if _known(value) and not np.all(np.asarray(value) > 0):
            raise ValueError(f"{function}: {name} must be above 0, got {value}")


def check_share(function: str, **arguments: ArrayLike) -> None:
    """Refuses what is no single real number, and a Python or NumPy number outside of [0, 1]."""
    check_real(function, **arguments)
    check_shapes(function, (), **arguments)
    for name, value in arguments.items():
        if _known(value) and not 0 <= np.asarray(value) <= 1:
            raise ValueError(f"{function}: {name} must be between 0 and 1, got {value}")


def check_sizes(function: str, **sizes: int) -> None:
    """Refuses a size that is not a positive integer."""
    for name, size in sizes.items():
        if not isinstance(size, numbers.Integral) or isinstance(size, bool):
            raise TypeError(f"{function}: {name} must be an integer, got {type(size).__name__}")
        if size < 1:
            raise ValueError(f"{function}: {name} must be at least 1, got {size}")


def check_flag(function: str, **arguments: bool) -> None:
    """Refuses what is neither True nor False."""
    for name, value in arguments.items():
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"{function}: {name} must be True or False, got {value!r}")


def check_shapes(function: str, wanted: tuple[int, ...], **arguments: ArrayLike | None) -> None:
    """Refuses an argument that is neither a number nor of the shape wanted."""
    for name, value in arguments.items():
        if value is not None and np.shape(value) not in ((), wanted):
            or_number = f"{wanted} or ()" if wanted else "()"
            raise ValueError(
                f"{function}: {name} must have shape {or_number}, got shape {np.shape(value)}"
            )


def check_product(function: str, x: ArrayLike, kernel: ArrayLike) -> tuple[int, ...]:
    """Refuses x and kernel that are not (*B, I) and (I, O); returns the shape of the product."""
    left, right = np.shape(x), np.shape(kernel)
    if len(left) < 1 or len(right) != 2:
        raise ValueError(
            f"{function}: x must have shape (*B, I) and kernel (I, O), got {left} and {right}"
        )
    if left[-1] != right[0]:
        raise ValueError(
            f"{function}: the last axis of x must match the first of kernel: x {left} has "
            f"{left[-1]} features, kernel {right} wants {right[0]}"
        )
    return left[:-1] + right[1:]


def check_spread(function: str, shape: tuple[int, ...], **arguments: ArrayLike | None) -> None:
    """Refuses an argument that is neither a number, nor one value per entry of the last axis.

    Accepted shapes are (), (1,), (shape[-1],), and as many axes as `shape` with 1s in them.
    """
    for name, value in arguments.items():
        got = np.shape(value) if value is not None else ()
        if len(got) not in (0, 1, len(shape)) or not _fits(got, shape):
            last = shape[-1:] if shape else ()
            raise ValueError(
                f"{function}: {name} must have shape () or {last}, or the rank of the "
                f"result {shape} with 1s, got shape {got}"
            )


def _fits(got: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    if len(got) > len(shape):
        return False
    tail = shape[len(shape) - len(got) :]
    return all(size in (1, wanted) for size, wanted in zip(got, tail, strict=True))


def check_axes(
    function: str, axis: int | Sequence[int], rank: int, *, empty: bool = False
) -> tuple[int, ...]:
    """Refuses what is not one or several different axes; returns them sorted, none negative."""
    axes = (axis,) if isinstance(axis, numbers.Integral) else axis
    if not isinstance(axes, Sequence) or not all(isinstance(a, numbers.Integral) for a in axes):
        raise TypeError(f"{function}: axis must be an integer or several, got {axis!r}")
    axes = tuple(int(one) for one in axes)
    inside = all(-rank <= one < rank for one in axes)
    positive = tuple(sorted({one % rank for one in axes})) if inside and axes else ()
    if len(positive) != len(axes) or not (axes or empty):
        raise ValueError(
            f"{function}: axis must name different axes of x, which has {rank}, got {axis}"
        )
    return positive


def check_mask(function: str, where: ArrayLike, shape: tuple[int, ...]) -> None:
    """Refuses a mask that is not boolean or does not broadcast to the shape."""
    dtype = dtype_of(function, "where", where)
    if not jnp.issubdtype(dtype, jnp.bool_):
        raise TypeError(f"{function}: where must be boolean, got {dtype}")
    try:
        fits = np.broadcast_shapes(np.shape(where), shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{function}: where must broadcast to the shape of x, {shape}, "
            f"got shape {np.shape(where)}"
        )


def check_choice(function: str, name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuses a value that is not one of the choices."""
    if value not in choices:
        wanted = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"{function}: {name} must be {wanted}, got {value!r}")
