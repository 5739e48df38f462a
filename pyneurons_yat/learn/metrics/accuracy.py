"""Accuracies: shares of what is right."""

from typing import Unpack

import jax
import jax.numpy as jnp

from ...ops.checks import check_sizes
from ..measures import Shared, SharedByClasses, are_known, per_entry, per_example


@per_example(binary="binary_accuracy", result=float)
def accuracy(
    predictions: jax.Array, targets: jax.Array, **shared: Unpack[SharedByClasses]
) -> jax.Array:
    """The share of examples whose largest prediction is that of the target.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Scores, (*B, C), of at least two classes; the largest counts, of equal ones the
            first. For one logit per answer, yes or no, use `binary_accuracy`.
        targets: Labels, integers (*B,), or distributions over the classes, (*B, C).
        weight: One weight per example, as for `cross_entropy`.
        class_weight: As for `cross_entropy`: with 1 / the number of examples of each class, it is
            the balanced accuracy.
        ignore_index: As for `cross_entropy`.
        reduction: As for `mae`; `"none"` gives 0 or 1 per example.

    Returns:
        A scalar in [0, 1], or (*B,), of the default float: half precision would round the share.

    Gradient:
        0: it is a metric, not a loss.

    Raises:
        TypeError: As for `cross_entropy`.
        ValueError: As for `cross_entropy`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> float(pn.accuracy(jnp.array([[0.1, 0.9], [0.8, 0.2]]), jnp.array([1, 1])))
        0.5
    """
    return (jnp.argmax(predictions, axis=-1) == targets).astype(float)


@per_example(binary="binary_accuracy", result=float)
def top_k_accuracy(
    predictions: jax.Array, targets: jax.Array, *, k: int = 5, **shared: Unpack[SharedByClasses]
) -> jax.Array:
    """The share of examples whose target is among the k largest predictions.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Scores, (*B, C), of at least two classes; of equal ones the first are larger.
        targets: Labels, integers (*B,), or distributions over the classes, (*B, C), of which the
            largest entry counts.
        k: From 1, which is `accuracy`, to C.
        weight: One weight per example, as for `cross_entropy`.
        class_weight: As for `accuracy`.
        ignore_index: As for `cross_entropy`.
        reduction: As for `mae`; `"none"` gives 0 or 1 per example.

    Returns:
        A scalar in [0, 1], or (*B,), of the default float.

    Gradient:
        0: it is a metric, not a loss.

    Raises:
        TypeError: As for `cross_entropy`, or if k is no integer.
        ValueError: As for `cross_entropy`, or if k is not in [1, C].

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> scores = jnp.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]])
        >>> float(pn.top_k_accuracy(scores, jnp.array([1, 0]), k=2))
        0.5
        >>> from functools import partial  # as a metric of fit or evaluate, with an option
        >>> metrics = [pn.accuracy, partial(pn.top_k_accuracy, k=2)]
    """
    check_sizes("top_k_accuracy", k=k)
    classes = predictions.shape[-1]
    if k > classes:
        raise ValueError(f"top_k_accuracy: k must be at most {classes}, the classes, got {k}")
    known = are_known(targets, classes)
    label = jnp.where(known, targets, 0)[..., None]
    own = jnp.take_along_axis(predictions, label, axis=-1)
    places = jax.lax.broadcasted_iota(label.dtype, predictions.shape, predictions.ndim - 1)
    before = (predictions == own) & (places < label)
    larger = jnp.sum((predictions > own) | before, axis=-1)
    return (known & (larger < k)).astype(float)


@per_entry(result=float)
def binary_accuracy(
    predictions: jax.Array, targets: jax.Array, **shared: Unpack[Shared]
) -> jax.Array:
    """The share of answers, yes or no, that are right: mean (predictions > 0) == (targets > 1/2).

    Args:
        predictions: Logits, any shape, as for `binary_cross_entropy`: above 0 says yes. Of
            probabilities p pass p - 0.5.
        targets: The same shape: 0 or 1, or probabilities, of which those above 1/2 say yes.
        weight: As for `mae`.
        reduction: As for `mae`; `"none"` gives 0 or 1 per entry.

    Returns:
        A scalar in [0, 1], or an array of the shape of the predictions, of the default float.

    Gradient:
        0: it is a metric, not a loss.

    Raises:
        TypeError: If an argument is not real.
        ValueError: As for `mae`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> logits = jnp.array([[2.0], [-1.0], [0.5], [3.0]])
        >>> float(pn.binary_accuracy(logits, jnp.array([[1], [0], [0], [1]])))
        0.75
    """
    return ((predictions > 0) == (targets > 0.5)).astype(float)
