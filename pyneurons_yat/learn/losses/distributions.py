"""Losses of whole distributions."""

from typing import Unpack

import jax
import jax.numpy as jnp

from ...ops.checks import check_flag
from ..measures import Shared, per_vector, times


@per_vector()
def kl_divergence(
    predictions: jax.Array,
    targets: jax.Array,
    *,
    log_targets: bool = False,
    **shared: Unpack[Shared],
) -> jax.Array:
    """Kullback-Leibler divergence of distributions from predicted ones, given by logarithms.

        mean sum_c t_c (log t_c - p_c),   p log probabilities, t targets

    The sum is that of torch's `KLDivLoss`, and the mean its `"batchmean"`. Its `"mean"` is over
    all entries: the mean here, divided by C.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Logarithms of probabilities, (*B, C), as `jax.nn.log_softmax` gives them.
        targets: The distributions, (*B, C); an entry of 0 costs nothing.
        log_targets: Whether the targets are logarithms too.
        weight: One per distribution, (*B,) or a leading part of it; as for `mae`.
        reduction: As for `mae`; `"none"` gives (*B,).

    Returns:
        A scalar, or (*B,).

    Gradient:
        -targets, divided by the number of distributions in the mean.

    Raises:
        TypeError: If an argument is not real.
        ValueError: As for `mae`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> logs, targets = jnp.log(jnp.array([[0.5, 0.5]])), jnp.array([[0.0, 1.0]])
        >>> round(float(pn.kl_divergence(logs, targets)), 4)
        0.6931

    Source:
        Kullback and Leibler, "On information and sufficiency", 1951.
    """
    check_flag("kl_divergence", log_targets=log_targets)
    if log_targets:
        return jnp.sum(times(jnp.exp(targets), targets - predictions), axis=-1)
    logs = jnp.log(jnp.where(targets == 0, 1, targets))
    return jnp.sum(times(targets, logs - predictions), axis=-1)
