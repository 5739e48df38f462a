"""The Yat product with a sparse kernel."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..checks import check_positive, check_spread
from ..dense import DISTANCES, Product, respond
from ..dtypes import result_dtype, widen
from ..sharding import on_automatic_axes
from .kernel import SparseKernel, check_sparse_product
from .linear import sparse_product


def sparse_yat(
    x: ArrayLike,
    kernel: SparseKernel,
    bias: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    *,
    epsilon: ArrayLike = 1e-5,
) -> jax.Array:
    """A layer of Yat neurons with a kernel of which only the non-zeros are there.

        y_o = alpha_o (x . w_o + bias_o)^2 / (|x - w_o|^2 + epsilon_o)

    w_o is column o of the kernel, most of it 0. All of x counts in the distance, which is computed
    as |x|^2 + |w|^2 - 2 x.w.

    Letters: *B any batch axes, I inputs, O outputs, K non-zeros of each output.

    Args:
        x: (*B, I).
        kernel: a `SparseKernel` of values and indices (K, O), no index twice in a column. Traced
            indices are not looked at: one out of range has no meaning.
        bias: one number or (O,), or None for 0. An array with the rank of the result and 1s
            in its shape is taken too, as for alpha and epsilon.
        alpha: one number or (O,), or None for 1.
        epsilon: one number or (O,), above 0.

    Returns:
        (*B, O), in the promoted dtype of x, values, bias and alpha, as for `yat`.

    Accuracy:
        As for `yat` with its expanded distance: off by about u (|x| + |w|)^2, where u is 6e-8 in
        float32.

    Gradient:
        In x, values, bias, alpha and epsilon: that of `yat`, for the entries that are there, to any
        order and in both modes. Nothing of the size I O is made. Kept for the reverse pass: the
        arguments and one array of the result's size.

    Raises:
        ValueError: a shape does not fit, epsilon is a number not above 0, or an index is known and
            out of range.
        TypeError: an argument is complex or not an array, or the kernel not a SparseKernel.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> kernel = pn.sparse_kernel([[1.0, -1.0]], [[0, 0]], 2)
        >>> x = jnp.array([[1.0, 0.0], [2.0, 0.0]])
        >>> pn.sparse_yat(x, kernel, epsilon=1.0).tolist()  # 1 / (0 + 1) and 1 / (4 + 1), ...
        [[1.0, 0.20000000298023224], [2.0, 0.4000000059604645]]

    Source:
        As for `yat` and `sparse_linear`.
    """
    shape = check_sparse_product("sparse_yat", x, kernel)
    check_positive("sparse_yat", epsilon=epsilon)
    check_spread("sparse_yat", shape, bias=bias, alpha=alpha, epsilon=epsilon)
    dtype = result_dtype("sparse_yat", x=x, values=kernel.values, bias=bias, alpha=alpha)
    return _yat(x, kernel.values, kernel.indices, bias, alpha, epsilon, dtype=dtype)


@partial(jax.jit, static_argnames=("dtype",))
def _yat(x, values, indices, bias, alpha, epsilon, *, dtype):
    x, values = jnp.asarray(x, dtype), jnp.asarray(values, dtype)
    scales = [None if v is None else widen(v, dtype, x.ndim) for v in (bias, alpha, epsilon)]

    answer = on_automatic_axes(partial(respond, PRODUCT), x, range(x.ndim - 1))
    return answer(x, values, *scales, indices)


def _squares(x: jax.Array, values: jax.Array, _: jax.Array) -> jax.Array:
    return DISTANCES["expanded"](x, values)


PRODUCT = Product(sparse_product, _squares, expanded=True)
