"""The Yat product: squared dot product over squared distance."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_choice, check_positive, check_product, check_spread
from ..dtypes import result_dtype, widen
from .distance import DISTANCES, product
from .response import Product, respond


def yat(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    *,
    epsilon: ArrayLike = 1e-5,
    distance: str = "expanded",
    precision: Any = None,
    out_sharding: Any = None,
) -> jax.Array:
    """A layer of Yat neurons: the answer is large where x is along w and near it.

        y_o = alpha_o (x . w_o + bias_o)^2 / (|x - w_o|^2 + epsilon_o)

    w_o is column o of the kernel. The bias stands inside the square; alpha multiplies. For
    alpha >= 0 the result is never negative.

    Letters: *B any batch axes, I inputs, O outputs.

    Args:
        x: (*B, I).
        kernel: (I, O).
        bias: one number or (O,), or None for 0. An array with the rank of the result and 1s
            in its shape is taken too, as for alpha and epsilon.
        alpha: one number or (O,), or None for 1.
        epsilon: one number or (O,), above 0. It bounds the answer at x = w_o, where that is
            alpha (|w_o|^2 + bias_o)^2 / epsilon.
        distance: how |x - w|^2 is computed. "expanded" is |x|^2 + |w|^2 - 2 x.w, which
            costs little beside the product. "direct" sums (x_i - w_i)^2 in blocks of features:
            slower, with no loss where x is near w, and nothing of size B I O in memory.
        precision: as in `jax.lax.dot_general`.
        out_sharding: the sharding of the result, for meshes with explicit axes; as in
            `jax.lax.dot_general`. Needed when I is sharded, which "direct" does not support.

    Returns:
        (*B, O), in the promoted dtype of x, kernel, bias and alpha; Python numbers do not
        promote, integers become the default float. Products and sums of bfloat16 and float16 are
        accumulated in float32. A float16 or bfloat16 result that is out of range is the largest
        finite number.

    Accuracy:
        Let u be the rounding unit of the product: 6e-8 in float32, 1e-16 in float64, 5e-4
        where an accelerator multiplies float32 in TF32, 4e-3 where in bfloat16 (pass
        precision="highest" there). The expanded distance is off by at most
        (I + 4) u (|x| + |w|)^2, usually by about u (|x| + |w|)^2, however small it is. The
        relative error of y is that over |x - w|^2 + epsilon: in float32, with a small epsilon,
        about 1% at |x - w| = 5e-3 |w| and everything below 1e-3 |w|. An expanded distance that
        comes out as 0 or less is held at 0. The direct distance has a relative error of at most
        about (I + 4) u, and so has y wherever x is near w.

    Gradient:
        In x, kernel, bias, alpha and epsilon. With n = x.w + bias, r = n / (|x - w|^2 + epsilon)
        and g the gradient of y:

            dx = sum_o 2 g alpha (r w + r^2 (w - x))
            dw = sum_b 2 g alpha (r x + r^2 (x - w))
            dbias = sum_b 2 g alpha r,   dalpha = sum_b g n r,   depsilon = -sum_b g alpha r^2

        Where the expanded distance came out as 0 or less, it is held at 0 and no gradient flows
        through it. Kept for the reverse pass: the arguments and one array of the
        result's size.

    Raises:
        ValueError: a shape does not fit, epsilon is a number not above 0, or distance is
            neither of the two.
        TypeError: an argument is complex or not an array.

    Example:
        >>> import jax.numpy as jnp
        >>> from pyneurons_yat.ops import yat
        >>> x = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> kernel = jnp.array([[1.0], [-1.0]])
        >>> yat(x, kernel, epsilon=3.0).tolist()  # 1^2 / (1 + 3), (-1)^2 / (5 + 3)
        [[0.25], [0.125]]

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    options = _Options(False, distance, precision, out_sharding)
    shape = check_product("yat", x, kernel)
    dtype = _check("yat", options, shape, epsilon, x=x, kernel=kernel, bias=bias, alpha=alpha)
    return _yat(x, kernel, bias, alpha, epsilon, options=options, dtype=dtype)


def yat_scores(
    query: ArrayLike,
    key: ArrayLike,
    bias: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    *,
    epsilon: ArrayLike = 1e-5,
    distance: str = "expanded",
    precision: Any = None,
    out_sharding: Any = None,
) -> jax.Array:
    """Yat products of every query with every key, as attention needs them.

        y_ts = alpha_s (q_t . k_s + bias_s)^2 / (|q_t - k_s|^2 + epsilon_s)

    Everything else, accuracy and gradient included, is as for `yat`, of which this is the
    batched form: for one batch entry it is yat(query, key.T).

    Letters: *B batch axes (heads among them), T queries, S keys, H head size.

    Args:
        query: (*B, T, H).
        key: (*B, S, H), with the same batch axes.
        bias: one number or (S,), or None for 0. An array with the rank of the result and 1s
            in its shape is taken too, as for alpha and epsilon.
        alpha: one number or (S,), or None for 1.
        epsilon: one number or (S,), above 0.
        distance: "expanded" or "direct".
        precision: as in `jax.lax.dot_general`.
        out_sharding: the sharding of the result, for meshes with explicit axes.

    Returns:
        (*B, T, S), in the promoted dtype of query, key, bias and alpha.

    Gradient:
        In query, key, bias, alpha and epsilon, as for `yat`.

    Raises:
        ValueError: a shape does not fit, epsilon is a number not above 0, or distance is
            neither of the two.
        TypeError: an argument is complex or not an array.

    Example:
        >>> import jax.numpy as jnp
        >>> from pyneurons_yat.ops import yat_scores
        >>> query = jnp.array([[1.0, 0.0], [1.0, 1.0]])
        >>> key = jnp.array([[1.0, 1.0]])
        >>> yat_scores(query, key, epsilon=1.0).tolist()  # 1^2 / (1 + 1), 2^2 / (0 + 1)
        [[0.5], [4.0]]

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    options = _Options(True, distance, precision, out_sharding)
    left, right = np.shape(query), np.shape(key)
    if len(left) < 2 or len(left) != len(right) or left[:-2] != right[:-2]:
        raise ValueError(
            "yat_scores: query must have shape (*B, T, H) and key (*B, S, H), with the same "
            f"batch axes, got {left} and {right}"
        )
    if left[-1] != right[-1]:
        raise ValueError(
            "yat_scores: the last axis of query must match the last of key: "
            f"query {left} has {left[-1]} features, key {right} wants {right[-1]}"
        )
    shape = left[:-1] + right[-2:-1]
    dtype = _check(
        "yat_scores", options, shape, epsilon, query=query, key=key, bias=bias, alpha=alpha
    )
    return _yat(query, key, bias, alpha, epsilon, options=options, dtype=dtype)


class _Options(NamedTuple):
    """What is static in a Yat product."""

    keys: bool  # the kernel is (*B, S, H) instead of (I, O)
    distance: str
    precision: Any
    out_sharding: Any


def _check(function, options, shape, epsilon, **arrays):
    """What both functions check alike. Returns the dtype of the result."""
    dtype = result_dtype(function, **arrays)
    check_choice(function, "distance", options.distance, tuple(DISTANCES))
    check_positive(function, epsilon=epsilon)
    check_spread(function, shape, bias=arrays["bias"], alpha=arrays["alpha"], epsilon=epsilon)
    return dtype


@partial(jax.jit, static_argnames=("options", "dtype"))
def _yat(x, kernel, bias, alpha, epsilon, *, options, dtype):
    x, kernel = jnp.asarray(x, dtype), jnp.asarray(kernel, dtype)
    if x.ndim == 1 and options.distance == "direct":  # which reads rows
        row = _yat(x[None], kernel, bias, alpha, epsilon, options=options, dtype=dtype)
        return row[0]
    scales = [None if v is None else widen(v, dtype, x.ndim) for v in (bias, alpha, epsilon)]
    return respond(_product(options), x, kernel, *scales)


def _product(options: _Options) -> Product:
    """The product of rows and columns, or of queries and keys."""

    def dot(x, kernel):
        return product(x, _columns(options, kernel), options.precision, options.out_sharding)

    def squares(x, kernel):
        return DISTANCES[options.distance](x, _columns(options, kernel))

    return Product(dot, squares, options.distance == "expanded")


def _columns(options: _Options, kernel: jax.Array) -> jax.Array:
    return jnp.swapaxes(kernel, -1, -2) if options.keys else kernel
