"""Einsum: the affine layer along any axes."""

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...core import bind, options_of
from ...ops import linear
from ...ops.checks import check_sizes, is_several, told
from ...ops.dtypes import accumulator, result_dtype, widen
from .initializers import Initializer, one_program
from .linear import LinearParams, draw_linear

ELLIPSIS = "..."
EQUATION = re.compile(
    r"([a-zA-Z]*(?:\.\.\.)?[a-zA-Z]*),([a-zA-Z]+)->([a-zA-Z]*(?:\.\.\.)?[a-zA-Z]*)"
)


class Letters(NamedTuple):
    """The axes of x, of the kernel and of the result, a letter for each."""

    x: str
    kernel: str
    result: str

    def __str__(self) -> str:
        """The equation."""
        return f"{self.x},{self.kernel}->{self.result}"

    def shared(self) -> str:
        """The axes of the kernel that the result has too, in its order: those of the bias."""
        return "".join(letter for letter in self.result if letter in self.kernel)


@options_of(draw_linear)
def create(
    key: jax.Array,
    equation: str,
    shape: Sequence[int],
    *,
    kernel_init: Initializer | None = None,
    **options: Any,
) -> LinearParams:
    """An affine layer along any axes: `y = einsum(equation, x, kernel) + bias`.

    Args:
        key: A PRNG key.
        equation: The letters of x, of the kernel and of the result, as for `jax.numpy.einsum`:
            `"btd,dhk->bthk"` makes heads of features. An ellipsis stands for any axes of x, which
            the result has too: `"...d,dhk->...hk"` works with any batch axes, `"...d,de->...e"` is
            `Linear`.
        shape: The shape of the kernel, a size for each of its letters.
        kernel_init: `kernel_init(key, shape, dtype)`; by default LeCun's normal, with a variance of
            1 over the product of the axes that are summed over.

    The model takes x with the axes of the equation. The bias has the axes of the result that the
    kernel has too.

    Returns:
        `LinearParams(kernel, bias)`.

    Raises:
        TypeError: If the equation is no text, a size not an integer, or dtype not floating.
        ValueError: If the equation is none of x and a kernel, a letter stands twice in one of them
            or in one of them alone, or the shape does not fit it; when called, if that of x does
            not.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> heads = pn.Einsum(jax.random.key(0), "...d,dhk->...hk", (6, 2, 3))
        >>> heads
        Einsum(equation='...d,dhk->...hk')  42 parameters
          .kernel  float32[6,2,3]
          .bias    float32[2,3]
        >>> heads(jnp.ones((4, 5, 6))).shape
        (4, 5, 2, 3)
    """
    letters = read(equation)
    if not is_several(shape) or len(shape) != len(letters.kernel):
        raise ValueError(
            f"Einsum: shape must have a size for each of the letters {letters.kernel!r}, got "
            f"{told(shape)}"
        )
    sizes: dict[str, Any] = dict(zip(letters.kernel, shape, strict=True))
    check_sizes("Einsum", **{f"the size of {letter}": size for letter, size in sizes.items()})
    draw = balanced(letters) if kernel_init is None else kernel_init
    bias_shape = tuple(sizes[letter] for letter in letters.shared())
    return draw_linear("Einsum", key, tuple(shape), bias_shape, kernel_init=draw, **options)


@options_of(linear)
def apply(params: LinearParams, x: jax.Array, *, equation: str, **options: Any) -> jax.Array:
    """Applies `Einsum` to x, whose axes are those of the equation."""
    letters, (kernel, bias) = read(equation), params
    _check_x(letters, np.shape(x), np.shape(kernel))
    dtype = result_dtype("Einsum", x=x, kernel=kernel, bias=bias)
    return _einsum(x, kernel, bias, letters=letters, dtype=dtype, **options)


@partial(jax.jit, static_argnames=("letters", "dtype", "precision", "out_sharding"))
def _einsum(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    *,
    letters: Letters,
    dtype: np.dtype,
    precision: Any = None,
    out_sharding: Any = None,
) -> jax.Array:
    arrays = jnp.asarray(x, dtype), jnp.asarray(kernel, dtype)
    options = {"precision": precision, "out_sharding": out_sharding}
    wide = accumulator(dtype)
    y = jnp.einsum(str(letters), *arrays, preferred_element_type=wide, **options)
    if bias is None:
        return y.astype(dtype)
    sizes = dict(zip(letters.shared(), bias.shape, strict=True))
    front, _, behind = letters.result.partition(ELLIPSIS)
    shape = [sizes.get(letter, 1) for letter in front + behind]
    shape[len(front) : len(front)] = [1] * (y.ndim - len(shape))
    return (y + widen(bias, dtype, 0).reshape(shape)).astype(dtype)


@lru_cache(256)
def read(equation: str) -> Letters:
    """The letters of an equation, which must be one of x and a kernel."""
    if not isinstance(equation, str):
        raise TypeError(f"Einsum: equation must be text, got {told(equation)}")
    found = EQUATION.fullmatch(equation.replace(" ", ""))
    if not found:
        raise ValueError(
            f"Einsum: equation must be the letters of x, of the kernel and of the result, such as "
            f"'btd,dhk->bthk', got {equation!r}"
        )
    letters = Letters(*found.groups())
    x, kernel, result = (part.replace(ELLIPSIS, "") for part in letters)
    repeated = any(len(set(part)) < len(part) for part in (x, kernel, result))
    alone = sorted((set(kernel) - set(x + result)) | (set(result) - set(x + kernel)))
    if repeated or alone or (ELLIPSIS in letters.x) != (ELLIPSIS in letters.result):
        raise ValueError(
            "Einsum: equation must have each letter once in x, once in the kernel, and in the "
            "result only if one of them has it; those of the kernel in x or in the result; and an "
            f"ellipsis in both x and the result, got {equation!r}"
        )
    return letters


def _check_x(letters: Letters, x: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    """Refuses an x of other axes than the equation says."""
    front, dots, behind = letters.x.partition(ELLIPSIS)
    known = dict(zip(letters.kernel, kernel, strict=True))
    named = front + behind
    fits = len(x) >= len(named) if dots else len(x) == len(named)
    ends = (*x[: len(front)], *x[len(x) - len(behind) :])
    if not fits or any(n != known.get(i, n) for i, n in zip(named, ends, strict=True)):
        sizes = ", ".join(f"{letter} = {known[letter]}" for letter in named if letter in known)
        raise ValueError(f"Einsum: x must have axes {letters.x!r}, {sizes}, got shape {x}")


@lru_cache(256)
def balanced(letters: Letters) -> Initializer:
    """LeCun's normal, by the axes of the kernel that are summed over."""
    summed = [axis for axis, letter in enumerate(letters.kernel) if letter not in letters.result]
    each = [axis for axis, letter in enumerate(letters.kernel) if letter in letters.x]
    rest = [axis for axis in range(len(letters.kernel)) if axis not in each]
    batch = [axis for axis in each if axis not in summed]
    init = jax.nn.initializers.lecun_normal(in_axis=summed, out_axis=rest, batch_axis=batch)
    return one_program(init)


Einsum = bind("Einsum", create, apply)
