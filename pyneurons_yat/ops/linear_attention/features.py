"""Feature maps: vectors of numbers whose dot products are, on average, the Yat kernel.

The kernel is k(q, k) = (q.k + shift)^2 / (|q - k|^2 + epsilon). A map phi with phi(q).phi(k) close
to it turns attention, whose cost is the product of the lengths, into sums whose cost is linear:
see `linear_attention`. The functions here take the matrices; the layers `YatFeatures`,
`AnchorFeatures`, `MaclaurinFeatures` and `RadialFeatures` draw them.
"""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_flag, check_whole
from ..dtypes import accumulator, narrow, result_dtype
from ..lengths import unit


def yat_features(
    x: ArrayLike,
    amplitudes: ArrayLike,
    rates: ArrayLike,
    directions: ArrayLike,
    tilts: ArrayLike,
    decays: ArrayLike,
    scales: ArrayLike,
    phases: ArrayLike | None = None,
    *,
    normalize: bool = False,
) -> jax.Array:
    """Features of the Yat kernel: its low powers of q.k exactly, the others at random.

    The Laplace integral of 1 / (|q - k|^2 + epsilon), by quadrature with rates l_i and weights a_i,
    makes the kernel a sum of a_i exp(-l_i (|q|^2 + |k|^2) / 2) (q.k + shift)^2 exp(l_i q.k). Of the
    power series of the last two factors, with coefficients c_in, the powers n < P are held exactly:

        sqrt(a_i c_in) exp(-l_i |x|^2 / 2) monomials_n(x),   monomials_n(q).monomials_n(k) = (q.k)^n

    What is left is (q.k)^P times a mean of exp(u q.k) over 0 <= u <= l_i. Each random feature is
    one draw of it: P independent directions w_mp, whose products stand for (q.k)^P, and a normal
    vector v_m for exp(u_m q.k), as a cosine, or, without phases, as a positive feature:

        scale_m (w_m1.x) ... (w_mP.x) cos(sqrt(u_m) v_m.x + phase_m) exp(-(l_m - u_m) |x|^2 / 2)
        scale_m (w_m1.x) ... (w_mP.x) exp(sqrt(u_m) v_m.x - (l_m + u_m) |x|^2 / 2)

    The first never exceeds its products, and its variance is the smaller where u_m |q| |k| > 1.

    Letters: *B any batch axes, I inputs, R nodes, K exact powers, P factors of a random feature,
    M random features. `YatFeatures` computes or draws all arguments but x.

    Args:
        x: (*B, I).
        amplitudes: (R, K), the sqrt(a_i c_in) of the powers n = P - K, ..., P - 1.
        rates: (R,), the l_i.
        directions: (P, M, I), the w_mp.
        tilts: (M, I), the sqrt(u_m) v_m.
        decays: (M,), the (l_m - u_m) / 2, without phases the (l_m + u_m) / 2.
        scales: (M,).
        phases: (M,), evenly spread from 0 to 2 pi, or None for positive features.
        normalize: whether x is first divided by its length; the kernel is then that of the
            unit vectors. A zero vector stays zero.

    Returns:
        (*B, F): R (the monomials of K degrees) and M random features, in the promoted dtype of the
        arrays. It is computed in float32 at least.

    Gradient:
        In all arrays. The features are computed again in the reverse pass; only the arguments
        are kept. Where a zero vector is normalised the gradient in x is 0.

    Raises:
        ValueError: a shape does not fit.
        TypeError: an argument is complex or not an array.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x = jnp.array([[3.0, 1.0], [1.0, 2.0]])  # (q.k)^2 alone: one node of rate 0
        >>> nothing = jnp.zeros((3, 0, 2)), jnp.zeros((0, 2)), jnp.zeros(0), jnp.zeros(0)
        >>> y = pn.yat_features(x, jnp.ones((1, 1)), jnp.zeros(1), *nothing)
        >>> [round(float(v), 3) for v in y[0]]  # x1^2, sqrt(2) x1 x2, x2^2
        [9.0, 4.243, 1.0]
        >>> round(float(y[0] @ y[1]), 3)
        25.0

    Source:
        The cosines are those of Rahimi and Recht, "Random Features for Large-Scale Kernel
        Machines", 2007; the positive features those of Choromanski et al., "Rethinking Attention
        with Performers", arXiv:2009.14794; the products those of Kar and Karnick, "Random Feature
        Maps for Dot Product Kernels", arXiv:1201.6530.
    """
    arrays = {
        "amplitudes": amplitudes,
        "rates": rates,
        "directions": directions,
        "tilts": tilts,
        "decays": decays,
        "scales": scales,
        "phases": phases,
    }
    letters = ("RK", "R", "PMI", "MI", "M", "M", "M")
    _check_shapes("yat_features", x, letters, arrays)
    if np.shape(amplitudes)[1] > np.shape(directions)[0]:
        raise ValueError(
            "yat_features: amplitudes must have no more columns than directions has rows, got "
            f"shapes {np.shape(amplitudes)} and {np.shape(directions)}"
        )
    return _call("yat_features", _yat_features, x, arrays, normalize)


def anchor_features(
    x: ArrayLike,
    anchors: ArrayLike,
    directions: ArrayLike,
    rates: ArrayLike,
    amplitudes: ArrayLike,
) -> jax.Array:
    """The published anchor features: squares times positive features, all of them above 0.

        phi_ram(x) = amplitude_r (anchor_a.x)^2 exp(sqrt(l_r) w_rm.x - l_r / 2),   x of length 1

    The denominators of `linear_attention` are then positive too. But the squares of anchors do not
    give (q.k)^2: the mean of (a.q)^2 (a.k)^2 over unit anchors a is (1 + 2 (q.k)^2) / (I (I + 2)).
    The map is biased, however many features it has, and knows no shift.

    Letters: *B any batch axes, I inputs, A anchors, R nodes, M positive features of each node.

    Args:
        x: (*B, I), normalised to length 1 here.
        anchors: (A, I), of length 1.
        directions: (R, M, I), standard normal.
        rates: (R,), at least 0.
        amplitudes: (R,).

    Returns:
        (*B, R A M), in the promoted dtype of the arrays.

    Gradient:
        In all arrays, as for `yat_features`.

    Raises:
        ValueError: a shape does not fit.
        TypeError: an argument is complex or not an array.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x, anchors = jnp.array([3.0, 4.0]), jnp.eye(2)
        >>> y = pn.anchor_features(x, anchors, jnp.zeros((1, 1, 2)), jnp.zeros(1), jnp.ones(1))
        >>> [round(float(v), 2) for v in y]
        [0.36, 0.64]

    Source:
        The anchor map of nmn 0.3.5 (its "spherical Yat performer").
    """
    arrays = {
        "anchors": anchors,
        "directions": directions,
        "rates": rates,
        "amplitudes": amplitudes,
    }
    _check_shapes("anchor_features", x, ("AI", "RMI", "R", "R"), arrays)
    return _call("anchor_features", _anchor_features, x, arrays, True)


def maclaurin_features(
    x: ArrayLike, signs: ArrayLike, scales: ArrayLike, *, degrees: ArrayLike
) -> jax.Array:
    """The published random Maclaurin features: products of random signs, of random degree.

        phi_m(x) = scale_m (sign_m1.x) ... (sign_mN.x),   N = degree_m,  x of length 1

    On unit vectors the kernel is a power series in q.k with coefficients b_n >= 0. If degree n is
    drawn with probability b_n / Z and scale_m = sqrt(Z / M), phi(q).phi(k) is unbiased up to
    the highest degree drawn.

    Letters: *B any batch axes, I inputs, M features, L the highest degree.

    Args:
        x: (*B, I), normalised to length 1 here.
        signs: (L, M, I), of 1 and -1.
        scales: (M,).
        degrees: (M,), integers from 0 to L.

    Returns:
        (*B, M), in the promoted dtype of x, signs and scales.

    Gradient:
        In x, signs and scales, as for `yat_features`.

    Raises:
        ValueError: a shape does not fit.
        TypeError: an argument is complex or not an array, or degrees are not integers.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x, signs = jnp.array([3.0, 4.0]), jnp.ones((2, 3, 2))
        >>> y = pn.maclaurin_features(x, signs, jnp.ones(3), degrees=jnp.array([0, 1, 2]))
        >>> [round(float(v), 2) for v in y]  # 1, 0.6 + 0.8, and its square
        [1.0, 1.4, 1.96]

    Source:
        Kar and Karnick, "Random Feature Maps for Dot Product Kernels", arXiv:1201.6530.
    """
    arrays = {"signs": signs, "scales": scales, "degrees": degrees}
    _check_shapes("maclaurin_features", x, ("LMI", "M", "M"), arrays)
    check_whole("maclaurin_features", "degrees", degrees)
    return _call("maclaurin_features", _maclaurin_features, x, arrays, True)


def radial_features(
    x: ArrayLike,
    left: ArrayLike,
    right: ArrayLike,
    offsets: ArrayLike,
    frequencies: ArrayLike,
    phases: ArrayLike,
    amplitudes: ArrayLike,
) -> jax.Array:
    """The published radial features: sign products times random cosines.

        phi_mrj(x) = (left_m.x + o_1m) (right_m.x + o_2m) amplitude_r cos(f_rj.x + phase_rj)

    with x of length 1. The first two factors stand for (q.k + shift)^2, the last for
    exp(-t_r |q - k|^2), of whose sum over the nodes 1 / (|q - k|^2 + epsilon) is made.

    Letters: *B any batch axes, I inputs, M products, R nodes, J cosines of each node.

    Args:
        x: (*B, I), normalised to length 1 here.
        left: (M, I), of mean square 1.
        right: (M, I), likewise.
        offsets: (2, M), of mean square `shift`.
        frequencies: (R, J, I), normal with variance 2 t_r.
        phases: (R, J), evenly spread from 0 to 2 pi.
        amplitudes: (R,).

    Returns:
        (*B, M R J), in the promoted dtype of the arrays.

    Gradient:
        In all arrays, as for `yat_features`.

    Raises:
        ValueError: a shape does not fit.
        TypeError: an argument is complex or not an array.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x, one = jnp.array([3.0, 4.0]), jnp.ones((1, 2))
        >>> nothing = jnp.zeros((2, 1)), jnp.zeros((1, 1, 2)), jnp.zeros((1, 1))
        >>> y = pn.radial_features(x, one, one, *nothing, jnp.ones(1))
        >>> [round(float(v), 2) for v in y]  # (0.6 + 0.8)^2 cos(0)
        [1.96]

    Source:
        The radial map of nmn 0.3.5; Rahimi and Recht, "Random Features for Large-Scale Kernel
        Machines", 2007.
    """
    arrays = {
        "left": left,
        "right": right,
        "offsets": offsets,
        "frequencies": frequencies,
        "phases": phases,
        "amplitudes": amplitudes,
    }
    if np.shape(offsets)[:1] != (2,):
        raise ValueError(f"radial_features: offsets must have 2 rows, got {np.shape(offsets)}")
    _check_shapes("radial_features", x, ("MI", "MI", "2M", "RJI", "RJ", "R"), arrays)
    return _call("radial_features", _radial_features, x, arrays, True)


def _check_shapes(function, x, letters, arrays):
    """Refuses arrays whose shapes disagree; each letter stands for one size."""
    if np.ndim(x) < 1:
        raise ValueError(f"{function}: x must have shape (*B, I), got {np.shape(x)}")
    sizes = {"I": np.shape(x)[-1]}
    for (name, array), wanted in zip(arrays.items(), letters, strict=True):
        if array is None:
            continue
        shape = np.shape(array)
        fits = len(shape) == len(wanted)
        for letter, size in zip(wanted, shape, strict=False):
            fits &= sizes.setdefault(letter, size) == size
        if not fits:
            known = ", ".join(f"{letter} = {size}" for letter, size in sizes.items())
            raise ValueError(
                f"{function}: {name} must have shape ({', '.join(wanted)}), with {known}, "
                f"got {shape}"
            )


def _call(function, compute, x, arrays, normalize):
    dtype = result_dtype(function, x=x, **{n: a for n, a in arrays.items() if n != "degrees"})
    check_flag(function, normalize=normalize)
    normalize = bool(normalize)
    return _compiled(x, *arrays.values(), compute=compute, normalize=normalize, dtype=dtype)


@partial(jax.jit, static_argnames=("compute", "normalize", "dtype"))
def _compiled(x, *arrays, compute, normalize, dtype):
    @jax.checkpoint  # the features are many times larger than x
    def features(x, *arrays):
        wide = [jnp.asarray(x, dtype), *arrays]
        wide = [w if _untouched(w) else jnp.asarray(w, accumulator(dtype)) for w in wide]
        rows = wide[0].reshape(-1, wide[0].shape[-1])
        y = compute(_unit(rows) if normalize else rows, *wide[1:])
        return narrow(y.reshape(*x.shape[:-1], y.shape[-1]), dtype)

    return features(x, *arrays)


def _untouched(array):
    return array is None or jnp.issubdtype(jnp.result_type(array), jnp.integer)


def _unit(x):
    """Rows of length 1, or of zeros, where the gradient is 0."""
    return jnp.where(jnp.any(x != 0, -1, keepdims=True), unit(x, (-1,)), 0)


def _yat_features(x, amplitudes, rates, directions, tilts, decays, scales, phases):
    square = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    radial = jnp.exp(square * (-0.5 * rates)[None])
    highest, count = directions.shape[0], amplitudes.shape[1]
    parts = [
        _outer(radial * amplitudes[None, :, i], monomials(x, highest - count + i))
        for i in range(count)
    ]
    along, decay = x @ tilts.T, square * decays[None]
    if phases is None:
        waves = jnp.exp(along - decay)
    else:
        waves = jnp.cos(along + phases[None]) * jnp.exp(-decay)
    parts.append(scales[None] * _products(x, directions) * waves)
    return jnp.concatenate(parts, axis=-1)


def _anchor_features(x, anchors, directions, rates, amplitudes):
    nodes, count, _ = directions.shape
    along = jnp.einsum("bi,rmi->brm", x, directions) * jnp.sqrt(rates)[None, :, None]
    positive = jnp.exp(along - 0.5 * rates[None, :, None]) * amplitudes[None, :, None]
    squares = jnp.square(x @ anchors.T)
    y = jnp.einsum("ba,brm->bram", squares, positive)
    return y.reshape(x.shape[0], nodes * anchors.shape[0] * count)


def _maclaurin_features(x, signs, scales, degrees):
    taken = jnp.arange(signs.shape[0])[:, None] < degrees[None]
    along = jnp.einsum("bi,lmi->blm", x, signs)
    return scales[None] * jnp.prod(jnp.where(taken[None], along, 1), axis=1)


def _radial_features(x, left, right, offsets, frequencies, phases, amplitudes):
    sketch = (x @ left.T + offsets[None, 0]) * (x @ right.T + offsets[None, 1])
    cosines = jnp.cos(jnp.einsum("bi,rji->brj", x, frequencies) + phases[None])
    cosines = cosines * amplitudes[None, :, None]
    return _outer(sketch, cosines.reshape(x.shape[0], phases.size))


def _outer(left, right):
    """All products of an entry of `left` with one of `right`, row by row."""
    y = left[:, :, None] * right[:, None, :]
    return y.reshape(left.shape[0], left.shape[1] * right.shape[1])


def _products(x, directions):
    """The product over p of direction_pm . x."""
    y = jnp.ones((x.shape[0], directions.shape[1]), x.dtype)
    for one in directions:
        y = y * (x @ one.T)
    return y


def monomials(x: jax.Array, degree: int) -> jax.Array:
    """All monomials of one degree, so weighted that the product of two rows is (q.k)^degree."""
    chosen = itertools.combinations_with_replacement(range(x.shape[-1]), degree)
    orders = np.array(list(chosen), int).reshape(-1, degree) if degree else np.zeros((1, 0), int)
    ways = [math.factorial(degree) / math.prod(_repeats(order)) for order in orders.tolist()]
    y = jnp.sqrt(jnp.asarray(ways, x.dtype))[None] * jnp.ones((x.shape[0], 1), x.dtype)
    for column in orders.T:  # a product with ones and zeros costs less than a gather and its sum
        picked = jnp.asarray(np.eye(x.shape[-1])[column], x.dtype)
        y = y * jnp.matmul(x, picked.T, precision="highest")
    return y


def _repeats(order):
    return [math.factorial(order.count(i)) for i in set(order)]
