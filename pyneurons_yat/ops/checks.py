"""Checks of arguments, one for each kind: a number, a size, a flag, a choice, a shape, a mask.

Each refuses what the function named cannot take, in words of one form:

    FUNCTION: NAME must be WANTED, got GOT; CURE

A wrong shape or range is a ValueError, a wrong dtype or structure a TypeError. No array is printed.
"""

import functools
import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike, DTypeLike

Shape = tuple[int, ...]

POSITIVE = "above 0 and finite"
NOT_NEGATIVE = "at least 0 and finite"
FINITE = "finite"
SHARE = "between 0 and 1"
PART = "from 0 to below 1"

_RANGES: dict[str, Callable[[Any], Any]] = {  # of a number or of an array of them
    POSITIVE: lambda number: (number > 0) & (number < math.inf),
    NOT_NEGATIVE: lambda number: (number >= 0) & (number < math.inf),
    FINITE: lambda number: (number > -math.inf) & (number < math.inf),
    SHARE: lambda number: (number >= 0) & (number <= 1),
    PART: lambda number: (number >= 0) & (number < 1),
}


class OutOfRangeError(IndexError, ValueError):
    """An index that points to nothing."""


def told(value: Any) -> str:
    """What came, for an error: a number or a word as it is, all else by its kind and shape."""
    if value is None or isinstance(value, str | bool | numbers.Number):
        return str(value) if isinstance(value, np.generic) else repr(value)
    if hasattr(value, "shape"):
        return f"an array of shape {value.shape}"
    if isinstance(value, tuple | list) and len(value) <= 8:
        inside = ", ".join(map(told, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
    name = getattr(value, "__name__", "")
    return f"the {type(value).__name__} {name}" if name else f"a {type(value).__name__}"


# ----------------------------------------------------------------------------------- numbers


def dtype_of(function: str, name: str, value: ArrayLike) -> np.dtype:
    """The dtype of what must be an array or a number."""
    if not isinstance(value, jax.Array | np.ndarray | np.generic | numbers.Number):
        converts = isinstance(value, list | tuple) or hasattr(value, "__array__")
        cure = (
            "convert it with jax.numpy.asarray" if converts else "pass an array, such as one of its"
        )
        kind = type(value).__name__
        raise TypeError(f"{function}: {name} must be an array or a number, got {kind}; {cure}")
    return jnp.result_type(value)


def check_real(function: str, **arguments: Any) -> None:
    """Refuses what is no array and no number, or is complex."""
    for name, value in arguments.items():
        dtype = dtype_of(function, name, value)
        if not any(jnp.issubdtype(dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
            raise TypeError(f"{function}: {name} must be real, got dtype {dtype}")


def check_floating(layer: str, dtype: DTypeLike) -> None:
    """Refuses a dtype of parameters that is not floating."""
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"{layer}: dtype must be floating, such as float32, got {dtype!r}")


def check_numbers(function: str, wanted: str, *, static: bool = False, **arguments: Any) -> None:
    """Refuses what is no real number or array of them, and what is known to be out of range.

    The range is one of the words above. Known is what Python or NumPy holds: a traced value is not,
    and a device is not waited for. What is `static` must be one number that Python holds.
    """
    for name, value in arguments.items():
        if isinstance(value, bool | np.bool_):
            raise TypeError(f"{function}: {name} must be a number, got {value}")
        if static and not isinstance(value, numbers.Real):
            raise TypeError(f"{function}: {name} must be a Python number, got {told(value)}")
        check_real(function, **{name: value})
        if isinstance(value, numbers.Real | np.ndarray) and not np.all(_RANGES[wanted](value)):
            entries = np.asarray(value)
            wrong = entries[~_RANGES[wanted](entries)].flat[0]
            raise ValueError(f"{function}: {name} must be {wanted}, got {wrong}")


def check_positive(function: str, **arguments: Any) -> None:
    """Refuses what is not real, and what is known not to be above 0, or to be infinite."""
    check_numbers(function, POSITIVE, **arguments)


def check_share(function: str, **arguments: Any) -> None:
    """Refuses what is no single real number, and what is known not to be in [0, 1]."""
    check_numbers(function, SHARE, **arguments)
    check_shapes(function, (), **arguments)


# -------------------------------------------------------------- integers, flags and choices


@functools.cache
def _symbolic() -> type:
    """The type of a size that is not known yet, as `jax.export` makes it."""
    from jax import export

    return type(export.symbolic_shape("size")[0])


def is_known(size: Any) -> bool:
    """Whether a size is a number, and not the symbol for one that `jax.export` takes."""
    return isinstance(size, numbers.Integral)


def check_sizes(function: str, *, least: int = 1, **sizes: int) -> None:
    """Refuses what is not an integer, or below `least`. A symbol that stands for a size passes."""
    for name, size in sizes.items():
        if isinstance(size, bool | np.bool_) or not is_known(size):
            if isinstance(size, _symbolic()):
                continue
            raise TypeError(f"{function}: {name} must be an integer, got {type(size).__name__}")
        if size < least:
            raise ValueError(f"{function}: {name} must be at least {least}, got {size}")


def is_several(value: Any) -> TypeGuard[Sequence[Any]]:
    """Whether a value is a sequence, and not of letters."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def integers(
    function: str, name: str, value: Any, count: int, least: int | None = None
) -> tuple[int, ...]:
    """`count` integers, from that many or from one for all; none below `least`."""
    entries = (value,) * count if is_known(value) and not isinstance(value, bool) else value
    wanted = f"{name} must be an integer or {count} of them"
    if not is_several(entries) or not all(
        is_known(entry) and not isinstance(entry, bool) for entry in entries
    ):
        raise TypeError(f"{function}: {wanted}, got {told(value)}")
    if len(entries) != count or (least is not None and min(entries) < least):
        low = "" if least is None else f", at least {least}"
        raise ValueError(f"{function}: {wanted}{low}, got {told(value)}")
    return tuple(int(entry) for entry in entries)


def check_flag(function: str, **arguments: bool) -> None:
    """Refuses what is neither True nor False."""
    for name, value in arguments.items():
        if not isinstance(value, bool | np.bool_):
            cure = "; what is known only under jit cannot be a flag" * isinstance(value, Tracer)
            raise TypeError(f"{function}: {name} must be True or False, got {told(value)}{cure}")


def check_key(function: str, key: Any) -> None:
    """Refuses what is neither a PRNG key, of either kind, nor None."""
    dtype = getattr(key, "dtype", np.dtype(object))
    old = dtype == jnp.uint32 and np.ndim(key) > 0
    if not (key is None or old or jnp.issubdtype(dtype, jax.dtypes.prng_key)):
        raise TypeError(
            f"{function}: key must be a PRNG key, got {told(key)}; jax.random.key(0) makes one"
        )


def check_choice(function: str, name: str, value: object, choices: Sequence[Any]) -> None:
    """Refuses a value that is not one of the choices."""
    if not any(value is choice or value == choice for choice in choices):
        wanted = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"{function}: {name} must be {wanted}, got {told(value)}")


# ------------------------------------------------------------------------------------ shapes


def check_shapes(function: str, wanted: Shape, **arguments: ArrayLike | None) -> None:
    """Refuses an argument that is neither a number nor of the shape wanted."""
    for name, value in arguments.items():
        if value is not None and np.shape(value) not in ((), wanted):
            or_number = f"{wanted} or ()" if wanted else "()"
            raise ValueError(
                f"{function}: {name} must have shape {or_number}, got shape {np.shape(value)}"
            )


def check_product(function: str, x: ArrayLike, kernel: ArrayLike) -> Shape:
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


def check_spread(function: str, shape: Shape, **arguments: ArrayLike | None) -> None:
    """Refuses an argument that is neither a number, nor one value per entry of the last axis.

    Accepted shapes are (), (1,), (shape[-1],), and as many axes as `shape` with 1s in them.
    """
    for name, value in arguments.items():
        got = np.shape(value) if value is not None else ()
        if len(got) not in (0, 1, len(shape)) or not _broadcasts(got, shape):
            last = f" or {shape[-1:]}" if shape else ""
            full = f", or the rank of the result {shape} with 1s" if len(shape) > 1 else ""
            raise ValueError(f"{function}: {name} must have shape (){last}{full}, got shape {got}")


def check_axes(
    function: str, axis: int | Sequence[int], rank: int, *, empty: bool = False
) -> Shape:
    """Refuses what is not one or several different axes; returns them sorted, none negative."""
    axes = (axis,) if isinstance(axis, numbers.Integral) else axis
    if not is_several(axes) or not all(
        isinstance(a, numbers.Integral) and not isinstance(a, bool) for a in axes
    ):
        raise TypeError(f"{function}: axis must be an integer or several, got {told(axis)}")
    axes = tuple(int(one) for one in axes)
    inside = all(-rank <= one < rank for one in axes)
    positive = tuple(sorted({one % rank for one in axes})) if inside and axes else ()
    if len(positive) != len(axes) or not (axes or empty):
        raise ValueError(
            f"{function}: axis must name different axes of x, which has {rank}, got {told(axis)}"
        )
    return positive


def spatial_axes(function: str, axis: int | Sequence[int] | None, shape: Shape) -> Shape:
    """The spatial axes of x (B, S..., C): all between the first and the last, or those named."""
    named = tuple(range(1, len(shape) - 1)) if axis is None else axis
    axes = check_axes(function, named, len(shape), empty=True)
    if not shape or len(shape) - 1 in axes or (axis is None and len(shape) < 2):
        raise ValueError(
            f"{function}: x must have shape (batch, ..., C), got {shape}; name the spatial axes, "
            "which the channels are not, as axis"
        )
    return axes


# ----------------------------------------------------------------------- masks and indices


def _broadcasts(got: Shape, shape: Shape) -> bool:
    tail = shape[max(len(shape) - len(got), 0) :]
    return len(got) <= len(shape) and all(
        size == 1 or size == full for size, full in zip(got, tail, strict=True)
    )


def _leads(got: Shape, shape: Shape) -> bool:
    return 0 < len(got) <= len(shape) and got == shape[: len(got)]


def _equals(got: Shape, shape: Shape) -> bool:
    return got == shape


_FITS: dict[str, Callable[[Shape, Shape], bool]] = {
    "broadcast to": _broadcasts,
    "have the first axes of": _leads,
    "have": _equals,
}


def check_fit(
    function: str, name: str, value: ArrayLike, shape: Shape, fit: str = "broadcast to"
) -> None:
    """Refuses an array that does not fit the shape, in the way that one of the words says."""
    got = np.shape(value)
    if not _FITS[fit](got, shape):
        raise ValueError(f"{function}: {name} must {fit} shape {shape}, got shape {got}")


def check_mask(
    function: str,
    where: ArrayLike | None,
    shape: Shape,
    *,
    name: str = "where",
    fit: str = "broadcast to",
    cure: str = "",
) -> None:
    """Refuses a mask that is not boolean or does not fit the shape; None is no mask."""
    if where is None:
        return
    dtype = dtype_of(function, name, where)
    if not jnp.issubdtype(dtype, jnp.bool_):
        cure = f"; {cure}" if cure else ""
        raise TypeError(f"{function}: {name} must be boolean, got dtype {dtype}{cure}")
    check_fit(function, name, where, shape, fit)


def check_whole(function: str, name: str, value: ArrayLike, shape: Shape | None = None) -> None:
    """Refuses what is not of integers, or of another shape; None is any shape."""
    dtype = dtype_of(function, name, value)
    if not jnp.issubdtype(dtype, jnp.integer):
        raise TypeError(f"{function}: {name} must be integers, got dtype {dtype}")
    if shape is not None:
        check_fit(function, name, value, shape, "have")


def check_index(function: str, name: str, index: ArrayLike, low: int, high: float) -> None:
    """Refuses an index below `low` or above `high`, for which it waits; a traced one passes.

    So does one that lies on the devices of other processes too.
    """
    if isinstance(index, Tracer) or not (is_known(high) or high == math.inf):
        return
    if not getattr(index, "is_fully_addressable", True):
        return
    places = np.asarray(index)
    wrong = places[(places < low) | (places > high)]
    if wrong.size:
        wanted = f"at least {low}" if high == math.inf else f"from {low} to {high}"
        raise OutOfRangeError(f"{function}: {name} must be {wanted}, got {wrong.flat[0]}")
