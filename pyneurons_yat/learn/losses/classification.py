"""Losses of classes: what each class costs, and how far its score is from that of others."""

from typing import Unpack

import jax
import jax.numpy as jnp

from ...ops.checks import check_flag
from ..measures import SharedByClasses, SharedByCosts, are_known, per_class, per_example
from .logarithms import clamped_log


@per_class(binary="binary_cross_entropy")
def cross_entropy(
    predictions: jax.Array, *, from_logits: bool = True, **shared: Unpack[SharedByCosts]
) -> jax.Array:
    """Cross entropy of the softmax of logits: mean -log softmax(predictions)[target].

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Logits, (*B, C), of at least two classes. For one logit per answer, yes or no,
            use `binary_cross_entropy`. For log probabilities use `negative_log_likelihood`.
        targets: Labels, integers (*B,) in [0, C), or distributions over the classes, (*B, C).
        from_logits: False if the predictions are probabilities, with the loss
            mean -log(predictions)[target]. Their logarithm counts as at least -100.
        weight: One weight per example, (*B,) or a leading part of it; as for `mae`.
        class_weight: One weight per class, (C,), or one number for all. What a class costs is
            multiplied by it. In the mean a label counts as much as its class weighs, and a
            distribution as the mean of its classes: of labels it is
            sum(class_weight[target] * error) / sum(class_weight[target]), as in torch. The mean of
            distributions in torch is the sum over their number.
        ignore_index: A label, often -100, that leaves its example out: its error and gradient are
            0, whatever the predictions are, and it does not count in the mean.
        label_smoothing: The part of each target that is spread over all C classes, from 0 to 1:
            (1 - label_smoothing) * target + label_smoothing / C.
        reduction: As for `mae`; `"none"` gives (*B,).

    Returns:
        A scalar, or (*B,). NaN inside `jax.jit` for a label that is out of range.

    Gradient:
        softmax(predictions) - onehot(targets), divided by the number of examples in the mean. Of
        probabilities -1 / predictions[target], and 0 where that probability is 0.

    Raises:
        TypeError: If the predictions are not real, or labels or ignore_index no integers.
        ValueError: If the shapes do not fit, or as for `mae`. If a label is out of range where its
            value is known and its weight is not 0. If ignore_index comes with distributions, or
            label_smoothing is not in [0, 1]. If a weight per example could be one per class, as
            there are as many of each: give `class_weight`, be it 1.0.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> logits = jnp.array([[0.0, 0.0], [0.0, 0.0]])
        >>> round(float(pn.cross_entropy(logits, jnp.array([0, 1]))), 4)
        0.6931
        >>> round(float(pn.cross_entropy(logits, jnp.array([0, -100]), ignore_index=-100)), 4)
        0.6931
    """
    check_flag("cross_entropy", from_logits=from_logits)
    return -jax.nn.log_softmax(predictions) if from_logits else -clamped_log(predictions)


@per_class(binary="binary_cross_entropy")
def negative_log_likelihood(predictions: jax.Array, **shared: Unpack[SharedByCosts]) -> jax.Array:
    """Negative log likelihood of log probabilities: mean -predictions[target].

    Of `jax.nn.log_softmax(logits)` it is `cross_entropy` of the logits. It is `NLLLoss` of torch.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Logarithms of probabilities, (*B, C), of at least two classes.
        targets: Labels, integers (*B,) in [0, C), or distributions over the classes, (*B, C).
        weight: As for `cross_entropy`.
        class_weight: As for `cross_entropy`.
        ignore_index: As for `cross_entropy`.
        label_smoothing: As for `cross_entropy`.
        reduction: As for `mae`; `"none"` gives (*B,).

    Returns:
        A scalar, or (*B,). NaN inside `jax.jit` for a label that is out of range.

    Gradient:
        -onehot(targets), divided by the number of examples in the mean.

    Raises:
        TypeError: As for `cross_entropy`.
        ValueError: As for `cross_entropy`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> logs = jnp.log(jnp.array([[0.5, 0.5], [0.25, 0.75]]))
        >>> round(float(pn.negative_log_likelihood(logs, jnp.array([1, 0]))), 4)
        1.0397
    """
    return -predictions


@per_example(binary="hinge")
def multiclass_hinge(
    predictions: jax.Array, targets: jax.Array, **shared: Unpack[SharedByClasses]
) -> jax.Array:
    """Hinge loss of classes, of Crammer and Singer.

        mean max(0, 1 + (the largest other score) - (the score of the target))

    It is `optax.multiclass_hinge_loss`. `MultiMarginLoss` of torch has the mean over the other
    classes in place of the largest.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Scores, (*B, C), of at least two classes. For one score per answer, yes or no,
            use `hinge`.
        targets: Labels, integers (*B,) in [0, C), or distributions over the classes, (*B, C), of
            which the largest entry counts.
        weight: As for `cross_entropy`.
        class_weight: As for `cross_entropy`.
        ignore_index: As for `cross_entropy`.
        reduction: As for `mae`; `"none"` gives (*B,).

    Returns:
        A scalar, or (*B,). NaN inside `jax.jit` for a label that is out of range.

    Gradient:
        1 for the largest other score and -1 for that of the target, where the loss is above 0. At
        a tie it is shared by those that are equal.

    Raises:
        TypeError: As for `cross_entropy`.
        ValueError: As for `cross_entropy`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> scores = jnp.array([[3.0, 1.0, 0.0], [3.0, 1.0, 0.0]])
        >>> pn.multiclass_hinge(scores, jnp.array([0, 1]), reduction="none").tolist()
        [0.0, 3.0]

    Source:
        Crammer and Singer, "On the algorithmic implementation of multiclass kernel-based vector
        machines", 2001.
    """
    import optax

    known = are_known(targets, predictions.shape[-1])
    losses = optax.losses.multiclass_hinge_loss(predictions, jnp.where(known, targets, 0))
    return jnp.where(known, losses, jnp.nan)
