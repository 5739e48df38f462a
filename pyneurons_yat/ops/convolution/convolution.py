"""Convolution and transposed convolution, with the checks and the windows of the Yat forms."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_spread
from ..dtypes import result_dtype, widen
from .padding import Padding, Steps, forward_windows, output_shape, transposed_windows
from .windows import correlate


def conv(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    strides: Steps = 1,
    padding: Padding = "SAME",
    input_dilation: Steps = 1,
    kernel_dilation: Steps = 1,
    feature_group_count: int = 1,
    precision: Any = None,
) -> jax.Array:
    """Slides filters over the spatial axes: the dot product of each window with each filter.

        y_so = patch_s . w_o + bias_o

    A patch is what the window sees, padding and inserted zeros included. The filter is not
    flipped. 1, 2 or 3 spatial axes, read off the kernel.

    Letters: *B any batch axes, S... spatial axes, W... window, I inputs, O outputs, G groups.

    Args:
        x: (*B, S..., I), channels last.
        kernel: (W..., I / G, O). Outputs are in groups too: the first O / G see the first I / G
            inputs, and so on. G = I is a depthwise convolution.
        bias: one number or (O,), or None for 0.
        strides: the steps between windows; as all that follow, one integer or one per spatial
            axis.
        padding: what stands beyond the ends of x, or of the dilated x. A window of n entries spans
            s = (n - 1) d + 1 with kernel dilation d.

            - "SAME": zeros, as many as give ceil(S / stride) windows, the odd one behind.
            - "VALID": nothing.
            - "CAUSAL": s - 1 zeros in front, for 1 spatial axis; y_t depends on x up to t.
            - "CIRCULAR", "REFLECT": (s - 1) // 2 entries in front and s // 2 behind, from the other
              end, or mirrored without the edge itself.
            - an integer, or per spatial axis an integer or a pair (in front, behind): zeros. A
              negative number cuts entries off.
        input_dilation: d puts d - 1 zeros between neighbours of x, S d - d + 1 entries in all; with
            "CIRCULAR" behind the last one too, as the ring closes there, S d in all.
        kernel_dilation: d takes every d-th entry into the window.
        feature_group_count: G, which divides I and O.
        precision: as in `jax.lax.conv_general_dilated`.

    Returns:
        (*B, S'..., O), in the promoted dtype of the arrays; integers become the default float.
        Products of bfloat16 and float16 are accumulated in float32.

    Gradient:
        Plain autodiff, in x, kernel and bias.

    Raises:
        ValueError: a shape, a padding or a number of groups does not fit.
        TypeError: an argument is complex, not an array, or not an integer where one is wanted.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x = jnp.array([[1.0], [2.0], [4.0]])  # 3 steps of 1 channel
        >>> difference = jnp.array([-1.0, 1.0]).reshape(2, 1, 1)
        >>> pn.conv(x, difference, padding="CAUSAL")[:, 0].tolist()
        [1.0, 1.0, 2.0]
    """
    windows = forward_windows(
        "conv",
        np.shape(x),
        np.shape(kernel),
        strides=strides,
        padding=padding,
        input_dilation=input_dilation,
        kernel_dilation=kernel_dilation,
        feature_group_count=feature_group_count,
    )
    return _checked("conv", windows, precision, x, kernel, bias)


def conv_transpose(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    strides: Steps = 1,
    padding: Padding = "SAME",
    output_padding: Steps = 0,
    kernel_dilation: Steps = 1,
    feature_group_count: int = 1,
    transpose_kernel: bool = False,
    precision: Any = None,
) -> jax.Array:
    """Slides filters by one over x with zeros between its entries, so that the result is larger.

        y_so = patch_s . w_o + bias_o

    It is `conv` with `input_dilation=strides`, and with the padding that gives the sizes of a
    strided convolution's gradient.

    Letters: *B any batch axes, S... spatial axes, W... window, I inputs, O outputs, G groups.

    Args:
        x: (*B, S..., I), channels last.
        kernel: (W..., I / G, O).
        bias: one number or (O,), or None for 0.
        strides: d puts d - 1 zeros between neighbours of x; one integer or one per spatial axis, as
            all that follow.
        padding: zeros beyond the ends. A window of n entries spans s = (n - 1) d + 1.

            - "SAME": the result has S stride entries.
            - "VALID": every window that sees any of x; S stride + max(s - stride, 0) entries.
            - "CIRCULAR": x goes round, and so do the zeros; S stride entries. It equals the "VALID"
              result, folded.
            - an integer, or per spatial axis an integer or a pair: as in `conv`, of the dilated x.
              What others call padding p of a transposed convolution is s - 1 - p here.
        output_padding: more zeros behind, and so more windows.
        kernel_dilation: d takes every d-th entry into the window.
        feature_group_count: G, which divides I and O.
        transpose_kernel: the kernel is (W..., O / G, I), and its spatial axes are reversed: then
            this is the gradient of the `conv` with that kernel, which maps O to I channels.
        precision: as in `jax.lax.conv_general_dilated`.

    Returns:
        (*B, S'..., O), in the promoted dtype of the arrays; integers become the default float.

    Gradient:
        Plain autodiff, in x, kernel and bias.

    Raises:
        ValueError: a shape, a padding or a number of groups does not fit.
        TypeError: an argument is complex, not an array, or not an integer where one is wanted.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x = jnp.array([[1.0], [2.0]])
        >>> pn.conv_transpose(x, jnp.ones((2, 1, 1)), strides=2)[:, 0].tolist()
        [1.0, 1.0, 2.0, 2.0]
    """
    windows = transposed_windows(
        "conv_transpose",
        np.shape(x),
        np.shape(kernel),
        strides=strides,
        padding=padding,
        output_padding=output_padding,
        kernel_dilation=kernel_dilation,
        feature_group_count=feature_group_count,
        transpose_kernel=transpose_kernel,
    )
    return _checked("conv_transpose", windows, precision, x, kernel, bias)


def _checked(function, windows, precision, x, kernel, bias):
    shape = output_shape(windows, np.shape(x), np.shape(kernel))
    check_spread(function, shape, bias=bias)
    dtype = result_dtype(function, x=x, kernel=kernel, bias=bias)
    return _conv(x, kernel, bias, windows=windows, precision=precision, dtype=dtype)


@partial(jax.jit, static_argnames=("windows", "precision", "dtype"))
def _conv(x, kernel, bias, *, windows, precision, dtype):
    x, kernel = jnp.asarray(x, dtype), jnp.asarray(kernel, dtype)
    y = correlate(windows, x, kernel, precision)
    return (y if bias is None else y + widen(bias, dtype, y.ndim)).astype(dtype)
