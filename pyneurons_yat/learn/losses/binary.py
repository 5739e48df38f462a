"""Losses of answers that are yes or no, each by itself."""

from typing import Unpack

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ...ops.checks import (
    NOT_NEGATIVE,
    check_flag,
    check_numbers,
    check_shapes,
    check_share,
    check_spread,
)
from ..measures import Shared, per_entry, times
from .logarithms import clamped_log, clamped_log_of_rest


@per_entry()
def binary_cross_entropy(
    predictions: jax.Array,
    targets: jax.Array,
    *,
    pos_weight: ArrayLike | None = None,
    from_logits: bool = True,
    **shared: Unpack[Shared],
) -> jax.Array:
    """Cross entropy of the sigmoid of logits, for answers that are yes or no.

        mean -(w t log sigmoid(p) + (1 - t) log sigmoid(-p))

    with p predictions, t targets, w pos_weight. It is `BCEWithLogitsLoss` of torch, and of
    probabilities `BCELoss`, but for the mean beside a weight: there it is the sum over the number
    of entries, `binary_cross_entropy(..., weight=w, reduction="sum") / targets.size`.

    Args:
        predictions: Logits, any shape, real.
        targets: The same shape: 0 or 1, or probabilities between them.
        pos_weight: What a yes costs more than a no: a number, or one per entry of the last axis.
            The mean does not count it.
        from_logits: False if the predictions are probabilities, with the loss
            mean -(w t log p + (1 - t) log(1 - p)). Logarithms count as at least -100.
        weight: As for `mae`.
        reduction: As for `mae`.

    Returns:
        A scalar, or an array of the shape of the predictions. The mean of no entry is 0. NaN for
        what is no probability, where they are wanted.

    Gradient:
        sigmoid(predictions) - targets, divided by their number in the mean. Of probabilities
        (p - t) / (p (1 - p)), and 0 where a logarithm of 0 counts as -100.

    Raises:
        TypeError: If an argument is not real.
        ValueError: As for `mae`, or if pos_weight does not fit.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> round(float(pn.binary_cross_entropy(jnp.zeros(2), jnp.array([0.0, 1.0]))), 4)
        0.6931
        >>> p, t = jnp.array([0.25, 0.0]), jnp.array([1.0, 0.0])
        >>> round(float(pn.binary_cross_entropy(p, t, from_logits=False)), 4)
        0.6931
    """
    check_flag("binary_cross_entropy", from_logits=from_logits)
    log_of_yes, log_of_no = _of_logits if from_logits else (clamped_log, clamped_log_of_rest)
    yes = times(targets, log_of_yes(predictions))
    if pos_weight is not None:
        yes = yes * _per_output(pos_weight, predictions)
    return -(yes + times(1 - targets, log_of_no(predictions)))


_of_logits = jax.nn.log_sigmoid, lambda logits: jax.nn.log_sigmoid(-logits)


def _per_output(pos_weight: ArrayLike, predictions: jax.Array) -> jax.Array:
    check_numbers("binary_cross_entropy", NOT_NEGATIVE, pos_weight=pos_weight)
    check_spread("binary_cross_entropy", predictions.shape, pos_weight=pos_weight)
    return jnp.broadcast_to(jnp.asarray(pos_weight, predictions.dtype), predictions.shape)


@per_entry()
def focal(
    predictions: jax.Array,
    targets: jax.Array,
    *,
    alpha: ArrayLike | None = None,
    gamma: ArrayLike = 2.0,
    **shared: Unpack[Shared],
) -> jax.Array:
    """Focal loss of logits: binary cross entropy that counts less what is right already.

        mean -a (1 - q)^gamma log q,   q = sigmoid(p) where t = 1, sigmoid(-p) where t = 0

    with p predictions, t targets, and a = alpha where t = 1, 1 - alpha where t = 0.

    Args:
        predictions: Logits, any shape, real.
        targets: The same shape: 0 or 1, or probabilities between them, of which the cross entropy
            is multiplied by (t (1 - sigmoid(p)) + (1 - t) sigmoid(p))^gamma.
        alpha: What a yes weighs beside 1 - alpha for a no, from 0 to 1. None weighs neither.
        gamma: At least 0: how much less what is right counts. 0 is `binary_cross_entropy`.
        weight: As for `mae`.
        reduction: As for `mae`. Detectors divide the sum by the number of objects.

    Returns:
        A scalar, or an array of the shape of the predictions. The mean of no entry is 0.

    Gradient:
        That of the formula; it goes to 0 faster than that of `binary_cross_entropy`.

    Raises:
        TypeError: If an argument is not real.
        ValueError: As for `mae`, or if alpha or gamma is out of range.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> round(float(pn.focal(jnp.zeros(2), jnp.array([0.0, 1.0]))), 4)
        0.1733

    Source:
        Lin et al., "Focal loss for dense object detection", 2017, equation 5.
    """
    import optax

    check_numbers("focal", NOT_NEGATIVE, gamma=gamma)
    check_shapes("focal", (), gamma=gamma)
    if alpha is not None:
        check_share("focal", alpha=alpha)
    return optax.sigmoid_focal_loss(predictions, targets, alpha=alpha, gamma=gamma)


@per_entry()
def hinge(predictions: jax.Array, targets: jax.Array, **shared: Unpack[Shared]) -> jax.Array:
    """Hinge loss of scores, for answers that are yes or no: mean max(0, 1 - targets * predictions).

    Its square is `jnp.square(hinge(..., reduction="none"))`.

    Args:
        predictions: Scores, any shape, real: above 0 says yes.
        targets: The same shape: 1 for yes, -1 for no. Of 0 and 1 make `2 * targets - 1`.
        weight: As for `mae`.
        reduction: As for `mae`.

    Returns:
        A scalar, or an array of the shape of the predictions. The mean of no entry is 0. NaN for a
        target that is neither 1 nor -1.

    Gradient:
        -targets where targets * predictions is below 1, else 0, divided by their number in the
        mean.

    Raises:
        TypeError: If an argument is not real.
        ValueError: As for `mae`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> scores = jnp.array([2.0, 0.5, 0.5])
        >>> pn.hinge(scores, jnp.array([1, 1, -1]), reduction="none").tolist()
        [0.0, 0.5, 1.5]

    Source:
        Rosasco et al., "Are loss functions all the same?", 2004.
    """
    losses = jax.nn.relu(1 - targets * predictions)
    return jnp.where(jnp.abs(targets) == 1, losses, jnp.nan)
