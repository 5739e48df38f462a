"""YatDense: a layer of Yat neurons.

Users of other Yat layers find their options here; what is no option is one line that says it:

========================  ===================================================================
wanted                    written
========================  ===================================================================
no bias, no alpha         `YatDense(key, 3, 4, use_bias=False, use_alpha=False)`
constant alpha            `compose(YatDense, scale)`, with `use_alpha=False`
constant bias             `reparam(model, constant_bias)`, with `use_bias=False`
one bias for all neurons  `replace(model, "bias", jnp.zeros(()), reshape=True)`, or `"alpha"`
bias through softplus     `reparam(model, softplus_bias)`
weight-normalised         `reparam(model, unit_kernel)`
spherical                 `sequential(unit, reparam(model, unit_kernel))`
positive kernel           `reparam(model, positive_kernel)`
positive initial kernel   `YatDense(key, 3, 4, kernel_init=absolute)`
frozen kernel             `freeze(model, "kernel")`
learned epsilon           `YatDense(key, 3, 4, learnable_epsilon=True, epsilon=1e-3)`
distance floor            `bind("Floored", YatDense.create, floored)`
kernel bank               a parameter of a model of your own, of which each use takes a slice
DropConnect               `reparam(model, drop_connect)`: a fresh mask per key, in `observe`
compute dtype             `reparam(model, cast)`, and inputs of that dtype
custom product            `bind("Mine", YatDense.create, mine)`, with an `apply` of your own
========================  ===================================================================

    >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
    >>> keys, x = iter(jax.random.split(jax.random.key(0), 9)), jnp.ones((2, 3))
    >>> model = pn.YatDense(next(keys), 3, 4)

Maps of the output and of the parameters:

    >>> def scale(y):
    ...     return 2**0.5 * y
    >>> Scaled = pn.compose("Scaled", pn.YatDense, scale)
    >>> Scaled(next(keys), 3, 4, use_alpha=False)(x).shape
    (2, 4)
    >>> def constant_bias(params):
    ...     return params._replace(bias=0.5)
    >>> def softplus_bias(params):
    ...     return params._replace(bias=jax.nn.softplus(params.bias))
    >>> def unit(x, axis=-1):
    ...     return x / jnp.linalg.norm(x, axis=axis, keepdims=True)
    >>> def unit_kernel(params):
    ...     return params._replace(kernel=unit(params.kernel, axis=0))
    >>> def positive_kernel(params):
    ...     return params._replace(kernel=jax.nn.softplus(params.kernel))
    >>> def absolute(key, shape, dtype):
    ...     return abs(pn.yat_normal(key, shape, dtype))
    >>> bool((pn.YatDense(next(keys), 3, 4, kernel_init=absolute).kernel >= 0).all())
    True
    >>> def cast(params):
    ...     return jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    >>> spherical = pn.sequential(unit, pn.reparam(model, unit_kernel))
    >>> bool(jnp.allclose(spherical(x), spherical(10 * x)))
    True
    >>> pn.reparam(model, cast)(x.astype(jnp.bfloat16)).dtype
    dtype(bfloat16)

A lower bound on the squared distance: since y falls with the distance, the smaller of two
fractions.

    >>> def floored(params, x, *, floor=0.1, epsilon=1e-5):
    ...     near = pn.linear(x, params.kernel, params.bias) ** 2 / (floor + epsilon)
    ...     return jnp.minimum(pn.yat(x, params.kernel, params.bias, epsilon=epsilon), near)
    >>> Floored = pn.bind("Floored", pn.YatDense.create, floored)
    >>> Floored(next(keys), 3, 4, use_alpha=False, floor=0.5)(x).shape
    (2, 4)

DropConnect: inference keeps every weight, training drops by the key of the call.

    >>> def drop_connect(params, *, key=None, rate=0.1):
    ...     if key is None:
    ...         return params
    ...     kept = jax.random.bernoulli(key, 1 - rate, params.kernel.shape)
    ...     return params._replace(kernel=jnp.where(kept, params.kernel / (1 - rate), 0))
    >>> dropping = pn.reparam(model, drop_connect)
    >>> y, dropping = pn.observe(dropping, x, key=next(keys))
    >>> bool(jnp.array_equal(dropping(x), model(x)))
    True

A kernel bank that belongs to the model: one parameter, of which each use takes a slice.

    >>> from typing import NamedTuple
    >>> class Bank(NamedTuple):
    ...     kernel: jax.Array
    ...     out: jax.Array
    >>> def create_bank(key, inputs, size):
    ...     one, two = jax.random.split(key)
    ...     return Bank(pn.yat_normal(one, (inputs, size)), pn.yat_normal(two, (size, 1)))
    >>> def apply_bank(params, x):
    ...     all_of_it = pn.yat(x, params.kernel)
    ...     first_two = pn.yat(x, params.kernel[:, :2])
    ...     return pn.yat(all_of_it, params.out) + first_two.sum(-1, keepdims=True)
    >>> Banked = pn.bind("Banked", create_bank, apply_bank)
    >>> Banked(next(keys), 3, 8)(x).shape
    (2, 1)
"""

from typing import Any

import jax

from ...core import bind, options_of
from ...ops import yat
from ...ops.checks import check_sizes
from .yat_parameters import YatParams, answer, draw


@options_of(draw)
def create(key: jax.Array, inputs: int, outputs: int, **options: Any) -> YatParams:
    """A layer of Yat neurons: `y_o = alpha_o (x . w_o + bias_o)^2 / (|x - w_o|^2 + epsilon_o)`.

    It needs no activation function: a neuron answers to inputs that are along its weights and near
    them. A deep stack of these layers keeps its scale from the start; see `yat_normal`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of y, at least 1.

    The model takes x of shape (*B, inputs) and returns (*B, outputs).

    Returns:
        `YatParams(kernel, bias, alpha, epsilon)`; what is not used is None.

    Gradient:
        As for `yat`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, epsilon is not above 0, or an initializer returns
            another shape.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.YatDense(jax.random.key(0), 64, 10, epsilon=1e-3)
        >>> model
        YatDense(epsilon=0.001)  660 parameters
          .kernel  float32[64,10]
          .bias    float32[10]
          .alpha   float32[10]
        >>> model(jnp.ones((5, 64))).shape
        (5, 10)

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", 2024.
    """
    check_sizes("YatDense", inputs=inputs, outputs=outputs)
    return draw("YatDense", key, (inputs, outputs), **options)


@options_of(yat)
def apply(params: YatParams, x: jax.Array, **options: Any) -> jax.Array:
    """Applies `YatDense` to x (*B, inputs)."""
    return answer("YatDense", yat, x, params, **options)


YatDense = bind("YatDense", create, apply)
YatNMN = YatDense
