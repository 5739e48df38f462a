"""Transforms of parameters for `reparam`: what other libraries have flags and wrappers for.

Each works on any layer or model, on the arrays whose path fits a pattern, and composes with the
others. Transforms made alike are equal, so a model made twice compiles once.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ...core import Filter, OnLeaves, Selective, matching
from ...ops import dropout
from ...ops.checks import SHARE, check_numbers
from ...ops.lengths import unit
from ...ops.quantization import check_bits, in_steps, in_three


def cast(dtype: DTypeLike, pattern: Filter = "*") -> OnLeaves:
    """Computes with parameters of another dtype; what is stored and trained stays as it is.

    Layers return the promoted dtype of x and parameters: give x in the dtype too. Running
    statistics are moved in the dtype as well, unless the filter leaves them out: `"params"` does.

    Args:
        dtype: A floating dtype, such as `jax.numpy.bfloat16`.
        pattern: Which floating arrays, a filter as for `partition`: a path, a pattern such as
            `"*kernel"`, a role, a predicate of path and array.

    Returns:
        A transform for `reparam`.

    Gradient:
        That of the cast: it comes back in the dtype of the stored parameters.

    Raises:
        TypeError: If the dtype is not floating.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.reparam(pn.Linear(jax.random.key(0), 3, 2), pn.cast(jnp.bfloat16))
        >>> model(jnp.ones((1, 3), jnp.bfloat16)).dtype, model.kernel.dtype
        (dtype(bfloat16), dtype('float32'))
    """
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"cast: dtype must be floating, got {jnp.dtype(dtype)}")
    return OnLeaves(_cast, pattern, (jnp.dtype(dtype),))


def _cast(array: jax.Array, dtype: Any) -> jax.Array:
    return array.astype(dtype)


def stop(pattern: Filter = "*") -> OnLeaves:
    """Lets no gradient through to parameters.

    An optimiser with weight decay still moves them: `freeze` leaves them out altogether.

    Args:
        pattern: Which arrays, as for `cast`.

    Returns:
        A transform for `reparam`.

    Gradient:
        0.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.reparam(pn.Linear(jax.random.key(0), 2, 1), pn.stop("kernel"))
        >>> pn.grad(lambda model: model(jnp.ones(2)).sum())(model).kernel.tolist()
        [[0.0], [0.0]]
    """
    return OnLeaves(jax.lax.stop_gradient, pattern)


def positive(pattern: Filter = "*kernel") -> OnLeaves:
    """Makes parameters positive, by softplus.

    Args:
        pattern: Which arrays, as for `cast`.

    Returns:
        A transform for `reparam`.

    Gradient:
        That of softplus.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.reparam(pn.Linear(jax.random.key(0), 3, 2, use_bias=False), pn.positive())
        >>> bool((model(jnp.eye(3)) > 0).all())
        True
    """
    return OnLeaves(jax.nn.softplus, pattern)


def unit_norm(pattern: Filter = "*kernel") -> OnLeaves:
    """Scales the weights of each output to a length of 1.

    Args:
        pattern: Which arrays, as for `cast`.

    Returns:
        A transform for `reparam`. The last axis of an array is its outputs; weights that are all 0
        stay so.

    Gradient:
        That of w / |w|; that of w itself where the weights are all 0.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.reparam(pn.Linear(jax.random.key(0), 3, 2, use_bias=False), pn.unit_norm())
        >>> [round(float(v), 4) for v in jnp.linalg.norm(model(jnp.eye(3)), axis=0)]
        [1.0, 1.0]
    """
    return OnLeaves(unit, pattern)


def ternary(pattern: Filter = "*kernel") -> OnLeaves:
    """Weights of three values per output, -s, 0 and s, with the gradient of the weights themselves.

    Weights below 0.7 of the mean magnitude become 0; s is the mean magnitude of the others.

    Args:
        pattern: Which arrays, as for `cast`.

    Returns:
        A transform for `reparam`. The last axis of an array is its outputs.

    Gradient:
        That of the identity (straight through).

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.reparam(pn.Linear(jax.random.key(0), 64, 1, use_bias=False), pn.ternary())
        >>> len(set(model(jnp.eye(64)).ravel().tolist()))
        3

    Source:
        Li, Zhang, Liu, "Ternary Weight Networks", arXiv:1605.04711.
    """
    return OnLeaves(in_three, pattern)


def quantize(bits: int = 8, pattern: Filter = "*kernel") -> OnLeaves:
    """Weights rounded to whole multiples of a step per output, as integers of some bits store them.

        s = max |w| / (2^(bits - 1) - 1),    s round(w / s)

    Args:
        bits: 2 to 16; with 8 there are 255 values, from -127 s to 127 s.
        pattern: Which arrays, as for `cast`.

    Returns:
        A transform for `reparam`. The last axis of an array is its outputs.

    Gradient:
        That of the identity (straight through).

    Raises:
        ValueError: If bits is not an integer from 2 to 16.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 64, 1, use_bias=False)
        >>> rounded = pn.reparam(model, pn.quantize(bits=4))
        >>> len(set(rounded(jnp.eye(64)).ravel().tolist())) <= 15
        True

    Source:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", arXiv:1712.05877.
    """
    check_bits("quantize", bits)
    return OnLeaves(in_steps, pattern, (bits,))


@dataclass(frozen=True)
class DropConnect(Selective):
    """What `drop_connect` returns."""

    rate: float
    pattern: Filter

    def __call__(self, params: Any, *, key: jax.Array | None = None) -> Any:
        """The parameters; with a key, some of them 0."""
        if key is None or self.rate == 0:
            return params
        leaves, structure = jax.tree.flatten(params)
        keys, chosen = jax.random.split(key, len(leaves)), matching(self.pattern, params)
        return jax.tree.unflatten(
            structure,
            [
                dropout(leaf, self.rate, key=keys[i]) if i in chosen else leaf
                for i, leaf in enumerate(leaves)
            ],
        )


def drop_connect(rate: float, pattern: Filter = "*kernel") -> DropConnect:
    """In training, sets weights to 0 at random; inference uses them all.

    Args:
        rate: The probability of dropping, between 0 and 1; the others are divided by 1 - rate.
        pattern: Which arrays, as for `cast`.

    Returns:
        A transform for `reparam`. In training it draws from the key.

    Gradient:
        That of what was kept, times 1 / (1 - rate).

    Raises:
        TypeError: If rate is no number.
        ValueError: If rate is not between 0 and 1.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 50, 1, kernel_init=jax.nn.initializers.ones)
        >>> model = pn.reparam(model, pn.drop_connect(0.5))
        >>> y, _ = pn.observe(model, jnp.eye(50), key=jax.random.key(1))
        >>> sorted(set(y.ravel().tolist())), bool((model(jnp.eye(50)) == 1).all())
        ([0.0, 2.0], True)

    Source:
        Wan et al., "Regularization of Neural Networks using DropConnect", ICML 2013.
    """
    check_numbers("drop_connect", SHARE, static=True, rate=rate)
    return DropConnect(rate, pattern)
