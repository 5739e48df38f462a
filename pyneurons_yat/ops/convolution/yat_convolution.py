"""The Yat product of windows with filters: convolution and transposed convolution."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_choice, check_positive, check_spread
from ..dense import DISTANCES, Product, direct_distance, respond
from ..dtypes import result_dtype, widen
from ..sharding import on_automatic_axes
from .padding import Padding, Steps, forward_windows, output_shape, transposed_windows
from .windows import Windows, correlate, oriented, patches, window_sums


def yat_conv(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    *,
    strides: Steps = 1,
    padding: Padding = "SAME",
    input_dilation: Steps = 1,
    kernel_dilation: Steps = 1,
    feature_group_count: int = 1,
    epsilon: ArrayLike = 1e-5,
    distance: str = "expanded",
    precision: Any = None,
) -> jax.Array:
    """Slides Yat neurons over the spatial axes: large where a patch is along w and near it.

        y_so = alpha_o (patch_s . w_o + bias_o)^2 / (|patch_s - w_o|^2 + epsilon_o)

    A patch is what the window sees, padding and inserted zeros included, so |w|^2 is always that
    of the whole filter. It is the `yat` of every patch; the squared lengths of the patches come
    from sums of x^2 over channels and then over windows. 1, 2 or 3 spatial axes, read off the
    kernel.

    Letters: *B any batch axes, S... spatial axes, W... window, I inputs, O outputs, G groups.

    Args:
        x: (*B, S..., I), channels last.
        kernel: (W..., I / G, O), in groups as for `conv`. For a mask multiply it.
        bias: one number or (O,), or None for 0; inside the square.
        alpha: one number or (O,), or None for 1.
        strides: the steps between windows; one integer or one per spatial axis, as the dilations.
        padding: "SAME", "VALID", "CAUSAL" (1 spatial axis), "CIRCULAR", "REFLECT", an integer, or
            per spatial axis an integer or a pair; as for `conv`, which tells the details.
        input_dilation: d puts d - 1 zeros between neighbours of x, and with "CIRCULAR" behind the
            last one too.
        kernel_dilation: d takes every d-th entry into the window.
        feature_group_count: G, which divides I and O. A group has a distance of its own.
        epsilon: one number or (O,), above 0.
        distance: "expanded" is |patch|^2 + |w|^2 - 2 patch.w, which costs little beside the
            convolution. "direct" sums squared differences: much slower, and the patches are in
            memory, with no loss where a patch is near w.
        precision: as in `jax.lax.conv_general_dilated`.

    Returns:
        (*B, S'..., O), in the promoted dtype of x, kernel, bias and alpha; integers become the
        default float. Products and sums of bfloat16 and float16 are accumulated in float32. A
        float16 or bfloat16 result that is out of range is the largest finite number.

    Accuracy:
        As for `yat`, with the patch for x. For a window of K entries the expanded distance is off
        by at most (K I / G + 4) u (|patch| + |w|)^2; usually by about u (|patch| + |w|)^2, but
        large windows come nearer to the bound. It is held at 0 from below.

    Gradient:
        In x, kernel, bias, alpha and epsilon, as for `yat`, each patch's share added to the
        entries of x that it saw. Kept for the reverse pass: the arguments and one array of the
        result's size.

    Raises:
        ValueError: a shape, a padding or a number of groups does not fit, epsilon is a number not
            above 0, or distance is neither of the two.
        TypeError: an argument is complex, not an array, or not an integer where one is wanted.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> signal = jnp.array([0.0, 1.0, 2.0, 1.0, 0.0, 0.0]).reshape(6, 1)
        >>> bump = jnp.array([1.0, 2.0, 1.0]).reshape(3, 1, 1)
        >>> pn.yat_conv(signal, bump, padding="VALID", epsilon=1.0)[:, 0].tolist()
        [4.0, 36.0, 4.0, 0.16666667]

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    windows = forward_windows(
        "yat_conv",
        np.shape(x),
        np.shape(kernel),
        strides=strides,
        padding=padding,
        input_dilation=input_dilation,
        kernel_dilation=kernel_dilation,
        feature_group_count=feature_group_count,
    )
    options = _Options(windows, distance, precision)
    return _checked("yat_conv", options, x, kernel, bias, alpha, epsilon)


def yat_conv_transpose(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    *,
    strides: Steps = 1,
    padding: Padding = "SAME",
    output_padding: Steps = 0,
    kernel_dilation: Steps = 1,
    feature_group_count: int = 1,
    transpose_kernel: bool = False,
    epsilon: ArrayLike = 1e-5,
    distance: str = "expanded",
    precision: Any = None,
) -> jax.Array:
    """Slides Yat neurons by one over x with zeros between its entries: a larger result.

        y_so = alpha_o (patch_s . w_o + bias_o)^2 / (|patch_s - w_o|^2 + epsilon_o)

    The patch is what the window sees, zeros included, and |w|^2 is that of the whole filter: this
    is `yat_conv` with `input_dilation=strides`, and padding as for `conv_transpose`. "CIRCULAR"
    is the Yat product of the patch that goes round: dot products and squared lengths are
    folded, and then divided. (Other libraries fold the quotients.)

    Letters: *B any batch axes, S... spatial axes, W... window, I inputs, O outputs, G groups.

    Args:
        x: (*B, S..., I), channels last.
        kernel: (W..., I / G, O), or with `transpose_kernel` (W..., O / G, I).
        bias: one number or (O,), or None for 0; inside the square.
        alpha: one number or (O,), or None for 1.
        strides: d puts d - 1 zeros between neighbours of x; one integer or one per spatial axis.
        padding: "SAME", "VALID", "CIRCULAR", an integer, or per spatial axis an integer or a pair,
            as for `conv_transpose`, which tells the details.
        output_padding: more zeros behind, and so more windows.
        kernel_dilation: d takes every d-th entry into the window.
        feature_group_count: G, which divides I and O.
        transpose_kernel: the kernel is (W..., O / G, I), and its spatial axes are reversed.
        epsilon: one number or (O,), above 0.
        distance: "expanded" or "direct", as for `yat_conv`.
        precision: as in `jax.lax.conv_general_dilated`.

    Returns:
        (*B, S'..., O), in the promoted dtype of x, kernel, bias and alpha, as for `yat_conv`.

    Gradient:
        In x, kernel, bias, alpha and epsilon, as for `yat_conv`.

    Raises:
        ValueError: a shape, a padding or a number of groups does not fit, epsilon is a number not
            above 0, or distance is neither of the two.
        TypeError: an argument is complex, not an array, or not an integer where one is wanted.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x, kernel = jnp.array([[1.0], [3.0]]), jnp.ones((2, 1, 1))
        >>> pn.yat_conv_transpose(x, kernel, strides=2, epsilon=1.0)[:, 0].tolist()
        [0.5, 0.5, 1.5, 1.5]

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    windows = transposed_windows(
        "yat_conv_transpose",
        np.shape(x),
        np.shape(kernel),
        strides=strides,
        padding=padding,
        output_padding=output_padding,
        kernel_dilation=kernel_dilation,
        feature_group_count=feature_group_count,
        transpose_kernel=transpose_kernel,
    )
    options = _Options(windows, distance, precision)
    return _checked("yat_conv_transpose", options, x, kernel, bias, alpha, epsilon)


class _Options(NamedTuple):
    """What is static in a Yat product of windows."""

    windows: Windows
    distance: str
    precision: Any


def _checked(function, options, x, kernel, bias, alpha, epsilon):
    shape = output_shape(options.windows, np.shape(x), np.shape(kernel))
    dtype = result_dtype(function, x=x, kernel=kernel, bias=bias, alpha=alpha)
    check_choice(function, "distance", options.distance, tuple(DISTANCES))
    check_positive(function, epsilon=epsilon)
    check_spread(function, shape, bias=bias, alpha=alpha, epsilon=epsilon)
    return _yat_conv(x, kernel, bias, alpha, epsilon, options=options, dtype=dtype)


@partial(jax.jit, static_argnames=("options", "dtype"))
def _yat_conv(x, kernel, bias, alpha, epsilon, *, options, dtype):
    x, kernel = jnp.asarray(x, dtype), jnp.asarray(kernel, dtype)
    scales = [None if v is None else widen(v, dtype, x.ndim) for v in (bias, alpha, epsilon)]
    return respond(_product(options), x, kernel, *scales)


def _product(options: _Options) -> Product:
    """The product of patches and filters."""
    expanded = options.distance == "expanded"

    def dot(x, kernel):
        return correlate(options.windows, x, kernel, options.precision)

    squares = partial(_lengths if expanded else _direct, options.windows)
    return Product(dot, squares, expanded, at_once=expanded)


def _lengths(windows: Windows, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """|patch|^2 + |w|^2, where x^2 is summed over channels first."""
    x, kernel = widen(x, x.dtype, x.ndim), widen(kernel, x.dtype, kernel.ndim)
    channels = (windows.groups, x.shape[-1] // windows.groups)
    squares = jnp.sum(jnp.square(x).reshape(*x.shape[:-1], *channels), -1)
    lengths = window_sums(windows, squares)
    columns = jnp.sum(jnp.square(oriented(windows, kernel)), tuple(range(kernel.ndim - 1)))
    return _spread(lengths, columns.size) + widen(columns, x.dtype, x.ndim)


def _spread(groups: jax.Array, outputs: int) -> jax.Array:
    """The values of the groups, each for the outputs of its group; one group broadcasts."""
    *places, count = groups.shape
    if count == 1:
        return groups
    split = (*places, count, outputs // count)
    return jnp.broadcast_to(groups[..., None], split).reshape(*places, outputs)


def _direct(windows: Windows, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The sum of squared differences of patches and filters, group by group."""
    groups = windows.groups

    def differences(x, kernel):
        seen = patches(windows, x)
        *places, taps, inputs = seen.shape
        count, features = math.prod(places), inputs // groups
        rows = jnp.moveaxis(seen.reshape(count, taps, groups, features), 2, 0)
        kernel = oriented(windows, kernel)
        outputs = kernel.shape[-1]
        columns = kernel.reshape(taps * features, groups, outputs // groups)
        distance = direct_distance(
            rows.reshape(groups, count, taps * features), jnp.moveaxis(columns, 1, 0)
        )
        return jnp.moveaxis(distance, 0, 1).reshape(*places, outputs)

    batch = range(x.ndim - len(windows.size) - 1)
    return on_automatic_axes(differences, x, batch)(x, kernel)
